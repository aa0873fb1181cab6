"""The corpus: requests as data, in `corpus/*.txt`.

An entry is a line `[name] outcome`, and lines of bytes up to an empty one. In these, escapes are Python's, a line
feed of the file means nothing, and `{x*50}` is fifty times x. The outcome is what the engine answers, one word a
request: a status, or `silence` if there is none, because the bytes end in the middle of the first request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_TITLE = re.compile(r"\[(.+)\] ([\w ]+)")
_REPEATED = re.compile(r"\{(.+?)\*(\d+)\}")


@dataclass(frozen=True)
class Entry:
    """One stream of bytes, and what the engine answers to it."""

    name: str
    outcome: str
    data: bytes


def _bytes(line: str) -> bytes:
    line = _REPEATED.sub(lambda found: found[1] * int(found[2]), line)
    return line.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _read(path: Path) -> Iterator[Entry]:
    first = CHUNKED_HEAD if path.stem == "chunks" else b""
    for block in path.read_text("ascii").split("\n\n"):
        title, *lines = [line for line in block.split("\n") if line and not line.startswith("#")] or [""]
        if title:
            found = _TITLE.fullmatch(title)
            assert found is not None, f"{path.name}: {title!r} is no entry's title"
            yield Entry(found[1], found[2], first + b"".join(map(_bytes, lines)))


def entries(*stems: str) -> list[Entry]:
    """Those of the files named, or all; each name is there once."""
    found = [entry for path in sorted(FOLDER.glob("*.txt")) if not stems or path.stem in stems for entry in _read(path)]
    names = [entry.name for entry in found]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
    return found
