"""From the bytes of a request's head to an `AsgiRequest` with its scope.

A scope is what uvicorn makes of the same head, but for this:

* What is refused is what gunicorn refuses, as everywhere in hotswap: llhttp, uvicorn's parser, is stricter in places
  (it knows a list of methods) and kinder in others (no Host, a bare LF). Names with "_" follow `header_map`.
* The peer of a unix socket may speak for its client, as in gunicorn, and `secure_scheme_headers` say how; two that
  contradict each other are refused. uvicorn knows X-Forwarded-Proto alone, and needs `*` for unix sockets.
* Behind the PROXY protocol, `client` is who the proxy says, and that host decides on X-Forwarded-For.
* Blanks behind a value are no part of it.
* An absolute target without a path is served.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from hotswap.engine.asgi.asgi_request import AsgiRequest
from hotswap.engine.asgi.base_scope import WEBSOCKET_SPEC
from hotswap.engine.asgi.forwarded_client import forwarded_client
from hotswap.engine.http1.head_parser import CHOSEN
from hotswap.engine.http1.head_reader import KNOWN_NAMES, SINGLE, HeadReader

if TYPE_CHECKING:
    from hotswap.engine.http1.head_parser import HeadParser
    from hotswap.engine.http1.head_reader import Target
    from hotswap.engine.http1.request import Fields, Sender
    from hotswap.engine.http1.strict_reader import JudgedHead
    from hotswap.engine.limits import Limits
    from hotswap.engine.values import Environ
    from hotswap.settings.options import EngineOptions

_FORWARDED = b"x-forwarded-for"
_KNOWN_CLIENTS, _KNOWN_LENGTH = 1024, 128  # how many values of it are remembered, and how long they may be (bytes)
_LONGEST_HOST = 45  # characters: no address is longer, and what clients make up is not remembered


class ScopeReader(HeadReader[AsgiRequest]):
    """Reads heads for the ASGI engine, from senders whose `base` is a `base_scope`.

    `root_path` is the setting, and stands in those bases too. Without `websockets` such an upgrade is a plain request.
    A target is (as it was sent, its path, the scope's path with root_path in front, raw_path, query_string).
    """

    kind = AsgiRequest
    lower_names = True

    def __init__(
        self,
        options: EngineOptions,
        limits: Limits,
        parser: HeadParser = CHOSEN,
        *,
        root_path: str = "",
        websockets: bool = True,
    ) -> None:
        super().__init__(options, limits, parser)
        self._special |= {_FORWARDED}
        self._plain: set[bytes] = set()  # header names that need no closer look
        self._root_path, self._raw_root_path = root_path, root_path.encode()
        self._websockets = websockets
        self._trusts_all = "*" in options.gunicorn.forwarded_allow_ips
        self._known_client = lru_cache(_KNOWN_CLIENTS)(self._client_behind)

    @staticmethod
    def must_be_strict(options: EngineOptions) -> bool:
        """As in HeadReader. Also where a field that is read for what it says itself says something of the scheme."""
        twice = not {"HOST", "CONNECTION"}.isdisjoint(options.secure_scheme_headers)
        return HeadReader.must_be_strict(options) or twice

    @staticmethod
    def _spelled(method: bytes) -> str:
        return str(method, "ascii").upper()

    def _split(self, target: bytes) -> Target:
        path, _, query = target.partition(b"?")
        return self._located(str(target, "ascii"), path, query)

    def _located(self, uri: str, raw_path: bytes, query: bytes) -> Target:
        path = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("utf-8", "replace")
        return uri, path, self._root_path + path, self._raw_root_path + raw_path, query

    def _known_names(self) -> int:
        return len(self._plain)

    def _take(self, request: AsgiRequest, fields: Fields, target: Target, sender: Sender) -> Fields | None:
        self._begin(request, target, fields, sender)
        if not request.http11:
            request.scope["http_version"] = "1.0"
        plain, specials = self._plain, []
        host = connection = None
        for name, value in fields:
            if name in plain:
                continue
            if name == b"host" and host is None:
                host = value
            elif name == b"connection":
                connection = value if connection is None else connection + b", " + value
            else:
                specials.append((name, value))
        request.host, request.connection = host, connection
        return self._checked(specials) if specials else specials

    def _begin(self, request: AsgiRequest, target: Target, headers: Fields, sender: Sender) -> None:
        base, peer = sender.base, sender.peer
        request.scope = scope = base.copy()
        scope["asgi"] = base["asgi"].copy()
        scope["state"] = base["state"].copy()
        scope["extensions"] = base["extensions"].copy()
        scope["method"] = request.method
        _, _, scope["path"], scope["raw_path"], scope["query_string"] = target
        scope["headers"] = headers
        if sender.proxy and "REMOTE_ADDR" in sender.proxy:  # without it, the connection is the proxy's own
            scope["client"] = sender.proxy["REMOTE_ADDR"], int(sender.proxy["REMOTE_PORT"])
        elif peer.__class__ is tuple:
            scope["client"] = peer[:2]

    def _checked(self, specials: Fields) -> Fields | None:
        """Of fields that are not known to be plain, those that are not; None: let the strict parser judge."""
        found: dict[bytes, bytes] = {}
        for name, value in specials:
            if name in found:
                if name != _FORWARDED:
                    return None
                found[name] += b", " + value
            elif name in SINGLE or name in self._special:
                found[name] = value
            elif b"_" in name or not name:
                return None
            elif len(self._plain) < KNOWN_NAMES:  # a client that invents names must not fill the memory
                self._plain.add(name)
        return None if b"host" in found else list(found.items())

    def _settle(self, request: AsgiRequest, specials: Fields, sender: Sender) -> None:
        if request.scheme:
            request.scope["scheme"] = request.scheme
        for name, value in specials:
            if name == _FORWARDED:
                self._forward(request.scope, value, sender)
            elif name == b"upgrade" and request.upgrade and value.lower() == b"websocket":
                self._offer_websocket(request, sender)

    def _forward(self, scope: Environ, field: bytes, sender: Sender) -> None:
        """Put the client that a trusted proxy names in the place of the proxy."""
        client = scope["client"]
        if self._strict.trusts(client if sender.proxy and client else sender.peer):
            find = self._known_client if len(field) <= _KNOWN_LENGTH else self._client_behind
            scope["client"] = find(field) or client

    def _client_behind(self, field: bytes) -> tuple[str, int] | None:
        return forwarded_client(str(field, "latin-1"), self._is_trusted, trusts_all=self._trusts_all)

    def _is_trusted(self, host: str) -> bool:
        return len(host) <= _LONGEST_HOST and self._strict.trusts_host(host)

    def _offer_websocket(self, request: AsgiRequest, sender: Sender) -> None:
        """Make a websocket's scope of it, if it asks by GET and without a body (RFC 6455, section 4.1)."""
        if not self._websockets or request.method != "GET" or request.length or not request.http11:
            return
        scope = request.scope
        del scope["method"]
        scope["type"] = "websocket"
        scope["asgi"]["spec_version"] = WEBSOCKET_SPEC
        said = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        # Some proxies name the websocket's own scheme, which to `secure_scheme_headers` is not the secure one.
        secure = scope["scheme"] == "https" or (said == [b"wss"] and self._strict.trusts(sender.peer))
        scope["scheme"] = "wss" if secure else "ws"
        scope["subprotocols"] = _subprotocols(scope["headers"])
        scope["extensions"] = {"websocket.http.response": {}}
        if "tls" in sender.base["extensions"]:
            scope["extensions"]["tls"] = sender.base["extensions"]["tls"]

    def _take_judged(self, request: AsgiRequest, judged: JudgedHead, sender: Sender) -> None:
        target = self._located(judged.uri, judged.path.encode("latin-1") or b"/", judged.query.encode("latin-1"))
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in judged.headers]
        request.method, request.path = judged.method.upper(), target[1]
        self._begin(request, target, headers, sender)
        request.scope["http_version"] = "{}.{}".format(*judged.version)
        request.scheme = judged.scheme
        values: dict[bytes, bytes] = {}
        for name, value in headers:
            values[name] = value if name not in values else values[name] + b", " + value
        self._settle(request, list(values.items()), sender)


def _subprotocols(headers: Fields) -> list[str]:
    fields = b",".join(value for name, value in headers if name == b"sec-websocket-protocol")
    return [token.strip() for token in str(fields, "latin-1").split(",") if token.strip()]
