"""gunicorn's configuration module, imported in one place: its import can fail for reasons a user can mend.

It computes defaults while it is imported: int(WEB_CONCURRENCY) (class Workers), os.getcwd() (class Chdir).
"""

from __future__ import annotations

import os

from hotswap.errors import SettingError

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

from gunicorn.errors import ConfigError

__all__ = ["REJECTED", "gunicorn_config"]

REJECTED = (ValueError, TypeError, RuntimeError, AttributeError, OSError, ConfigError)
"""What gunicorn's validators raise for a value they do not take."""
