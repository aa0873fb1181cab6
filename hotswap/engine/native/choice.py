"""Whether the engines of this process use the extension in C: this is the place where that is chosen.

Each of its modules has a twin in Python, which does the same: `lane`, `heads` and `access_log`. Chosen are all of
them, or none.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

#: What to do where there is none. How it is built, and for which machines there are wheels: docs/install.md.
REMEDY = "install gcc and Python's headers, and hotswap again"
_MODULES = ("access_log", "heads", "lane")


def why_python(environ: Mapping[str, str]) -> str:
    """Why a process with this environment uses Python alone, as the end of a sentence; "" if it uses the extension."""
    if environ.get("HOTSWAP_PURE"):
        return "HOTSWAP_PURE is set"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "this Python runs without the GIL, on which the extension in C relies"
    for name in _MODULES:
        module = f"hotswap.engine.native.{name}"
        try:
            importlib.import_module(module)
        except ImportError as error:
            if isinstance(error, ModuleNotFoundError) and error.name == module:
                return f"the extension in C is not built: {REMEDY}"
            return f"the extension in C cannot be imported ({error}): {REMEDY}"
    return ""


WHY_PYTHON = why_python(os.environ)
#: The lane that is used, in a word and in a few.
LANE = "Python" if WHY_PYTHON else "C"
NAME = f"Python, because {WHY_PYTHON}" if WHY_PYTHON else "C"
