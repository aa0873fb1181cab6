"""One application's lifespan: its startup and its shutdown (ASGI, lifespan protocol 2.0).

What applications rely on is what uvicorn does (uvicorn/lifespan/on.py), and so that is done here. The differences: a
SystemExit fails the startup also with "auto", where uvicorn takes it for an application without lifespan; and an
exception after the startup is logged with its traceback, also with "auto".
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from hotswap.errors import BootError

if TYPE_CHECKING:
    from hotswap.engine.base import Logger

Message = MutableMapping[str, Any]
AsgiApplication = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

#: What Python says where a signal handler is installed beside the main thread (Modules/signalmodule.c).
_NOT_HERE = ("signal only works in main thread", "set_wakeup_fd only works in main thread")
_REMEDY = (
    "the startup runs in the event loop, which is not on the main thread, and only there Python installs a signal "
    "handler: use loop.add_signal_handler() or @hotswap.on_signal(), or call signal.signal() when the module is "
    "imported"
)


class Lifespan:
    """Every method is for the loop's thread.

    Args: `mode` is "auto" or "on"; `state` is what the application gets as its state, and may fill; `words` is what the
    log and errors call the application, as "the application".
    """

    def __init__(self, app: AsgiApplication, mode: str, state: dict[str, Any], log: Logger, words: str) -> None:
        self._app = app
        self._mode = mode
        self._state = state
        self._log = log
        self._words = words
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        #: set when the application has answered, or its call has ended
        self._started, self._shut_down = asyncio.Event(), asyncio.Event()
        self._why_not: str | None = None
        self._is_asked_to_end = self._shutdown_failed = False
        self.task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application up. Raises BootError, in its own words, if it cannot; cancelled, it is cancelled."""
        # It is referred to from here as long as it runs: a loop has weak references only.
        self.task = asyncio.get_running_loop().create_task(self._run(), name=f"lifespan of {self._words}")
        # What it lets through is told by the loop, and again, as never retrieved, if nobody asks for it here.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        await self._messages.put({"type": "lifespan.startup"})
        await self._started.wait()
        if self._why_not is not None:
            raise BootError(failure(self._words, self._why_not))

    @property
    def is_up(self) -> bool:
        """Whether the application has started, and its lifespan goes on: it is to be shut down."""
        return self._started.is_set() and self._why_not is None and self.task is not None and not self.task.done()

    async def shutdown(self) -> None:
        """Shut the application down. What it raises is logged."""
        if not self.is_up:
            return
        self._is_asked_to_end = True
        await self._messages.put({"type": "lifespan.shutdown"})
        await self._shut_down.wait()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._messages.get, self._send)
        except asyncio.CancelledError:
            self._ended("it was cancelled")
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
            self._raised(error)
        except BaseException as error:
            # `sys.exit()` is a decision, and no sign that there is no lifespan.
            self._ended(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._started.set()
            self._shut_down.set()

    def _ended(self, why: str) -> None:
        if not self._started.is_set():
            self._why_not = why

    def _raised(self, error: Exception) -> None:
        """The application's call has ended by an exception."""
        text = "".join(traceback.format_exception(type(error), error, _below(error))).rstrip()
        if self._why_not is not None or self._shutdown_failed:
            return  # it has said so before, in the words that it has for it
        if not self._started.is_set():
            if self._mode == "on" or any(said in text for said in _NOT_HERE):
                self._why_not = text
            else:
                where = f"{type(error).__name__}: {error}"
                self._log.info(
                    "%s has no lifespan, it seems (%s): goes on without; asgi_lifespan = 'on' makes that a failure",
                    self._words,
                    where,
                )
        elif self._is_asked_to_end:
            self._log.error("the shutdown of %s failed (ASGI lifespan):\n%s", self._words, text)
        else:
            self._log.error("the lifespan of %s has ended before its time:\n%s", self._words, text)

    async def _send(self, message: Message) -> None:
        what = message["type"]
        if what not in _ANSWERS:
            raise RuntimeError(f"unexpected lifespan message {what!r}: it takes {', '.join(_ANSWERS)}")
        is_startup = what.startswith("lifespan.startup.")
        if self._started.is_set() == is_startup or self._shut_down.is_set():
            raise RuntimeError(f"{what} is out of order: one answer to each of startup and shutdown")
        said = str(message.get("message") or "")
        if what == "lifespan.startup.failed":
            self._why_not = said or "it did not say why"
        elif what == "lifespan.shutdown.failed":
            self._shutdown_failed = True
            self._log.error("the shutdown of %s failed (ASGI lifespan):\n%s", self._words, said or "it did not say why")
        (self._started if is_startup else self._shut_down).set()


_ANSWERS = (
    "lifespan.startup.complete",
    "lifespan.startup.failed",
    "lifespan.shutdown.complete",
    "lifespan.shutdown.failed",
)


def failure(words: str, why: str) -> str:
    """The sentence for a startup that failed: the application's own words, and a remedy where there is one."""
    remedy = f"\n{_REMEDY}" if any(said in why for said in _NOT_HERE) else ""
    return f"the startup of {words} failed (ASGI lifespan):\n{why.rstrip()}{remedy}"


def _below(error: Exception) -> Any:
    """The traceback without the line of ours that has called."""
    return error.__traceback__.tb_next if error.__traceback__ is not None else None
