"""From the bytes of a request's head to a `Request`: the fast way, for the engines of all interfaces.

A parser of ours takes plain heads apart, in C or in Python (`head_parser`). A head that is not plainly right goes to
the strict reader, that is to gunicorn's own parser in Python, whose verdict counts: so a refusal costs more than an
acceptance, and all readers agree.

What an application gets of a head is its interface's affair: `wsgi.environ_reader` makes an environ of it and
`asgi.scope_reader` a scope, each by four methods of a subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from hotswap.engine.http1.begun_head import may_go_on
from hotswap.engine.http1.head_parser import CHOSEN
from hotswap.engine.http1.request import CHUNKED, Fields, Request
from hotswap.engine.http1.strict_reader import StrictReader, asks_upgrade, check_host, wants_keep_alive

if TYPE_CHECKING:
    from hotswap.engine.http1.head_parser import HeadParser
    from hotswap.engine.http1.plain_head import PlainHead
    from hotswap.engine.http1.request import Sender
    from hotswap.engine.http1.strict_reader import JudgedHead
    from hotswap.engine.limits import Limits
    from hotswap.settings.options import EngineOptions

KNOWN_NAMES = 512  #: how many header names and hosts are remembered
_KNOWN_TARGETS, _KNOWN_LENGTH = 1024, 256  # how many targets are remembered, and how long they may be
_CLIENT_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
_LENGTH = b"content-length"
#: Fields that say something of the body or of the connection.
FRAMING = frozenset((_LENGTH, b"transfer-encoding", b"expect", b"upgrade"))
SINGLE = frozenset((b"host", b"content-type"))  #: two of them are a fault, too (RFC 9110, section 5.3)

R = TypeVar("R", bound=Request)
Target = tuple[Any, ...]  #: a target taken apart: as it was sent, its path decoded, and what the subclass adds


class KnownHeads(NamedTuple):
    """What a reader remembers of the heads it has read: how many header names and hosts, and which targets."""

    names: int
    hosts: int
    targets: frozenset[bytes]


class HeadReader(ABC, Generic[R]):
    """Reads heads for one engine. Not per connection: it keeps no state but what it learnt about names."""

    kind: ClassVar[type[Any]]  #: the class of the requests, R
    lower_names: ClassVar[bool]  #: whether applications get the names of fields in lower case

    def __init__(self, options: EngineOptions, limits: Limits, parser: HeadParser = CHOSEN) -> None:
        self._read_plain = parser.read_plain
        self._strict = StrictReader(options, limits, always=self.must_be_strict(options))
        self._limits = limits
        self._always_strict = self._strict.always
        schemes = options.secure_scheme_headers.items()
        # gunicorn finds them in upper case only, so the strict reader does too.
        self._schemes = {name.lower().encode(): value for name, value in schemes if name == name.upper()}
        self._special = FRAMING | set(self._schemes)  # names looked at one by one, each time
        self._methods = {method.encode(): method for method in _CLIENT_METHODS}
        self._targets: dict[bytes, Target] = {}
        self._hosts: set[str | bytes | None] = set()  # values of Host found good
        # No line of a plain head can be over the limit of a field, because the whole head is not.
        self._bounds = min(limits.line, 1 << 20), limits.fields, limits.field_size, self.lower_names

    @staticmethod
    def must_be_strict(options: EngineOptions) -> bool:
        """Whether every head has to be judged by the strict reader: what loosens the rules is unknown to the parsers of
        plain heads."""
        return options.strict_parser_only

    @staticmethod
    def _spelled(method: bytes) -> str:
        """A method that is none of the common ones, as the application gets it."""
        return str(method, "ascii")

    @abstractmethod
    def _split(self, target: bytes) -> Target:
        """A target that begins with "/" taken apart; what is returned is remembered."""

    @abstractmethod
    def _known_names(self) -> int:
        """How many header names are remembered."""

    @abstractmethod
    def _take(self, request: R, fields: Fields, target: Target, sender: Sender) -> Fields | None:
        """Make what the application gets of a plain head, and give the request its `host` and `connection`.

        Returns the fields that say something of the request (`_special`), their names in lower case and each once; None
        if the strict parser should judge.
        """

    @abstractmethod
    def _settle(self, request: R, specials: Fields, sender: Sender) -> None:
        """Tell the application what those fields meant, `request.scheme` for one. Not called where there are none."""

    @abstractmethod
    def _take_judged(self, request: R, judged: JudgedHead, sender: Sender) -> None:
        """The same for a head that the strict reader has read, and give the request its `path`. Raises Refusal."""

    def read(self, data: bytes, sender: Sender) -> R | None:
        """The request at the start of `data`, or None if its head is not all there yet. Raises Refusal."""
        if self._always_strict:
            return self._judge(data, sender)
        head = self._read_plain(data, *self._bounds)
        if head is not None:
            return self._accept(head, sender) or self._judge(data, sender)
        if b"\r\n\r\n" in data or not may_go_on(data, self._bounds[0]):
            return self._judge(data, sender)
        self._strict.check_unfinished(data)
        return None

    @property
    def plain_knowledge(self) -> dict[str, Any]:
        """What a lane in C asks of what this reader has learnt, by the names of its parts."""
        return {
            "methods": {name: method for name, method in self._methods.items() if name != b"CONNECT"},
            "targets": self._targets,
            "hosts": self._hosts,
            "learn_target": self._learn_target,
            "trusts": self._strict.trusts,
        }

    @property
    def known(self) -> KnownHeads:
        """What it remembers now."""
        return KnownHeads(self._known_names(), len(self._hosts), frozenset(self._targets))

    def _judge(self, data: bytes, sender: Sender) -> R | None:
        judged = self._strict.read(data, sender.peer)
        if judged is None:
            return None
        request: R = self.kind(judged.method, judged.uri, judged.path)
        request.http11, request.keep_alive = judged.version >= (1, 1), judged.keep_alive
        request.length, request.expect = judged.length, judged.expect
        request.upgrade, request.consumed = judged.upgrade, judged.consumed
        self._take_judged(request, judged, sender)
        return request

    def _accept(self, head: PlainHead, sender: Sender) -> R | None:
        """The request, or None if there is anything about this head that the strict parser should judge."""
        method, target, minor_version, fields, consumed = head
        if method == b"CONNECT":  # closes the connection, and is rare
            return None
        known = self._targets.get(target) or self._learn_target(target)
        request: R = self.kind(self._methods.get(method) or self._spelled(method), known[0], known[1])
        request.consumed = consumed
        if minor_version == 0:
            request.http11 = False
        specials = self._take(request, fields, known, sender)
        if specials is None:
            return None
        connection = request.connection
        if connection is not None or not request.http11:
            request.keep_alive = wants_keep_alive(connection or b"", request.http11)
        if specials:
            if not self._look_closer(specials, request, sender):
                return None
            self._settle(request, specials, sender)
        if request.host not in self._hosts:
            self._learn_host(request.host, http11=request.http11)
        return request

    def _learn_target(self, target: bytes) -> Target:
        """A plain head's target taken apart, and remembered for a while."""
        split = self._split(target)
        if len(target) <= _KNOWN_LENGTH:
            if len(self._targets) >= _KNOWN_TARGETS:
                self._targets.clear()
            self._targets[target] = split
        return split

    def _learn_host(self, host: str | bytes | None, *, http11: bool) -> None:
        check_host(host, http11=http11)
        if host is not None and len(self._hosts) < KNOWN_NAMES:
            self._hosts.add(host)

    def _look_closer(self, specials: Fields, request: R, sender: Sender) -> bool:
        """What these fields mean. False: let the strict parser judge."""
        schemes = 0
        for name, value in specials:
            if name in FRAMING:
                if not self._framing(name, value, request, specials):
                    return False
            elif name in self._schemes and self._strict.trusts(sender.peer):
                # A proxy says how its client spoke; from any other peer it is a header like any other.
                schemes += 1
                request.scheme = "https" if str(value, "latin-1") == self._schemes[name] else "http"
        return schemes < 2

    def _framing(self, name: bytes, value: bytes, request: R, specials: Fields) -> bool:
        """Content-Length, Transfer-Encoding, Expect or Upgrade. False: let the strict parser judge."""
        if name == _LENGTH:
            # Up to 18 digits is below 2**63: no program further down the line wraps around.
            if not (value.isdigit() and len(value) <= 18):
                return False
            request.length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or not request.http11 or any(other == _LENGTH for other, _ in specials):
                return False
            request.length = CHUNKED
        elif name == b"expect":
            request.expect = request.http11
            return value.lower() == b"100-continue"
        else:
            request.upgrade = request.connection is not None and asks_upgrade(request.connection)
        return True
