"""The keywords of serve(), as an editor knows them: all of them, and no other."""

from __future__ import annotations

import pytest

from hotswap.errors import SettingError
from hotswap.settings import from_keywords
from hotswap.settings.keywords import RUN_ONLY
from hotswap.settings.make_types import source
from hotswap.settings.run_arguments import ONLY_WERKZEUG
from hotswap.settings.support import SUPPORT, Kind
from hotswap.settings.types import Settings
from tests.harness import ROOT


def test_the_module_is_made_from_the_settings() -> None:
    """After a setting has come, gone or changed: make settings-types."""
    assert (ROOT / "hotswap" / "settings" / "types.py").read_text() == source(), "run make settings-types"


def test_what_serve_takes_is_there() -> None:
    """Each setting that serve() does not refuse, and each argument of app.run()."""
    refused = {name for name, row in SUPPORT.items() if row.kind is Kind.REFUSED and not row.engine}
    assert SUPPORT.keys() - refused - RUN_ONLY.keys() - {"default_proc_name"} <= Settings.__annotations__.keys()
    assert Settings.__annotations__.keys().isdisjoint({*refused, *RUN_ONLY, *ONLY_WERKZEUG})


@pytest.mark.parametrize("name", sorted(Settings.__annotations__))
def test_each_is_a_keyword(name: str) -> None:
    """None is what it is when it is not given."""
    try:
        from_keywords({name: None})
    except SettingError as error:
        pytest.fail(str(error))
