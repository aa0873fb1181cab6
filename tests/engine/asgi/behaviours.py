"""What applications rely on with uvicorn: small applications, and what a client does with them.

Each of them notes what it sees. `test_uvicorn_behaviours` has the table of what is noted, and what the client sees.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import sniffio
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse

from tests.engine.asgi.asgi_apps import Receive, Scope, Send, body, read_body, start
from tests.engine.engine_server import DEADLINE, Client, request

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="not set")


class Notes:
    """What an application has seen, for a test on another thread, and how many of its calls run."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._running = 0
        self._news = threading.Condition()

    def add(self, note: Any) -> None:
        with self._news:
            self.all.append(note)
            self._news.notify_all()

    def wait_for(self, note: Any) -> None:
        """Return once it has been noted."""
        with self._news:
            assert self._news.wait_for(lambda: note in self.all, DEADLINE), self.all

    def wait_quiet(self) -> None:
        """Return once no call runs."""
        with self._news:
            assert self._news.wait_for(lambda: not self._running, DEADLINE), self.all

    def count(self, more: int) -> None:
        with self._news:
            self._running += more
            self._news.notify_all()


#: An application, called with its notes first.
NotingApp = Callable[[Notes, Scope, Receive, Send], Awaitable[Any]]


def noting(app: NotingApp, notes: Notes) -> Any:
    """The ASGI application. A variable is set in its lifespan, and its state has a list."""

    async def call(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "lifespan":
            WORD.set("the lifespan's")
            scope["state"]["shared"] = []
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return None
        notes.count(1)
        try:
            return await app(notes, scope, receive, send)
        finally:
            notes.count(-1)

    return call


async def noted(notes: Notes, call: Awaitable[Any]) -> None:
    """Await it, and note what it raises."""
    try:
        await call
    except Exception as error:  # noqa: BLE001  whatever it is, it is compared
        notes.add(f"{type(error).__name__}: {error}")


async def hello(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"hello"))


# The client goes


async def waits_for_the_disconnect(notes: Notes, _scope: Scope, receive: Receive, _send: Send) -> None:
    for _ in range(3):
        message = await receive()
        notes.add(message["type"])


async def sends_to_nobody(notes: Notes, _scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    notes.add((await receive())["type"])
    await noted(notes, send(start()))
    await noted(notes, send(body(b"to nobody", more=True)))
    await noted(notes, send(body(b"to nobody")))
    notes.add("nothing was raised")


async def receives_behind_its_answer(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await hello(notes, scope, receive, send)
    notes.add((await receive())["type"])


async def streams_endlessly(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"piece"
            await asyncio.sleep(DEADLINE)
        except asyncio.CancelledError:
            notes.add("cancelled")
            raise

    await StreamingResponse(pieces())(scope, receive, send)  # type: ignore[arg-type]  # it takes any mapping
    notes.add("returned")


async def listens_beside_a_stream(notes: Notes, _scope: Scope, receive: Receive, send: Send) -> None:
    """The pattern of sse-starlette and others."""
    await receive()
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            notes.add((await receive())["type"])
            group.cancel_scope.cancel()

        group.start_soon(listen)
        await send(start())
        await send(body(b"piece", more=True))
        await anyio.sleep(DEADLINE)
    notes.add("out of the group")


def goes_at_once(client: Client, notes: Notes) -> None:
    client.send(request())
    notes.wait_for("http.request")
    client.reset()


def goes_while_it_waits(client: Client, _notes: Notes) -> None:
    client.send(request())
    client.reset()


def goes_after_a_piece(client: Client, _notes: Notes) -> bytes:
    client.send(request())
    client.head()
    piece = client.chunk()
    client.reset()
    return piece


# Bodies


async def answers_without_reading(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    notes.add(scope["path"])
    await hello(notes, scope, receive, send)


async def echoes(_notes: Notes, _scope: Scope, receive: Receive, send: Send) -> None:
    data = await read_body(receive)
    await send(start(200, (b"content-length", str(len(data)).encode())))
    await send(body(data))


async def waits_in_vain(notes: Notes, _scope: Scope, receive: Receive, send: Send) -> None:
    """For the body, with a deadline of its own; then it waits again."""
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        notes.add("timed out")
    notes.add(await read_body(receive))
    await send(start(204))
    await send(body())


def posts(client: Client, _notes: Notes) -> Any:
    client.send(request("/", "Content-Length: 5", method="POST", body=b"12345") + request("/next"))
    return client.read().body, client.read().body


def posts_late(client: Client, notes: Notes) -> Any:
    client.send(request("/", "Content-Length: 5", method="POST"))
    notes.wait_for("timed out")
    client.send(b"12345")
    return client.read().status


def expects(client: Client, _notes: Notes) -> Any:
    client.send(request("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    said = client.head().status
    if said == 100:
        client.send(b"12345")
        return said, client.read().body
    return said, client.exactly(5)


# Answers


async def has_cookies(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 200, "headers": ((n, v) for n, v in cookies)})
    await send(body())


async def is_long(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"1000")))
    await send(body(b"x" * 1000))


async def says_nothing_of_its_length(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"whole"))


async def closes(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"0"), (b"connection", b"close")))
    await send(body())


async def sends_what_it_must_not(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """Each wrong message is an error of the application's, which may go on."""
    await noted(notes, send(body(b"too early")))
    await hello(notes, scope, receive, send)
    await noted(notes, send(body(b"too late")))
    await noted(notes, send(start()))


async def starts_twice(notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"5")))
    await noted(notes, send(start()))
    await send(body(b"hello"))


async def has_a_name_of_text(notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [("text", "text")]})
    except TypeError:
        notes.add("TypeError")


async def is_longer_than_it_said(notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"3")))
    await noted(notes, send(body(b"hello")))
    raise RuntimeError("ends")


async def is_shorter_than_it_said(notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"10")))
    await noted(notes, send(body(b"hello")))
    raise RuntimeError("ends")


def gets(client: Client, _notes: Notes) -> Any:
    answer = client.get()
    return answer.status, answer.body


def gets_an_error(client: Client, _notes: Notes) -> Any:
    """The status, and what is said of the connection."""
    answer = client.get()
    return answer.status, answer.headers.get("connection", "")


def gets_head(client: Client, _notes: Notes) -> Any:
    answer = client.get(method="HEAD")
    return answer.headers["content-length"], client.get(method="HEAD").status


def gets_framing(client: Client, _notes: Notes) -> Any:
    answer = client.get()
    return sorted({"content-length", "transfer-encoding"} & set(answer.headers)), answer.body


def gets_raw(client: Client, _notes: Notes) -> Any:
    client.send(request("/", "Connection: close"))
    return [line for line in client.rest().split(b"\r\n") if b"cookie" in line]


def gets_to_the_end(client: Client, _notes: Notes) -> Any:
    client.send(request())
    return client.read().status, client.closed()


def gets_no_whole_answer(client: Client, _notes: Notes) -> Any:
    """What comes of the body before the connection ends; the answer is not whole."""
    client.send(request())
    client.head()
    return client.rest()


def gets_by_http10(client: Client, _notes: Notes) -> Any:
    client.send(b"GET / HTTP/1.0\r\nHost: test\r\n\r\n")
    return client.read().body, client.closed()


# Failures


async def fails_before(_notes: Notes, _scope: Scope, _receive: Receive, _send: Send) -> None:
    raise LookupError("before")


async def fails_behind_its_head(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"10")))
    await asyncio.sleep(0.02)  # so that the head alone goes
    raise LookupError("behind the head")


async def fails_in_its_body(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"piece", more=True))
    raise LookupError("in the body")


async def is_cancelled_by_itself(_notes: Notes, _scope: Scope, _receive: Receive, _send: Send) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(DEADLINE)


async def raises_cancelled(_notes: Notes, _scope: Scope, _receive: Receive, _send: Send) -> None:
    raise asyncio.CancelledError


async def swallows_a_cancellation(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(DEADLINE)
    except asyncio.CancelledError:
        notes.add("cancelled")
    await hello(notes, scope, receive, send)


async def returns_nothing(_notes: Notes, _scope: Scope, _receive: Receive, _send: Send) -> None:
    pass


async def returns_in_the_middle(_notes: Notes, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"10")))
    await send(body(b"hello", more=True))


# Tasks, and their contexts


async def sets_a_variable(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    notes.add(WORD.get())
    WORD.set(scope["path"])
    await asyncio.sleep(0)
    notes.add(WORD.get())
    await hello(notes, scope, receive, send)


async def has_a_task(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    task = asyncio.current_task()
    await asyncio.sleep(0)
    notes.add((task is not None, task is asyncio.current_task(), sniffio.current_async_library()))
    await hello(notes, scope, receive, send)


async def works_in_a_group(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """anyio's: children, a deadline, a thread, and an error of a child's."""

    async def child(number: int) -> None:
        await anyio.sleep(0)
        notes.add(number)

    async with anyio.create_task_group() as group:
        group.start_soon(child, 1)
    with anyio.move_on_after(0.01):
        await anyio.sleep(DEADLINE)
    notes.add(await anyio.to_thread.run_sync(lambda: "in a thread"))
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(fails_before, notes, scope, receive, send)
            await anyio.sleep(DEADLINE)
    except BaseException as error:  # noqa: BLE001  a group of them, which Python 3.10 has no name for
        notes.add(type(error).__name__)
    await hello(notes, scope, receive, send)


async def leaves_a_task(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """It goes on when the call has returned."""

    async def later() -> None:
        await asyncio.sleep(0.02)
        notes.add("later")

    scope["state"]["shared"].append(asyncio.get_running_loop().create_task(later()))
    await hello(notes, scope, receive, send)
    notes.add("returned")


async def works_behind_its_answer(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    go_on = asyncio.Event()

    async def work() -> None:
        notes.add("works")
        await go_on.wait()
        notes.add("worked")

    if scope["path"] == "/next":
        scope["state"]["shared"][0].set()
        await hello(notes, scope, receive, send)
        return
    scope["state"]["shared"].append(go_on)
    await PlainTextResponse("hello", background=BackgroundTask(work))(scope, receive, send)  # type: ignore[arg-type]


async def changes_its_state(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    """The dictionary is its own, what is in it is everybody's."""
    notes.add((sorted(set(scope["state"]) - {"draining"}), len(scope["state"]["shared"])))
    scope["state"]["mine"] = True
    scope["state"]["shared"].append(1)
    await hello(notes, scope, receive, send)


def gets_twice(client: Client, _notes: Notes) -> Any:
    return client.get("/first").body, client.get("/second").body


def gets_while_it_works(client: Client, notes: Notes) -> Any:
    first = client.get("/").body
    notes.wait_for("works")
    return first, client.get("/next").body


def waits_for_later(client: Client, notes: Notes) -> Any:
    found = client.get().body
    notes.wait_for("later")
    return found


async def takes_its_time(notes: Notes, scope: Scope, receive: Receive, send: Send) -> None:
    notes.add("begins " + scope["path"])
    await asyncio.sleep(0.01)
    notes.add("ends " + scope["path"])
    await hello(notes, scope, receive, send)


def pipelines(client: Client, _notes: Notes) -> Any:
    client.send(request("/1") + request("/2") + request("/3"))
    return [client.read().status for _ in range(3)]
