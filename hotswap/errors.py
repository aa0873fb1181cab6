"""The errors hotswap raises: each message is one sentence of fact, cause, identity and, where there is one, remedy."""

from __future__ import annotations


class HotswapError(Exception):
    """Base of everything hotswap raises on purpose; `str()` of it can be shown to a user as it is."""


class UsageError(HotswapError):
    """The call itself is wrong: not on the main thread, not a WSGI callable, a second server in one process."""


class SettingError(HotswapError, ValueError):
    """A setting is unknown, has a value it cannot have, or asks for what this version refuses."""


class AddressError(HotswapError, ValueError):
    """A text is not an address hotswap can listen on."""


class BindError(HotswapError, OSError):
    """An address cannot be listened on; the message names it, the cause and what to do."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BootError(HotswapError):
    """A generation could not become ready."""


class RestartRefused(HotswapError):
    """This process cannot be replaced by a successor, and the message says why and what would help."""


class NoSuchServer(HotswapError):
    """A command was pointed at something that is not a running hotswap server."""
