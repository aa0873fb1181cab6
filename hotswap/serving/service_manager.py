"""What systemd hears of a generation whose unit has a notify socket (Type=notify, notify-reload; sd_notify(3))."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from hotswap.scoreboard.queries import LeftToDo
from hotswap.system.main_loop import MainLoop
from hotswap.system.sd_notify import Notifier, watchdog_s

#: What a process may take beyond its own deadline until systemd ends it: for what cuts, callbacks, code after serve()
#: (seconds).
SPARE = 10.0


class ServiceManager:
    """Speaks to systemd; does nothing without NOTIFY_SOCKET in `environ`. On the main thread.

    With NotifyAccess=main, the default, systemd hears the unit's main process only. So a predecessor speaks for its
    successor until it has made that the main process; where there is a starter, `instead` has it speak. `asked` are the
    pids of which systemd may have named one as the process that keeps the watchdog quiet.
    """

    def __init__(
        self, environ: Mapping[str, str], asked: Collection[int], instead: Callable[[str], object] | None = None
    ) -> None:
        self._notifier = Notifier.from_environ(environ, instead)
        self._watchdog_s = watchdog_s(environ, asked)
        self._asked = False

    def serves(self, pid: int, status: str) -> None:
        """That process is the main one, and serves; also the end of a reload, however it went."""
        if self._notifier is not None:
            # The watchdog too: the next word comes from another process, up to half its time from now.
            self._notifier.ready(pid, status, alive=self._watchdog_s > 0)

    def restarting(self, boot_timeout_s: float) -> None:
        """A reload has begun, which may take that long (0: no limit, and then TimeoutStartSec= is the limit)."""
        if self._notifier is not None:
            self._notifier.reloading(boot_timeout_s + SPARE if boot_timeout_s else 0)

    def still_restarting(self, boot_timeout_s: float) -> None:
        """As `restarting`, now and then: the limit is set anew when ExecReload= has ended, which may be later."""
        if self._notifier is not None and boot_timeout_s:
            self._notifier.extend(boot_timeout_s + SPARE)

    def draining(self, left: LeftToDo, seconds: float) -> None:
        """The server is about to stop, which may take that many seconds."""
        if self._notifier is not None:
            self._notifier.stopping(_in_words(left), seconds + SPARE)

    def lame_duck(self, seconds: float) -> None:
        """The server is about to stop; it serves on for a while first, and then drains, which takes that many seconds
        altogether."""
        if self._notifier is not None:
            self._notifier.stopping("stopping: load balancers are told first", seconds + SPARE)

    def still_draining(self, left: LeftToDo, seconds: float) -> None:
        """As `draining`, now and then."""
        if self._notifier is not None:
            self._notifier.progress(_in_words(left), seconds + SPARE)

    def still_retiring(self, seconds: float) -> None:
        """The server has stopped, and this older generation still finishes, in at most that many seconds.

        Said once: with NotifyAccess=main systemd does not hear it, and logs each time that it was said.
        """
        if self._notifier is not None and not self._asked:
            self._asked = True
            self._notifier.extend(seconds + SPARE)

    def watch(self, loop: MainLoop, serves: Callable[[], bool]) -> None:
        """From now on show systemd that the main loop turns, whenever `serves()`; if the unit has WatchdogSec=."""
        if self._notifier is None or not self._watchdog_s:
            return

        def look() -> None:
            # First: whatever goes wrong below, the next look comes.
            loop.later(self._watchdog_s / 2, look)
            if self._notifier is not None and serves():
                self._notifier.alive()

        look()


def _in_words(left: LeftToDo) -> str:
    requests = "1 request runs" if left.requests == 1 else f"{left.requests} requests run"
    connections = "1 connection is left" if left.connections == 1 else f"{left.connections} connections are left"
    return f"stopping: {requests}, {connections}"
