"""What stands in a message on the exchange. Pure: between values and bytes, no descriptor is touched.

A message is one datagram: a head (version, number of connections, length of the description), the description
(a JSON list with one object a connection, in the order of the descriptors; unknown keys are ignored), then
the bytes that were read from the connections but not served, one after the other. The descriptors travel
beside it (SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hotswap.errors import HotswapError

VERSION: Final = 1
MAX_FDS: Final = 64
MAX_DATA: Final = 64 * 1024
# Below the default SO_SNDBUF of 212,992: a longer datagram is refused (EMSGSIZE), however empty the queue.
MAX_MESSAGE: Final = 160 * 1024

#: Version, number of connections, length of the description (bytes).
HEAD: Final = struct.Struct("<HHI")
_EMPTY: Final = HEAD.size + len("[]")


class ExchangeError(HotswapError):
    """A message could not be read; its connections, if it had any, are closed."""


@dataclass(slots=True)
class Passed:
    """One connection on the move.

    `listener` is the key of the listener it came in on; `data` what was read from it and not served, at most
    64 KiB; `proxy` what a proxy said, "" or JSON.
    """

    fd: int
    listener: str
    data: bytes = b""
    proxy: str = ""


class Message(NamedTuple):
    """A batch ready to be sent. The descriptors are the caller's until `send` says True."""

    payload: bytes
    passed: tuple[Passed, ...]


def pack(passed: Iterable[Passed]) -> list[Message]:
    """Batch connections, in order, into few messages. ValueError if one has more than MAX_DATA unserved."""
    return [_message(batch) for batch in _batches(map(_item, passed))]


class _Item(NamedTuple):
    """A connection and its description, encoded."""

    passed: Passed
    description: str

    @property
    def size(self) -> int:
        """How many bytes it adds to a message, with a comma."""
        return len(self.description) + 1 + len(self.passed.data)


def _item(passed: Passed) -> _Item:
    description = {
        "listener": passed.listener,
        "proxy": passed.proxy,
        "length": len(passed.data),
    }
    item = _Item(passed, json.dumps(description))  # ASCII only, so that characters are bytes
    if len(passed.data) > MAX_DATA or item.size > MAX_MESSAGE - _EMPTY:
        raise ValueError(f"a connection with {len(passed.data)} bytes unserved cannot travel")
    return item


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    size = _EMPTY
    for item in items:
        if batch and (len(batch) == MAX_FDS or size + item.size > MAX_MESSAGE):
            yield batch
            batch, size = [], _EMPTY
        batch.append(item)
        size += item.size
    if batch:
        yield batch


def _message(batch: Sequence[_Item]) -> Message:
    description = f"[{','.join(item.description for item in batch)}]".encode("ascii")
    head = HEAD.pack(VERSION, len(batch), len(description))
    payload = b"".join([head, description, *(item.passed.data for item in batch)])
    return Message(payload, tuple(item.passed for item in batch))


def parse(payload: bytes, fds: Sequence[int], *, cut: bool) -> list[Passed]:
    """The connections a message describes, with -1 for the descriptors that did not arrive (`cut`).

    Raises ExchangeError if it cannot be read.
    """
    if not payload:
        raise ExchangeError("the exchange is closed: no process has its sending end")
    description, at = _split(payload)
    if len(fds) != len(description) and not (cut and len(fds) < len(description)):
        raise ExchangeError(f"a message on the exchange has {len(fds)} connections, not {len(description)}")
    passed = []
    for place, item in enumerate(description):
        fd = fds[place] if place < len(fds) else -1
        passed.append(_connection(item, fd, payload, at))
        at += len(passed[-1].data)
    return passed


def _split(payload: bytes) -> tuple[list[Any], int]:
    """The descriptions, and where in `payload` the connections' bytes begin."""
    try:
        version, count, length = HEAD.unpack_from(payload)
        if version != VERSION:
            raise ExchangeError(f"a message on the exchange is of version {version}, not {VERSION}")
        description = json.loads(payload[HEAD.size : HEAD.size + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise ExchangeError(f"a message on the exchange is garbage ({error})") from error
    if not isinstance(description, list) or len(description) != count:
        raise ExchangeError("a message on the exchange is garbage (its count is not that of its description)")
    return description, HEAD.size + length


def _connection(item: Any, fd: int, payload: bytes, at: int) -> Passed:
    try:
        listener, length = item["listener"], item["length"]
        proxy = item.get("proxy", "")
    except (AttributeError, KeyError, TypeError) as error:
        raise ExchangeError("a connection on the exchange has no listener") from error
    texts = all(isinstance(text, str) for text in (listener, proxy))
    if not texts or type(length) is not int or not 0 <= length <= len(payload) - at:
        raise ExchangeError("a connection on the exchange is described with garbage")
    return Passed(fd, listener, payload[at : at + length], proxy)
