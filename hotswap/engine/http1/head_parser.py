"""Which parser takes plain heads apart: gunicorn_h1c's, in C, or ours in Python. This is the place where it is chosen.

gunicorn_h1c is published without wheels for Linux, so it wants a C compiler: it comes with `pip install hotswap[fast]`.
With HOTSWAP_PURE in the environment ours is used all the same: the tests of the engine run on both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

REMEDY = "pip install 'hotswap[fast]'"
#: Older ones were not compared with gunicorn's parser in Python; 0.x, so a minor version may change its functions.
OLDEST, TOO_NEW = (0, 6, 9), (0, 7)


class HeadParser(NamedTuple):
    """`parse` takes what `gunicorn_h1c.parse_request_fast` takes, and raises `unfinished` where a head may go on,
    ValueError where it is not plain. `why_python`: why it is not the parser in C, and the remedy; "" where it is.
    """

    name: str
    parse: Callable[..., Any]
    unfinished: type[Exception]
    why_python: str = ""


def choose(environ: Mapping[str, str]) -> HeadParser:
    """The parser for the engines of this process; the environment may ask for the one in Python."""
    if environ.get("HOTSWAP_PURE"):
        return _in_python("HOTSWAP_PURE is set")
    try:
        import gunicorn_h1c
        from gunicorn_h1c._parser_fast import IncompleteError
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "gunicorn_h1c"
        fault = "is not installed" if missing else f"cannot be imported ({error})"
        return _in_python(f"gunicorn_h1c {fault}: {REMEDY}")
    version = gunicorn_h1c.__version__
    if not OLDEST <= tuple(map(int, re.findall(r"\d+", version)[:3])) < TOO_NEW:
        return _in_python(f"gunicorn_h1c {version} is not one that hotswap was compared with: {REMEDY}")
    return HeadParser(f"gunicorn_h1c {version}", gunicorn_h1c.parse_request_fast, IncompleteError)


def _in_python(why: str) -> HeadParser:
    # Here, and not above: what it compiles would be paid for at every start on the one in C.
    from hotswap.engine.http1.plain_head import Unfinished, parse_plain

    return HeadParser("Python", parse_plain, Unfinished, why)


CHOSEN = choose(os.environ)
