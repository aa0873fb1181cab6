"""Traffic: starts the clients on a thread of their own, stops them, and gives the result."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType

from tests.traffic.client import Client, Run
from tests.traffic.connection import Target
from tests.traffic.kinds import KINDS, Paths
from tests.traffic.loop import Loop
from tests.traffic.outcomes import Result


class Traffic:
    """Clients of several kinds against one address, from `start()` (or `with`) until `stop()` or a bound.

    `address`: `127.0.0.1:80`, `[::1]:80`, `unix:/path` or `unix:@abstract`. `clients`: how many of each kind
    (KINDS). `seconds` and `requests` end it by itself; `timeout` is for one answer, in seconds; `pauses`
    replaces the kinds' own.
    """

    def __init__(
        self,
        address: str,
        clients: Mapping[str, int],
        *,
        seconds: float = 60.0,
        requests: int = 1_000_000,
        timeout: float = 10.0,
        paths: Paths | None = None,
        pauses: Mapping[str, float] | None = None,
    ) -> None:
        self._run = Run(Loop(), Target.parse(address), paths or Paths(), timeout, requests)
        self._clients = dict(clients)
        self._seconds = seconds
        self._crash: BaseException | None = None
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._work, name="traffic", daemon=True)
        for name, count in clients.items():
            pause = (pauses or {}).get(name, KINDS[name].pause)
            for _ in range(count):
                self._run.loop.spawn(Client(self._run, name, pause).live())

    def start(self) -> Traffic:
        """Starts the clients; returns at once."""
        self._run.until = time.monotonic() + self._seconds
        self._thread.start()
        return self

    def restarted(self) -> None:
        """Tells the clients that wait for it (idle, slow-writer) that what they waited for has happened."""
        self._run.told += 1
        self._run.loop.tell()

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until all clients have ended by themselves (then true)."""
        return self._finished.wait(seconds)

    def stop(self) -> None:
        """Lets every client finish what it has asked, and ends them; may be called again."""
        self._run.stopped = True
        self._run.loop.tell()
        self._thread.join(self._run.timeout + 5.0)
        if self._thread.is_alive():
            raise TimeoutError("the clients did not end, though every one of their waits has a deadline")

    def __enter__(self) -> Traffic:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def snapshot(self) -> Result:
        """What has been counted so far, while traffic goes on."""
        return self._run.tally.result()

    def result(self) -> Result:
        """Stops, and gives the counts; raises RuntimeError if a client itself crashed.

        A kind of client that got no good answer counts as failed, because it proved nothing.
        """
        self.stop()
        if self._crash is not None:
            raise RuntimeError("a client of the test itself has crashed") from self._crash
        result = self._run.tally.result()
        for name, count in self._clients.items():
            if count and not result.answered.get(name) and name not in result.failures:
                result.failures[name] = {"never_answered": count}
        return result

    def _work(self) -> None:
        try:
            self._run.loop.run()
        except BaseException as error:  # noqa: BLE001  a thread's exception would be lost, and the test would pass
            self._crash = error
        finally:
            self._run.stopped = True
            self._run.tally.stop()
            self._finished.set()
