"""What a successor takes over: it says so with "ready", and its predecessor sends nothing else over the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hotswap.handover import wire


class Takeover(NamedTuple):
    """The facts of the ready message. What an older release does not say has the default here.

    exchange: the version of the exchange that it reads, 0 for none. on_board: it shares the predecessor's scoreboard,
    so the predecessor sees whether it still receives. listeners: the keys of those it has. hup: a SIGHUP came while it
    booted, which it acts on itself. probation: for how long it can be taken back (seconds), by its settings; None from
    a release that would not hear of it. probation_max_errors: it is, if this share of its answers are errors; 0: never.
    """

    generation: int = 0
    exchange: int = 0
    on_board: bool = False
    listeners: tuple[str, ...] = ()
    proxy_protocol: str = "off"
    tls: bool = False
    hup: bool = False
    probation: float | None = None
    probation_max_errors: float = 0.0

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Takeover:
        """The value in a ready message. Facts that this release does not know are passed over."""
        known = {name: value for name, value in facts.items() if name in cls._fields}
        # Releases that did not say it received over the exchange only on a board that they shared.
        known.setdefault("on_board", bool(known.get("exchange")))
        known["listeners"] = tuple(known.get("listeners", ()))
        return cls(**known)

    def to_facts(self) -> dict[str, Any]:
        """As the ready message has it."""
        return self._asdict()

    def reads_connections_of(self, proxy_protocol: str) -> bool:
        """Whether it reads our connections as we do: it expects no TLS and no PROXY header where none was, and knows
        what one said."""
        return self.exchange == wire.VERSION and self.proxy_protocol == proxy_protocol and not self.tls
