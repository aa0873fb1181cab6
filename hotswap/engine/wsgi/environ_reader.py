"""From the bytes of a request's head to a `WsgiRequest` with its environ."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from gunicorn.util import unquote_to_wsgi_str

from hotswap.engine.http1.error_page import Refusal
from hotswap.engine.http1.head_parser import CHOSEN
from hotswap.engine.http1.head_reader import KNOWN_NAMES, HeadReader
from hotswap.engine.wsgi.wsgi_request import WsgiRequest

if TYPE_CHECKING:
    from hotswap.engine.http1.head_parser import HeadParser
    from hotswap.engine.http1.head_reader import Target
    from hotswap.engine.http1.request import Fields, Sender
    from hotswap.engine.http1.strict_reader import JudgedHead
    from hotswap.engine.limits import Limits
    from hotswap.engine.values import Environ
    from hotswap.settings.options import EngineOptions

_SINGLE = ("HTTP_HOST", "CONTENT_TYPE")  # two of them are a fault


class EnvironReader(HeadReader[WsgiRequest]):
    """Reads heads for the WSGI engine. A target is (as it was sent, PATH_INFO, QUERY_STRING)."""

    kind = WsgiRequest
    lower_names = False

    def __init__(self, options: EngineOptions, limits: Limits, parser: HeadParser = CHOSEN) -> None:
        super().__init__(options, limits, parser)
        self._keys: dict[bytes, str] = {}  # header name as sent -> environ key
        # For the lane in C: name as sent of what a proxy says of its client's scheme -> environ key, what means https
        self._scheme_keys: dict[bytes, tuple[str, str]] = {}
        self._special_keys = {name: _key_of(name) for name in self._special}

    @staticmethod
    def must_be_strict(options: EngineOptions) -> bool:
        """As in HeadReader; SCRIPT_NAME in the environment is known to the strict reader alone, too."""
        return HeadReader.must_be_strict(options) or bool(os.environ.get("SCRIPT_NAME"))

    def _split(self, target: bytes) -> Target:
        uri = str(target, "ascii")
        path, _, query = uri.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        return uri, path, query

    @property
    def plain_knowledge(self) -> dict[str, Any]:
        """As in HeadReader."""
        return {**super().plain_knowledge, "keys": self._keys, "schemes": self._scheme_keys}

    def _known_names(self) -> int:
        return len(self._keys)

    def _take(self, request: WsgiRequest, fields: Fields, target: Target, sender: Sender) -> Fields | None:
        request.environ = environ = sender.base.copy()
        environ["REQUEST_METHOD"] = request.method
        environ["RAW_URI"], environ["PATH_INFO"], environ["QUERY_STRING"] = target
        if not request.http11:
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        keys, specials = self._keys, []
        for name, value in fields:
            key = keys.get(name) or self._learn(name)
            if key and key not in environ:
                environ[key] = str(value, "latin-1")
            elif not key or key in _SINGLE:
                specials.append((name, value))
            else:
                environ[key] += "," + str(value, "latin-1")
        taken: Fields | None = self._put_specials(specials, environ) if specials else specials
        request.host = environ.get("HTTP_HOST")
        request.connection = environ.get("HTTP_CONNECTION")
        return taken

    def _learn(self, name: bytes) -> str:
        """The environ's key of a header seen for the first time, or "" if it needs a closer look each time."""
        lower = name.lower()
        if lower in self._special or b"_" in lower or not lower:
            if lower in self._schemes and len(self._scheme_keys) < KNOWN_NAMES:
                self._scheme_keys[name] = (_key_of(lower), self._schemes[lower])
            return ""
        key = _key_of(lower)
        if len(self._keys) < KNOWN_NAMES:  # a client that invents names must not fill the memory
            self._keys[name] = key
        return key

    def _put_specials(self, specials: Fields, environ: Environ) -> Fields | None:
        """Put special fields into the environ; None if the strict parser should judge."""
        found = []
        for name, value in specials:
            lower = name.lower()
            key = self._special_keys.get(lower)
            if key is None or key in environ:
                return None
            environ[key] = str(value, "latin-1")
            found.append((lower, value))
        return found

    def _settle(self, request: WsgiRequest, specials: Fields, sender: Sender) -> None:
        if request.scheme:
            request.environ["wsgi.url_scheme"] = request.scheme

    def _take_judged(self, request: WsgiRequest, judged: JudgedHead, sender: Sender) -> None:
        request.path = unquote_to_wsgi_str(judged.path)
        request.environ = environ = sender.base.copy()
        _put_headers(environ, judged.headers)
        environ["REQUEST_METHOD"] = request.method
        environ["RAW_URI"] = request.uri
        environ["PATH_INFO"] = request.path
        environ["QUERY_STRING"] = judged.query
        environ["SERVER_PROTOCOL"] = "HTTP/{}.{}".format(*judged.version)
        environ["wsgi.url_scheme"] = judged.scheme
        _mount(environ, judged)


def _key_of(lower: bytes) -> str:
    """The environ's key of a header, whose name is in lower case."""
    key = lower.decode("ascii").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _put_headers(environ: dict[str, Any], headers: list[tuple[str, str]]) -> None:
    """Put headers into the environ as gunicorn does."""
    for name, value in headers:
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH") or "_" in name:
            key = "HTTP_" + key
        environ[key] = f"{environ[key]},{value}" if key in environ else value


def _mount(environ: dict[str, Any], judged: JudgedHead) -> None:
    """Split the path at SCRIPT_NAME, which the environment or a trusted proxy's header says.

    The header's own name counts, not its variable: any client may send Script-Name, which is HTTP_SCRIPT_NAME as well.
    """
    script = environ["SCRIPT_NAME"]
    for name, value in judged.headers:
        if name == "SCRIPT_NAME":
            script = value
    if not judged.path.startswith(script):
        raise Refusal(500, f"the request's path does not begin with SCRIPT_NAME {script!r}")
    environ["SCRIPT_NAME"] = script
    environ["PATH_INFO"] = unquote_to_wsgi_str(judged.path[len(script) :])
