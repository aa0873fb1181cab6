"""docs/settings.md is what the code says."""

from __future__ import annotations

from hotswap.settings.page import markdown
from tests.harness import ROOT


def test_the_page_is_made_from_the_code() -> None:
    """Whoever changes a row makes the page anew: python -m hotswap.settings.page docs/settings.md."""
    assert (ROOT / "docs" / "settings.md").read_text() == markdown()
