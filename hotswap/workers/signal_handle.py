"""A worker of gunicorn's as the server process sees it: once it accepts, it understands signals, not orders."""

from __future__ import annotations

import signal

from hotswap.lifecycle.worker_states import Stage
from hotswap.workers.channel import Order
from hotswap.workers.handle import WorkerHandle

_SIGNALS = {
    Order.RETIRE: signal.SIGTERM,
    Order.DRAIN: signal.SIGTERM,
    Order.HAMMER: signal.SIGQUIT,
    Order.REOPEN: signal.SIGUSR1,
}
#: What is told as well: the first by itself, the others because both are one signal.
_TOLD = (Order.ACCEPT, Order.RETIRE, Order.DRAIN)


class SignalHandle(WorkerHandle):
    """It leaves for good when told to, and hands nothing over."""

    comes_back = False

    def order(self, order: Order, *fds: int, **facts: object) -> None:
        # The word first: the signal's handler reads it.
        if order in _TOLD:
            super().order(order)
        if order in _SIGNALS:
            self.waiting = 0
            self.signal(_SIGNALS[order])

    @property
    def must_beat(self) -> bool:
        """asgi and uvicorn's worker give no heartbeat while they leave; then there are deadlines for that."""
        return super().must_beat and self.stage not in (Stage.LEAVING, Stage.DISMISSED)

    @property
    def ended_well(self) -> bool:
        """A class that keeps the default action of SIGTERM, or takes it back at its end, has left as well."""
        return self.status in (0, -signal.SIGTERM)
