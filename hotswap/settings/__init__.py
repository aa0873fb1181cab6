"""gunicorn's settings and ours: read from keywords or a command line, and checked against what hotswap does.

A name of this package is imported when it is used first: most of them need gunicorn, which cannot be imported on
Windows. Programs there use the tables (`support`, `names`, `run_arguments`) without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotswap.settings.command_line import from_command_line
    from hotswap.settings.config import CHANGED_DEFAULTS, Config
    from hotswap.settings.keywords import from_keywords
    from hotswap.settings.refusals import check
    from hotswap.settings.support import SUPPORT

__all__ = ["Config", "from_keywords", "from_command_line", "check", "CHANGED_DEFAULTS", "SUPPORT"]

_MODULES = {
    "from_command_line": "command_line",
    "CHANGED_DEFAULTS": "config",
    "Config": "config",
    "from_keywords": "keywords",
    "check": "refusals",
    "SUPPORT": "support",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'hotswap.settings' has no attribute {name!r}")
    module = importlib.import_module(f"hotswap.settings.{_MODULES[name]}")
    globals()[name] = found = getattr(module, name)
    return found
