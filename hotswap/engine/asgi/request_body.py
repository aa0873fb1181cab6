"""A request's body on its way to the application: what has come and was not received, and where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hotswap.engine.http1.chunk_decoder import ChunkDecoder
from hotswap.engine.http1.request import CHUNKED
from hotswap.engine.http1.strict_reader import Trailers

if TYPE_CHECKING:
    from hotswap.engine.limits import Limits
    from hotswap.settings.options import EngineOptions


class RequestBody:
    """`complete`: its end has come. `size`: how many bytes of it wait here. `left`: how many are still to come, -1 if
    only the chunks tell."""

    __slots__ = ("_decoder", "_parts", "complete", "left", "size")

    def __init__(self, length: int, limits: Limits, options: EngineOptions) -> None:
        chunked = length == CHUNKED
        self._decoder = ChunkDecoder(limits, Trailers(options, limits)) if chunked else None
        self._parts: list[bytes] = []
        self.left = length
        self.size = 0
        self.complete = not length

    def feed(self, data: bytes) -> bytes | None:
        """Take what has come; returns what lies behind the body once it is complete, None before. Raises Refusal."""
        rest: bytes | None
        if self._decoder is not None:
            content, rest = self._decoder.feed(data)
        else:
            content = data[: self.left]
            self.left -= len(content)
            rest = None if self.left else data[len(content) :]
        if content:
            self._parts.append(content)
            self.size += len(content)
        self.complete = rest is not None
        return rest

    def take(self) -> bytes:
        """What has come since the last time."""
        parts, self.size = self._parts, 0
        if len(parts) == 1:
            return parts.pop()
        content = b"".join(parts)
        parts.clear()
        return content
