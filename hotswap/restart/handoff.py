"""What a predecessor passes to its successor at start: one frozen value, carried in one environment variable.

The format outlives releases: a predecessor and its successor may run different versions of hotswap. Fields are
added, never renamed and never given another meaning; unknown ones are ignored; `listeners` stay readable in every
version, because a successor that knows nothing else can still serve.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hotswap.errors import HotswapError

VARIABLE = "HOTSWAP_HANDOFF"
VERSION = 1


class HandoffError(HotswapError):
    """The environment carries a handoff that cannot be read."""


class PassedListener(NamedTuple):
    """One listener: the key it is known by, its descriptor, the identity of its unix path ("" if it has none), and
    whether this server has bound it; False from a predecessor that does not tell."""

    key: str
    fd: int
    identity: str = ""
    ours: bool = False


class Handoff(NamedTuple):
    """Everything a successor is given. Descriptors are -1 where there is none; times are seconds."""

    generation: int
    predecessor: int
    listeners: tuple[PassedListener, ...] = ()
    exchange_send: int = -1
    exchange_receive: int = -1
    ready: int = -1
    stderr: int = -1
    stderr_pipe: int = -1
    scoreboard: int = -1
    boot_timeout: float = 0.0
    #: when the predecessor's patience began, as time.monotonic(), which processes share; 0 from one that does not tell
    began: float = 0.0
    #: the descriptor that leads to the starter, and the starter's pid; -1 and 0 where there is none
    starter: int = -1
    starter_pid: int = 0
    #: the number of this attempt on the scoreboard: later ones are higher; 0 from a version that does not tell
    attempt: int = 0
    #: what `env_file` and `envdir` changed: name to the value before (None: it was not there)
    environment_before: Mapping[str, str | None] = MappingProxyType({})
    #: where the successor is started, by the path that the user knows; "" from a version that does not tell
    directory: str = ""
    #: the addresses that this server could not bind, before it could one of those that it serves
    tried: tuple[str, ...] = ()
    #: whether the successor has --graceful among its arguments: it has not if the program does not know the flag
    takes_flag: bool = True
    #: SIGHUP was ignored when the server was started, as by nohup(1): the end of its terminal means nothing to it
    nohup: bool = False
    #: how the predecessor serves, as it says in its own ready message (`takeover.Takeover`), should it be the one that
    #: connections move to: after a rollback
    serves: Mapping[str, Any] = MappingProxyType({})
    #: the path that `watch` names, and the state of it that this successor is started for; "" for none
    watched_path: str = ""
    watched_state: str = ""
    #: the reading ends of the pipes that were standard error of earlier boots, and to which programs write still
    stderr_pipes: tuple[int, ...] = ()
    version: int = VERSION

    def descriptors(self) -> list[int]:
        """Every descriptor that has to be passed, each once."""
        fds = (*self._single(), *self.stderr_pipes, *(item.fd for item in self.listeners))
        return sorted({fd for fd in fds if fd >= 0})

    def resources(self) -> list[int]:
        """The descriptors beside the listeners that the successor is to serve with."""
        return [fd for fd in (self.exchange_send, self.exchange_receive, self.scoreboard) if fd >= 0]

    def _single(self) -> tuple[int, ...]:
        return (
            self.exchange_send,
            self.exchange_receive,
            self.ready,
            self.stderr,
            self.stderr_pipe,
            self.scoreboard,
            self.starter,
        )

    def to_environ(self) -> dict[str, str]:
        """The variables to add to the successor's environment."""
        fields = {
            **self._asdict(),
            "listeners": [item._asdict() for item in self.listeners],
            "environment_before": dict(self.environment_before),
            "serves": dict(self.serves),
        }
        return {VARIABLE: json.dumps(fields, separators=(",", ":"))}

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> Handoff | None:
        """Take the handoff out of `environ`: read once, removed whatever it is, so that it never leaks any further.

        Returns None where there is none. Raises HandoffError where it cannot be read.
        """
        text = environ.pop(VARIABLE, None)
        if text is None:
            return None
        try:
            return cls._from_fields(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise HandoffError(
                f"cannot read the handoff in {VARIABLE} ({error}): unset it to start without a predecessor"
            ) from error

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Handoff:
        listeners = tuple(
            PassedListener(**{name: value for name, value in item.items() if name in PassedListener._fields})
            for item in fields.get("listeners", ())
        )
        kept = {name: value for name, value in fields.items() if name in cls._fields}
        kept.update({name: tuple(fields.get(name, ())) for name in ("tried", "stderr_pipes")}, listeners=listeners)
        handoff = cls(**kept)
        handoff._check_types()
        return handoff

    def _check_types(self) -> None:
        """Raise for what no predecessor writes: a wrong type would come to light far from here."""
        listeners = self.listeners
        wanted: tuple[tuple[tuple[type, ...], Iterable[object]], ...] = (
            ((int,), (self.generation, self.predecessor, self.attempt, self.starter_pid)),
            ((int,), (*self._single(), *self.stderr_pipes, *(item.fd for item in listeners))),
            ((int, float), (self.boot_timeout, self.began)),
            ((str,), (text for item in listeners for text in (item.key, item.identity))),
            ((str,), (self.directory, self.watched_path, self.watched_state)),
            ((bool,), (self.nohup, self.takes_flag, *(item.ours for item in listeners))),
            ((str, type(None)), self.environment_before.values()),
            ((str,), self.tried),
            ((Mapping,), (self.serves,)),
        )
        for kinds, values in wanted:
            for value in values:
                if not isinstance(value, kinds):
                    raise TypeError(f"{value!r} is not what stands at its place")
