"""gunicorn's modules whose import needs care, imported in one place.

`gunicorn.util` imports importlib.metadata (8 ms), which it needs for entry points only (`-k egg:...`): it gets it when
it first asks for it. `gunicorn.config` computes defaults while it is imported, int(WEB_CONCURRENCY) (class Workers) and
os.getcwd() (class Chdir): that can fail for reasons that a user can mend.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any

from hotswap.errors import SettingError

_METADATA = "importlib.metadata"


class _Deferred(ModuleType):
    """Stands for importlib.metadata in the module that imported it, and imports it when a name of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        # Still there if another thread has imported it in the moment in which gunicorn.util did.
        if sys.modules.get(_METADATA) is self:
            del sys.modules[_METADATA]
        return getattr(importlib.import_module(_METADATA), name)


_deferred = _Deferred(_METADATA)
_is_ours = sys.modules.setdefault(_METADATA, _deferred) is _deferred
try:
    from gunicorn import glogging
    from gunicorn import util as gunicorn_util
    from gunicorn.errors import ConfigError
finally:
    if _is_ours and sys.modules.get(_METADATA) is _deferred:
        del sys.modules[_METADATA]

try:
    from gunicorn import config as gunicorn_config
except ValueError as error:
    raise SettingError(
        f"cannot read gunicorn's settings (WEB_CONCURRENCY={os.environ.get('WEB_CONCURRENCY')!r}, {error}): "
        "make it a number, or unset it"
    ) from error
except FileNotFoundError as error:
    raise SettingError(
        "cannot read gunicorn's settings (the current directory no longer exists): start in one that does"
    ) from error

__all__ = ["REJECTED", "glogging", "gunicorn_config", "gunicorn_util"]

REJECTED = (ValueError, TypeError, RuntimeError, AttributeError, OSError, ConfigError)
"""What gunicorn's validators raise for a value that they do not take."""
