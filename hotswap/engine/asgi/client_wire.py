"""A client's connection in the hands of one request: bytes out, with backpressure, and what the loop sees of it."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

from hotswap.engine.connections.poller import READ, RECV, WRITABLE
from hotswap.engine.transport.blocking_io import Disconnected

if TYPE_CHECKING:
    from hotswap.engine.asgi.call_context import CallContext
    from hotswap.engine.connections.connection import Connection

#: Bytes that may wait for the client before who writes has to wait, and how many may be left when he may go on: those
#: of asyncio's transports.
HIGH_WATER = 1 << 16
LOW_WATER = 1 << 14
#: How many pieces are sent by one system call.
_PIECES = 64
MUCH = 1 << 18  #: bytes read at once where many are to come
NEVER = float("inf")


class ClientGone(Disconnected):
    """The client has closed its connection, or stalled past its deadline."""


class ClientWire:
    """What a request does with its connection. On the loop's thread, and only while `CallContext.busy` has it there.

    Subclasses say what is done with bytes that come: `data_received`, `eof_received`, `connection_lost`.
    """

    # What most requests leave as it is stands here, so that making one sets few attributes.
    _out: deque[memoryview] | None = None  # what the client has not taken
    _buffered = 0  # bytes in `_out`
    _writable: asyncio.Event | None = None  # made when somebody has to wait
    _reads = True
    wanted = RECV  # bytes read at once
    _closes = False  # to be closed when `_out` is written
    gone = False  # nothing can be written any more, or it is not this request's to write
    write_by = NEVER  # when the client must have taken something (`time.monotonic()` seconds)

    def __init__(self, context: CallContext, conn: Connection) -> None:
        self._context = context
        self.conn = conn

    # what comes

    def data_received(self, data: bytes) -> None:
        """The client has sent these bytes."""
        raise NotImplementedError

    def eof_received(self) -> None:
        """The client sends no more."""
        raise NotImplementedError

    def connection_lost(self) -> None:
        """The connection has ended, and is closed. Called once."""
        raise NotImplementedError

    # what goes

    def end_child(self) -> None:
        """Does not return in a process that the application has forked: the client is its parent's."""
        if self._context.state.draining:
            self._context.state.end_child()

    def write(self, data: bytes) -> None:
        """Send what the client takes now, and the rest as it takes it. Never raises; ignored once `gone` or closing."""
        self.end_child()
        if self._out is not None:
            if data and not self._closes:
                self._out.append(memoryview(data))
                self._buffered += len(data)
            return
        if self.gone or not data:
            return
        try:
            sent = self.conn.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lose()
            return
        if sent < len(data):
            self._hold_back(memoryview(data)[sent:])

    def write_parts(self, *parts: bytes) -> None:
        """`write` of all of them, without copying them into one."""
        self.end_child()
        if self._out is not None or self.gone:
            for part in parts:
                self.write(part)
            return
        try:
            sent = self.conn.sock.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lose()
            return
        left = [memoryview(part) for part in parts if part]
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
            self._hold_back(*left)

    @property
    def buffered(self) -> int:
        """How many bytes wait for the client."""
        return self._buffered

    async def drained(self) -> None:
        """Return when less than HIGH_WATER is buffered. Raises ClientGone if the client has gone."""
        await self.until_drained()
        if self.gone:
            raise ClientGone("the client has gone")

    async def until_drained(self, limit: int = HIGH_WATER) -> None:
        """Return when no more than `limit` bytes are buffered, or the client has gone."""
        while self._buffered > limit and not self.gone:
            if self._writable is None:
                self._writable = asyncio.Event()
            self._writable.clear()
            await self._writable.wait()

    def _hold_back(self, *parts: memoryview) -> None:
        self._out = deque(parts)
        self._buffered = sum(map(len, parts))
        self._write_later()
        self.poll()

    def _write_later(self) -> None:
        state = self._context.state
        self.write_by = monotonic() + state.limits.write_timeout
        if self.write_by < state.next_tick:
            state.tick_at(self.write_by)

    def _flush(self) -> None:
        """Send what the client takes of what is held back."""
        out, sock, before = self._out, self.conn.sock, self._buffered
        while out:
            try:
                sent = sock.sendmsg(tuple(islice(out, _PIECES))) if len(out) > 1 else sock.send(out[0])  # type: ignore[arg-type]
            except BlockingIOError:
                break
            except OSError:
                self.lose()
                return
            self._buffered -= sent
            while sent and sent >= len(out[0]):
                sent -= len(out.popleft())
            if sent:
                out[0] = out[0][sent:]
        if self._buffered < before:
            self._has_flushed()

    def _has_flushed(self) -> None:
        if self._out:
            self._write_later()
        else:
            self._out, self.write_by = None, NEVER
        if self._writable is not None and self._buffered <= LOW_WATER:
            self._writable.set()
        if self._out is None and self._closes:
            self.part()
            self._context.table.half_close(self.conn)
        else:
            self.poll()

    # reading

    def pause_reading(self) -> None:
        """Leave what the client sends in the kernel. Its end is not seen then either."""
        if self._reads:
            self._reads = False
            self.poll()

    def resume_reading(self) -> None:
        """Read again."""
        if not self._reads:
            self._reads = True
            self.poll()

    def poll(self) -> None:
        """Have the loop poll it for what it waits for now."""
        self.end_child()
        if self.gone:
            return
        conn = self.conn
        events = READ if self._reads else 0
        if self._out is not None:
            events |= conn.waits_for(WRITABLE)
        if conn.polled != events:
            try:
                self._context.table.watch(conn, events)
            except (OSError, ValueError):  # the application has closed it, by its number
                self.lose()

    def on_event(self) -> None:
        """The loop says that something has happened to the connection."""
        if self._out is not None:
            self._flush()
        if self._reads and not self.gone:
            self._read()

    def _read(self) -> None:
        try:
            data = self.conn.sock.recv(self.wanted)
        except BlockingIOError:
            return
        except (OSError, ssl.SSLError):
            self.lose()
            return
        if data:
            self.data_received(data)
        else:
            self._reads = False  # its end is level-triggered, too
            self.poll()
            self.eof_received()

    # the end

    def close(self) -> None:
        """Close when what is buffered has been written. What is written from here on is ignored."""
        if self.gone or self._closes:
            return
        if self._out is None:
            self.part()
            self._context.table.half_close(self.conn)
        else:
            self._closes = True

    def abort(self) -> None:
        """Close now."""
        if not self.gone:
            self.lose()

    def lose(self) -> None:
        """The client has gone, or is to go: close now, and tell everybody who waits."""
        self.part()
        self._context.table.close(self.conn)
        self.connection_lost()

    def part(self) -> None:
        """The connection is not this request's any more. Who waits to write goes on, into nothing."""
        self.gone = True
        self.leave_busy()
        self._out, self._buffered, self.write_by = None, 0, NEVER
        if self._writable is not None:
            self._writable.set()

    def leave_busy(self) -> None:
        """Let the loop's events go to whoever has the connection next."""
        busy, fd = self._context.busy, self.conn.fd
        found = busy.pop(fd, None)
        if found is not None and found is not self:
            busy[fd] = found  # ours was closed by its number, by the application, and another one has got that

    def expire(self, now: float) -> float:
        """End it if its deadline has passed; returns the next one."""
        if self.write_by <= now:
            self._context.state.log.debug("%s stopped reading its answer", self.conn.peer)
            self.lose()
            return NEVER
        return self.write_by
