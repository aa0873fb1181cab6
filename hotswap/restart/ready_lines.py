"""What a successor says on the ready pipe: lines of JSON, each short enough to be written whole or not at all.

A pipe takes PIPE_BUF bytes in one piece (pipe(7)). Of more it may take a part, and then the rest of the line, and with
it the line after, is lost.
"""

from __future__ import annotations

import bisect
import json
import select
from collections.abc import Iterable, Iterator, Mapping

from hotswap.system.tail import tail

#: More of a traceback than this says nothing more; the predecessor keeps as much of standard error (characters).
ERROR_LIMIT = 16 * 1024


def line(message: Mapping[str, object]) -> bytes:
    """One message, of whatever length. UTF-8, because an escape takes up to three times the bytes."""
    # For half a surrogate pair, which UTF-8 cannot hold, Python's escape is the one that JSON has too.
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def error_lines(text: str) -> Iterator[bytes]:
    """The end of `text`, ERROR_LIMIT characters; the last lines come first, so that it is the beginning that is lost.

    "before" is to be put before what was said so far. A predecessor that does not know it has the last lines.
    """
    key, text = "error", tail(text, ERROR_LIMIT)
    while True:
        start = _first_that_fits(key, text)
        yield line({key: text[start:]})
        if start == 0:
            return
        key, text = "before", text[:start]


def _first_that_fits(key: str, text: str) -> int:
    def fits(start: int) -> bool:
        return _is_whole({key: text[start:]})

    return bisect.bisect_left(range(len(text)), True, key=fits)


def files_lines(files: Iterable[str]) -> Iterator[bytes]:
    """The names of files, as many in a line as it holds; one too long for any is left out."""
    batch: list[str] = []
    for file in files:
        if batch and not _is_whole({"files": [*batch, file]}):
            yield line({"files": batch})
            batch = []
        if _is_whole({"files": [file]}):
            batch.append(file)
    if batch:
        yield line({"files": batch})


def _is_whole(message: Mapping[str, object]) -> bool:
    return len(line(message)) <= select.PIPE_BUF
