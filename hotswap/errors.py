"""The errors that hotswap raises: each message says fact, cause, identity and, where there is one, the remedy."""

from __future__ import annotations


class HotswapError(Exception):
    """Base of all that hotswap raises on purpose; a program can show `str()` of it to its user as it is."""


class UsageError(HotswapError):
    """The call itself is wrong: not on the main thread, no application, a second server in one process."""


class SettingError(HotswapError, ValueError):
    """A setting is unknown, has a value that it does not take, or asks for what this version refuses."""


class AddressError(HotswapError, ValueError):
    """A text is not an address at which hotswap can listen."""


class BindError(HotswapError, OSError):
    """hotswap cannot listen at an address; the message names it, the cause and the remedy."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BootError(HotswapError):
    """A generation could not become ready."""


class RestartRefused(HotswapError):
    """This process cannot be replaced by a successor; the message says why, and what would help."""


class NoSuchServer(HotswapError):
    """A command's arguments name no running hotswap server that this user may see or signal."""
