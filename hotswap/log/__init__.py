"""The log of a server: gunicorn's logger and its settings, with the identity of a generation in every line."""

from __future__ import annotations

from hotswap.log.server_log import Log

__all__ = ["Log"]
