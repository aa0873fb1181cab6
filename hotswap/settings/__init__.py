"""gunicorn's settings and ours: read from keywords or a command line, checked against what hotswap does."""

from __future__ import annotations

from hotswap.settings.command_line import from_command_line
from hotswap.settings.config import CHANGED_DEFAULTS, Config
from hotswap.settings.keywords import from_keywords
from hotswap.settings.refusals import check
from hotswap.settings.support import SUPPORT

__all__ = ["Config", "from_keywords", "from_command_line", "check", "CHANGED_DEFAULTS", "SUPPORT"]
