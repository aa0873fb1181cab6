"""What the pages of docs/ show, for tests to run: code blocks that have a title."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.harness import ROOT

_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def documented(page: str, title: str, changes: Mapping[str, str] | None = None) -> str:
    """The text of the block with that title on a page, with one text in place of another, which must be in it.

    Fails unless there is exactly one such block.
    """
    blocks = [found[2] for found in _BLOCK.finditer((ROOT / "docs" / page).read_text()) if found[1] == title]
    assert len(blocks) == 1, f"docs/{page} has {len(blocks)} blocks with the title {title!r}"
    text = blocks[0]
    for old, new in (changes or {}).items():
        assert old in text, f"{title} of docs/{page} has no {old!r} any more"
        text = text.replace(old, new)
    return text
