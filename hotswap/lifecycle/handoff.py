"""What a predecessor passes to its successor at start: one frozen value, carried in one environment variable.

The format outlives releases: a predecessor and its successor may run different versions of hotswap. Fields are
added, never renamed and never given another meaning; unknown ones are ignored; `listeners` stay readable in every
version, because a successor that knows nothing else can still serve.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from hotswap.errors import HotswapError

VARIABLE = "HOTSWAP_HANDOFF"
VERSION = 1


class HandoffError(HotswapError):
    """The environment carries a handoff that cannot be read."""


@dataclass(frozen=True)
class PassedListener:
    """One listener: the key it is known by, its descriptor, and the identity of its unix path ("" if it has none)."""

    key: str
    fd: int
    identity: str = ""


@dataclass(frozen=True)
class Handoff:
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
    #: what `env_file` and `envdir` changed: name to the value before (None: it was not there)
    environment_before: Mapping[str, str | None] = field(default_factory=dict)
    version: int = VERSION

    def descriptors(self) -> list[int]:
        """Every descriptor that has to be passed, each once."""
        return sorted({fd for fd in (*self._single(), *(item.fd for item in self.listeners)) if fd >= 0})

    def _single(self) -> tuple[int, ...]:
        return (
            self.exchange_send,
            self.exchange_receive,
            self.ready,
            self.stderr,
            self.stderr_pipe,
            self.scoreboard,
        )

    def to_environ(self) -> dict[str, str]:
        """The variables to add to the successor's environment."""
        return {VARIABLE: json.dumps(dataclasses.asdict(self), separators=(",", ":"))}

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
        known = {item.name for item in dataclasses.fields(cls)}
        listener_fields = {item.name for item in dataclasses.fields(PassedListener)}
        listeners = tuple(
            PassedListener(**{name: value for name, value in item.items() if name in listener_fields})
            for item in fields.get("listeners", ())
        )
        kept = {name: value for name, value in fields.items() if name in known} | {"listeners": listeners}
        handoff = cls(**kept)
        handoff._check_types()
        return handoff

    def _check_types(self) -> None:
        """Raise for what no predecessor writes: a wrong type would come to light where nobody expects it."""
        listeners = self.listeners
        wanted: tuple[tuple[tuple[type, ...], Iterable[object]], ...] = (
            ((int,), (self.generation, self.predecessor, *self._single(), *(item.fd for item in listeners))),
            ((int, float), (self.boot_timeout,)),
            ((str,), (text for item in listeners for text in (item.key, item.identity))),
            ((str, type(None)), self.environment_before.values()),
        )
        for kinds, values in wanted:
            for value in values:
                if not isinstance(value, kinds):
                    raise TypeError(f"{value!r} is not what stands at its place")
