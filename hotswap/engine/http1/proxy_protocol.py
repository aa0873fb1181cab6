"""The PROXY protocol: what a proxy says of its client in front of the first request (haproxy's proxy-protocol.txt).

gunicorn's own code judges the header, so the verdict is gunicorn's; here are the bounds it does not have, and what
becomes of the information: variables for every environ of the connection, and JSON when the connection moves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gunicorn.http import errors
from gunicorn.http.message import PP_V2_SIGNATURE
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.unreader import IterUnreader

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.request import Request

if TYPE_CHECKING:
    from hotswap.engine.http1.head_reader import HeadReader, KnownHeads
    from hotswap.engine.http1.request import Sender
    from hotswap.engine.values import Environ, Peer
    from hotswap.settings.options import EngineOptions

_V1 = b"PROXY "
_V1_LONGEST = 107  # bytes, with its CRLF (section 2.1)
_OFFERS = {"v1": (_V1,), "v2": (PP_V2_SIGNATURE,), "auto": (_V1, PP_V2_SIGNATURE)}
R = TypeVar("R", bound=Request)
_VARIABLES = ("PROXY_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "PROXY_ADDR", "PROXY_PORT")


class _Header(GunicornRequest):  # type: ignore[misc]
    """As much of gunicorn's request as its PROXY parser asks for."""

    def __init__(self, options: EngineOptions, data: bytes, peer: Peer) -> None:
        # Not Request.__init__, which would go on to the head behind it.
        self.cfg = options.gunicorn
        self.peer_addr = peer
        self.proxy_protocol_info: dict[str, Any] | None = None
        rest = self._handle_proxy_protocol(IterUnreader([]), bytearray(data), options.proxy_protocol)
        self.consumed = len(data) - len(rest)


class ProxiedReader(Generic[R]):
    """A reader of heads for connections that may begin with a PROXY header; without one they are served as they are.

    The header stays among the connection's bytes until the first head is whole: when a connection moves before that,
    the process that receives it reads it from its beginning.
    """

    def __init__(self, options: EngineOptions, reader: HeadReader[R]) -> None:
        self._options = options
        self._reader = reader
        self._offers = _OFFERS[options.proxy_protocol]

    @property
    def known(self) -> KnownHeads:
        """As `HeadReader.known`."""
        return self._reader.known

    def read(self, data: bytes, sender: Sender) -> R | None:
        """As `HeadReader.read`. Raises Refusal: 400 for what is no header, 403 for a peer that may not send one."""
        if sender.proxy is not None:
            return self._reader.read(data, sender)
        found = self._header(data, sender)
        if found is None:
            return None
        variables, consumed = found
        sender.proxy = variables  # the reader makes of it what the application is told of its client
        request = None
        try:
            request = self._reader.read(data[consumed:], sender)
        finally:
            if request is None:
                sender.proxy = None
        if request is not None:
            request.consumed += consumed
        return request

    def _header(self, data: bytes, sender: Sender) -> tuple[Environ, int] | None:
        """What the header says and where it ends, ({}, 0) without one, None if it is not all there."""
        # What cannot become a header any more is not waited for.
        if not any(data.startswith(offer[: len(data)]) for offer in self._offers):
            return {}, 0
        if data.startswith(_V1) and data.find(b"\r\n", 0, _V1_LONGEST) < 0 and len(data) >= _V1_LONGEST:
            raise Refusal(400, "the PROXY line is too long")
        try:
            header = _Header(self._options, data, sender.peer)
        except errors.NoMoreData:
            return None
        except errors.ForbiddenProxyRequest as error:
            raise Refusal(403, str(error)) from error
        except errors.ParseException as error:
            raise Refusal(400, str(error)) from error
        return variables_of(header.proxy_protocol_info), header.consumed


def variables_of(info: dict[str, Any] | None) -> Environ:
    """The environ's variables, named as gunicorn names them.

    A header that names no client (LOCAL, UNSPEC) leaves REMOTE_ADDR as it is: the connection is the proxy's own.
    """
    if info is None:
        return {}
    variables = {"PROXY_PROTOCOL": info["proxy_protocol"]}
    if info["client_addr"] is not None:
        variables["REMOTE_ADDR"] = info["client_addr"]
        variables["REMOTE_PORT"] = str(info["client_port"])
        variables["PROXY_ADDR"] = info["proxy_addr"]
        variables["PROXY_PORT"] = str(info["proxy_port"])
    return variables


def to_text(variables: Environ | None) -> str:
    """For `Moved.proxy`: "" where the first head has not been read, so that a header may still come."""
    return "" if variables is None else json.dumps(variables)


def from_text(text: str) -> Environ | None:
    """The opposite of `to_text`. Raises ValueError for a text that `to_text` did not make."""
    if not text:
        return None
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("this is not what a proxy said")
    return {name: found[name] for name in _VARIABLES if name in found}
