"""docs/settings.md is what the code says."""

from __future__ import annotations

from hotswap.settings.config import Config
from hotswap.settings.page import markdown
from hotswap.settings.support import SUPPORT, Kind
from tests.harness import ROOT


def test_the_page_is_made_from_the_code() -> None:
    """After a change of a row, make the page anew: python -m hotswap.settings.page docs/settings.md."""
    assert (ROOT / "docs" / "settings.md").read_text() == markdown()


def test_a_refused_setting_is_never_described_as_one_that_works() -> None:
    """Its row says that it is refused, and why."""
    rows = {row.split("`")[1]: row for row in markdown().splitlines() if row.startswith("| `")}
    refused = {name for name in Config(prog="hotswap").settings if SUPPORT[name].kind is Kind.REFUSED}
    assert "pre_exec" in refused
    for name in refused:
        assert "refused" in rows[name]
        assert SUPPORT[name].sentence in rows[name]
