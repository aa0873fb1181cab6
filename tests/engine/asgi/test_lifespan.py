"""Startup and shutdown as applications know them from uvicorn, and where they go wrong."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hotswap.engine.asgi.lifespans import Lifespans
from hotswap.engine.asgi.loop_thread import LoopThread
from hotswap.errors import BootError
from hotswap.settings import from_keywords
from hotswap.settings.options import AsgiOptions
from tests.engine.engine_server import Log
from tests.eventually import eventually

Make = Callable[..., Lifespans]


@pytest.fixture
def make(thread: LoopThread, log: Log) -> Make:
    """Lifespans of applications by their listeners' keys, with settings."""

    def make(*apps: Any, **settings: Any) -> Lifespans:
        options = AsgiOptions.from_config(from_keywords(settings, None))
        named = {f"127.0.0.1:{8000 + number}": app for number, app in enumerate(apps)}
        return Lifespans(named, options, log, thread, lambda: None)

    return make


def finish(lifespans: Lifespans) -> None:
    """Ask until it is through, as a leaving process does."""
    eventually(lifespans.finish, "it is through")


class App:
    """An application that goes through its lifespan, and notes what it did. `says` are its answers."""

    def __init__(self, *says: dict[str, Any] | BaseException | None) -> None:
        complete = ({"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"})
        self.says = says or complete
        self.heard: list[str] = []
        self.scope: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The lifespan."""
        self.scope = scope
        for said in self.says:
            self.heard.append((await receive())["type"])
            if isinstance(said, BaseException):
                raise said
            if said is not None:
                await send(said)


STARTED = {"type": "lifespan.startup.complete"}
BOTH = ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_and_shutdown(make: Make, log: Log, mode: str) -> None:
    """Once each, with the scope that the protocol names, and a state that may be filled."""
    app = App()
    lifespans = make(app, asgi_lifespan=mode)
    lifespans.startup()
    assert app.heard == BOTH[:1]
    assert app.scope["type"] == "lifespan"
    assert app.scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    app.scope["state"]["pool"] = 7
    assert lifespans.states["127.0.0.1:8000"]["pool"] == 7
    assert lifespans.states["127.0.0.1:8000"]["draining"] is lifespans.draining
    finish(lifespans)
    assert app.heard == BOTH
    assert log.records == []
    assert lifespans.finish()
    lifespans.end()
    assert app.heard == BOTH


def test_off_is_off(make: Make) -> None:
    """The application is not called; there is a state all the same."""
    app = App()
    lifespans = make(app, asgi_lifespan="off")
    lifespans.startup()
    finish(lifespans)
    assert app.heard == []
    assert not lifespans.states["127.0.0.1:8000"]["draining"].is_set()


def test_one_application_at_two_listeners_starts_once(make: Make) -> None:
    """And has one state; another has its own. They shut down in the opposite order."""
    ends: list[str] = []

    class Noted(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)
            ends.append(scope["state"]["name"])

    app, other = Noted(), Noted()
    lifespans = make(app, other, app)
    states = list(lifespans.states.values())
    assert states[0] is states[2] is not states[1]
    states[0]["name"], states[1]["name"] = "app", "other"
    lifespans.startup()
    finish(lifespans)
    assert (app.heard, other.heard) == (BOTH, BOTH)
    assert ends == ["other", "app"]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_startup_that_fails(make: Make, mode: str) -> None:
    """Fails the boot in the application's own words, whatever the mode."""
    app = App({"type": "lifespan.startup.failed", "message": "no database"}, None)
    lifespans = make(app, asgi_lifespan=mode)
    with pytest.raises(BootError) as found:
        lifespans.startup()
    assert str(found.value) == "the startup of the application failed (ASGI lifespan):\nno database"
    lifespans.end()
    assert app.heard == BOTH[:1]


def test_a_startup_that_fails_without_words(make: Make) -> None:
    """Is told apart from one that has them."""
    with pytest.raises(BootError, match="it did not say why"):
        make(App({"type": "lifespan.startup.failed"})).startup()


def test_a_startup_that_fails_and_raises(make: Make, log: Log) -> None:
    """As Starlette does: it is told once."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "traceback of its own"})
        raise LookupError("again")

    with pytest.raises(BootError, match=r"traceback of its own$"):
        make(app).startup()
    assert log.records == []


def test_an_application_without_lifespan(make: Make, log: Log) -> None:
    """Says so by an exception, which the log has in one line; with "on" it is a failure, with its traceback."""
    app = App(ValueError("only http"))
    lifespans = make(app)
    lifespans.startup()
    finish(lifespans)
    assert app.heard == BOTH[:1]
    assert [text for _, text in log.records] == [
        "the application has no lifespan, it seems (ValueError: only http): goes on without; "
        "asgi_lifespan = 'on' makes that a failure"
    ]
    with pytest.raises(BootError, match=r"(?s)Traceback.*raise said\nValueError: only http$"):
        make(app, asgi_lifespan="on").startup()


def test_an_application_that_leaves_its_lifespan_at_once(make: Make, log: Log) -> None:
    """Has started, as uvicorn has it, and is not asked to shut down."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    lifespans = make(app, asgi_lifespan="on")
    lifespans.startup()
    finish(lifespans)
    assert log.records == []


def test_an_application_that_exits(make: Make, log: Log) -> None:
    """Has decided so, whatever the mode; the log says where, once."""
    with pytest.raises(BootError, match="SystemExit: no configuration"):
        make(App(SystemExit("no configuration"))).startup()
    eventually(lambda: log.said("exception"), "the loop's thread has not said so")
    gc.collect()
    assert log.said("error") == []
    assert [text.splitlines()[0] for text in log.said("exception")] == ["the event loop goes on after SystemExit"]


def test_a_startup_that_is_cancelled(make: Make) -> None:
    """By itself, or by a library."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(BootError, match="it was cancelled"):
        make(app).startup()


@asynccontextmanager
async def pool_of(app: Any) -> AsyncIterator[None]:
    """A lifespan that hangs."""
    await asyncio.Event().wait()
    yield


async def hangs(scope: Any, receive: Any, send: Any) -> None:
    """An application with it."""
    async with pool_of(None):
        await receive()


def blocks(free: threading.Event) -> Any:
    """An application whose startup blocks its loop."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        free.wait(20)

    return app


def test_a_startup_that_hangs_fails_too(make: Make) -> None:
    """It says where."""
    with pytest.raises(BootError) as found:
        make(hangs, boot_timeout=0.4).startup()
    assert "it is not complete after 0.3 s, 75% of boot_timeout; it is here:\n" in str(found.value)
    assert "await asyncio.Event().wait()\n" in str(found.value)


def test_a_startup_that_blocks_fails_too(make: Make) -> None:
    """It says where."""
    free = threading.Event()
    with pytest.raises(BootError, match=r"free\.wait\(20\)"):
        make(blocks(free), boot_timeout=0.4).startup()
    free.set()


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_a_loop_that_blocks_behind_the_startup(make: Make, thread: LoopThread, mode: str) -> None:
    """It would serve no client: the boot fails, and says where it is."""
    free = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        thread.loop.call_soon(thread.loop.call_soon, free.wait, 20)  # not before the answer has been heard
        await send(STARTED)

    if mode == "off":
        thread.call_soon(free.wait, 20)
    with pytest.raises(BootError, match=r"(?s)has been blocked since the startup.*self\._cond\.wait"):
        make(app, boot_timeout=0.4, asgi_lifespan=mode).startup()
    free.set()


def test_signal_handlers(make: Make) -> None:
    """Python refuses one beside the main thread: the boot fails with the remedy, also in an application that seems to
    have no lifespan, or that tells of it by itself."""

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    from starlette.applications import Starlette

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        yield

    for app in (plain, Starlette(lifespan=lifespan)):
        with pytest.raises(BootError) as found:
            make(app).startup()
        assert "signal.signal(signal.SIGTERM, signal.SIG_DFL)" in str(found.value)
        assert "use loop.add_signal_handler() or @hotswap.on_signal()" in str(found.value)


@pytest.mark.parametrize("what", [STARTED, {"type": "lifespan.shutdown.complete"}, {"type": "lifespan.begun"}])
def test_answers_out_of_order(make: Make, what: dict[str, Any]) -> None:
    """Are errors of the application's, raised where it answers."""
    raised: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if what is STARTED:
            await send(STARTED)
        try:
            await send(what)
        except RuntimeError as error:
            raised.append(str(error))

    make(app).startup()
    eventually(lambda: raised, "it is raised")
    assert what["type"] in raised[0]


def test_a_second_shutdown_answer(make: Make) -> None:
    """Is out of order, too."""
    app = App(STARTED, {"type": "lifespan.shutdown.complete"}, None)
    lifespans = make(app)
    lifespans.startup()
    finish(lifespans)


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_lifespan_that_ends_before_its_time(make: Make, log: Log, mode: str) -> None:
    """Is an error, with its traceback; there is nothing left to shut down."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(STARTED)
        raise LookupError("lost")

    lifespans = make(app, asgi_lifespan=mode)
    lifespans.startup()
    eventually(lambda: log.said("error"), "it is told")
    assert log.said("error")[0].startswith("the lifespan of the application has ended before its time:\nTraceback")
    finish(lifespans)
    assert len(log.records) == 1


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("how", [{"type": "lifespan.shutdown.failed", "message": "in use"}, LookupError("in use")])
def test_a_shutdown_that_fails(make: Make, log: Log, mode: str, how: Any) -> None:
    """Is told in the application's words, and the process ends all the same."""
    lifespans = make(App(STARTED, how), asgi_lifespan=mode)
    lifespans.startup()
    finish(lifespans)
    eventually(lambda: log.said("error"), "it is told")
    (text,) = log.said("error")
    assert text.startswith("the shutdown of the application failed (ASGI lifespan):\n")
    assert text.endswith("in use")


def test_a_shutdown_that_hangs_is_cut(make: Make, log: Log) -> None:
    """After graceful_timeout; the log says where it was."""
    lifespans = make(App(STARTED, None, None), graceful_timeout=0)
    lifespans.startup()
    assert lifespans.finish()
    assert "a shutdown has taken too long" in log.said("warning")[0]
    assert lifespans.finish()
    lifespans.end()
    assert len(log.said("warning")) == 1


def test_at_the_end_a_shutdown_has_a_moment(make: Make, log: Log) -> None:
    """When there was no time for it before: requests were cut, or the boot failed later."""
    app = App()
    lifespans = make(app)
    lifespans.startup()
    lifespans.end()
    assert app.heard == BOTH
    hanging = make(App(STARTED, None, None))
    hanging.startup()
    began = time.monotonic()
    hanging.end()
    assert time.monotonic() - began < 10
    assert "a shutdown has taken too long" in log.said("warning")[0]


def test_a_shutdown_that_the_end_interrupts(make: Make, log: Log) -> None:
    """It is not asked for twice, and the log says where it was."""
    app = App(STARTED, None, None)
    lifespans = make(app)
    lifespans.startup()
    assert not lifespans.finish()
    eventually(lambda: len(app.heard) == 2, "it is asked to shut down")
    lifespans.end()
    assert "self.heard.append((await receive())" in log.said("warning")[0]
    assert len(app.heard) == 2
