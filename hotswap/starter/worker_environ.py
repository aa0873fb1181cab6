"""The environment of the next worker of `hotswap start`, and what Server::Starter reads in it for itself."""

from __future__ import annotations

from hotswap.errors import SettingError
from hotswap.restart.handoff import Handoff
from hotswap.settings.envdir import read_envdir
from hotswap.starter.standard_error import say
from hotswap.starter.start_options import StartOptions

_AUTO_RESTART_INTERVAL = 360
_AUTO_KILL_OLD_DELAY = 5


class WorkerEnviron:
    """`notify_socket` is for workers that say when they are ready."""

    def __init__(self, options: StartOptions, notify_socket: str) -> None:
        self._options = options
        self._notify_socket = notify_socket

    def of(self, generation: int, handoff: Handoff) -> dict[str, str]:
        """All that the worker of this generation is to have."""
        return {
            **self._settings(),
            "SERVER_STARTER_PORT": ";".join(f"{name}={fd}" for name, fd in self._options.sockets),
            "SERVER_STARTER_GENERATION": str(generation),
            "NOTIFY_SOCKET": self._notify_socket,
            **handoff.to_environ(),
        }

    @property
    def kill_old_delay_s(self) -> float:
        """How long old workers are left alone."""
        environ = self._settings()
        return _number(environ.get("KILL_OLD_DELAY"), _AUTO_KILL_OLD_DELAY if environ.get("ENABLE_AUTO_RESTART") else 0)

    @property
    def auto_restart_interval_s(self) -> float | None:
        """How often to restart by time; None: never."""
        environ = self._settings()
        if not environ.get("ENABLE_AUTO_RESTART"):
            return None
        return _number(environ.get("AUTO_RESTART_INTERVAL"), _AUTO_RESTART_INTERVAL)

    def _settings(self) -> dict[str, str]:
        """The environment: the directory's files may change what was given at the start."""
        return {**self._options.environ, **self._envdir()}

    def _envdir(self) -> dict[str, str]:
        """What the directory has now: a variable whose file is gone is gone from the next worker."""
        directory = self._options.environ.get("ENVDIR", "")
        if not directory:
            return {}
        try:
            return read_envdir(directory)
        except SettingError as error:
            say(str(error))
            return {}


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default
