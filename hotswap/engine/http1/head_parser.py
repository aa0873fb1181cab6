"""Which reader takes plain heads apart: ours in C or its twin in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from hotswap.engine.native.choice import why_python

if TYPE_CHECKING:
    from hotswap.engine.http1.plain_head import PlainHead


class HeadParser(NamedTuple):
    """`read_plain` is `plain_head.read_plain_head` or its twin; `why_python`: why not the one in C, "" if it is."""

    read_plain: Callable[[bytes, int, int, int, bool], PlainHead | None]
    why_python: str = ""

    @property
    def name(self) -> str:
        """What it is written in."""
        return "Python" if self.why_python else "C"


def choose(environ: Mapping[str, str]) -> HeadParser:
    """The parser for the engines of a process with this environment."""
    why = why_python(environ)
    if why:
        # Here, and not above: what it compiles would be paid for at every start on the one in C.
        from hotswap.engine.http1.plain_head import read_plain_head

        return HeadParser(read_plain_head, why)
    from hotswap.engine.native import heads

    return HeadParser(heads.read_plain_head)


CHOSEN = choose(os.environ)
