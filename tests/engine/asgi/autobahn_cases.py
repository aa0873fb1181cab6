"""The cases of Autobahn|Testsuite's fuzzing client by their numbers: what the client sends, and how an echo server must
answer.

Left out are those that ask for nothing definite (7.1.6, 7.13), and of 12 and 13 the large numbers of messages. The
messages of 9.3 to 9.6 have 1 MiB, not 4, and those of 9.7 and 9.8 come 200 times, not 1000: what they show does not
depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_REST = 0  # the opcode of a continuation

Frame = tuple[int, bytes]


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame, masked by zeros (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([fin << 7 | rsv << 4 | opcode]) + length + bytes(4) + data


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


@dataclass(frozen=True)
class Case:
    """`sends`: what goes in one piece each, or, with `chop`, in pieces of so many bytes. `answers`: the frames that
    come back. `code`: that of the server's close frame, 0 for one without; None: the client closes with 1000.

    `may_be_cut`: the last answer is missing if the server sees what comes behind before the application has answered
    ("non-strict").
    """

    sends: Sequence[bytes]
    answers: Sequence[Frame] = ()
    code: int | None = None
    chop: int = 0
    may_be_cut: bool = False


_HELLO = b"Hello, world!"
_FAILS = 1002
_INVALID = 1007


def _fragments(opcode: int, *parts: bytes) -> list[bytes]:
    """A message in so many frames."""
    last = len(parts) - 1
    return [frame(_REST if at else opcode, part, fin=at == last) for at, part in enumerate(parts)]


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _framing() -> Iterator[tuple[str, Case]]:
    for family, opcode, filler in (("1.1", TEXT, b"*"), ("1.2", BINARY, b"\xfe")):
        for number, size in enumerate((0, 125, 126, 127, 128, 65535, 65536, 65536), 1):
            data = filler * size
            yield f"{family}.{number}", Case([frame(opcode, data)], [(opcode, data)], chop=997 if number == 8 else 0)


def _pings() -> Iterator[tuple[str, Case]]:
    most = b"\xfe" * 125
    ten = [b"payload-%d" % number for number in range(10)]
    yield "2.1", Case([frame(PING)], [(PONG, b"")])
    yield "2.2", Case([frame(PING, _HELLO)], [(PONG, _HELLO)])
    yield "2.3", Case([frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], [(PONG, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")])
    yield "2.4", Case([frame(PING, most)], [(PONG, most)])
    yield "2.5", Case([frame(PING, most + b"\xfe")], code=_FAILS)
    yield "2.6", Case([frame(PING, most)], [(PONG, most)], chop=1)
    yield "2.7", Case([frame(PONG)])
    yield "2.8", Case([frame(PONG, b"unsolicited pong payload")])
    yield "2.9", Case([frame(PONG, b"unsolicited"), frame(PING, b"ping")], [(PONG, b"ping")])
    yield "2.10", Case([frame(PING, one) for one in ten], [(PONG, one) for one in ten])
    yield "2.11", Case([frame(PING, one) for one in ten], [(PONG, one) for one in ten], chop=1)


def _reserved() -> Iterator[tuple[str, Case]]:
    hello, echo, ping = frame(TEXT, _HELLO), (TEXT, _HELLO), frame(PING)
    yield "3.1", Case([frame(TEXT, _HELLO, rsv=1)], code=_FAILS)
    for number, chop in ((2, 0), (3, 0), (4, 1)):
        rest = frame(TEXT, _HELLO, rsv=number) + ping
        yield f"3.{number}", Case([hello, rest], [echo], _FAILS, chop=chop, may_be_cut=True)
    yield "3.5", Case([frame(BINARY, b"\x00\xff" * 4, rsv=5)], code=_FAILS)
    yield "3.6", Case([frame(PING, _HELLO, rsv=6)], code=_FAILS)
    yield "3.7", Case([frame(CLOSE, rsv=7)], code=_FAILS)
    for family, first in (("4.1", 3), ("4.2", 11)):
        yield f"{family}.1", Case([frame(first)], code=_FAILS)
        yield f"{family}.2", Case([frame(first + 1, b"reserved")], code=_FAILS)
        for number, chop in ((3, 0), (4, 0), (5, 1)):
            data = b"" if number == 3 else _HELLO
            rest = frame(first + number - 1, data) + ping
            yield f"{family}.{number}", Case([hello, rest], [echo], _FAILS, chop=chop, may_be_cut=True)


def _fragmentation() -> Iterator[tuple[str, Case]]:
    one, two, three, four, five = (b"fragment%d" % number for number in range(1, 6))
    both, whole = _fragments(TEXT, one, two), (TEXT, one + two)
    ping, pong = frame(PING, b"ping payload"), (PONG, b"ping payload")
    hello, nothing = frame(TEXT, _HELLO), b"non-continuation payload"
    yield "5.1", Case(_fragments(PING, one, two), code=_FAILS)
    yield "5.2", Case(_fragments(PONG, one, two), code=_FAILS)
    yield "5.3", Case([b"".join(both)], [whole])
    yield "5.4", Case(both, [whole])
    yield "5.5", Case(both, [whole], chop=1)
    yield "5.6", Case([both[0] + ping + both[1]], [pong, whole])
    yield "5.7", Case([both[0], ping, both[1]], [pong, whole])
    yield "5.8", Case([both[0], ping, both[1]], [pong, whole], chop=1)
    for number, fin, apart, chop in (
        (9, True, False, 0), (10, True, True, 0), (11, True, True, 1),
        (12, False, False, 0), (13, False, True, 0), (14, False, True, 1),
    ):  # fmt: skip
        sends = [frame(_REST, nothing, fin=fin), hello]
        yield f"5.{number}", Case(sends if apart else [b"".join(sends)], code=_FAILS, chop=chop)
    yield (
        "5.15",
        Case([b"".join([*both, frame(_REST, three, fin=False), frame(TEXT, four)])], [whole], _FAILS, may_be_cut=True),
    )
    for number, fin in ((16, False), (17, True)):
        yield f"5.{number}", Case([frame(_REST, one, fin=fin), *_fragments(TEXT, two, three)] * 2, code=_FAILS)
    yield "5.18", Case([frame(TEXT, one, fin=False) + frame(TEXT, two)], code=_FAILS)
    pieces = _fragments(TEXT, one, two, three, four, five)
    pings = [frame(PING, b"pongme 1!"), frame(PING, b"pongme 2!")]
    sends = [*pieces[:2], pings[0], *pieces[2:4], pings[1], pieces[4]]
    answers = [(PONG, b"pongme 1!"), (PONG, b"pongme 2!"), (TEXT, one + two + three + four + five)]
    yield "5.19", Case([b"".join(sends)], answers)
    yield "5.20", Case(sends, answers)


_KOSME = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # an accent of three bytes
_SURROGATE, _BEYOND = b"\xed\xa0\x80edited", b"\xf4\x90\x80\x80"


def _text() -> Iterator[tuple[str, Case]]:
    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield "6.1.1", Case([frame(TEXT)], [(TEXT, b"")])
    yield "6.1.2", Case(_fragments(TEXT, b"", b"", b""), [(TEXT, b"")])
    yield "6.1.3", Case(_fragments(TEXT, b"", b"middle frame payload", b""), [(TEXT, b"middle frame payload")])
    yield "6.2.1", Case([frame(TEXT, hello)], [(TEXT, hello)])
    yield "6.2.2", Case(_fragments(TEXT, hello[:12], hello[12:]), [(TEXT, hello)])
    yield "6.2.3", Case(_fragments(TEXT, *_cut(hello, 1)), [(TEXT, hello)])
    yield "6.2.4", Case(_fragments(TEXT, *_cut(_KOSME, 1)), [(TEXT, _KOSME)])
    yield "6.3.1", Case([frame(TEXT, _KOSME + _SURROGATE)], code=_INVALID)
    yield "6.3.2", Case(_fragments(TEXT, *_cut(_KOSME + _SURROGATE, 1)), code=_INVALID)
    # What is wrong is told as soon as it has come, though the message goes on: its end is not sent.
    yield "6.4.1", Case(_fragments(TEXT, _KOSME, _BEYOND, b"edited")[:2], code=_INVALID)
    yield "6.4.2", Case(_fragments(TEXT, _KOSME + _BEYOND[:1], _BEYOND[1:2], b"edited")[:2], code=_INVALID)
    whole = frame(TEXT, _KOSME + _BEYOND + b"edited")
    yield "6.4.3", Case([whole], code=_INVALID)
    yield "6.4.4", Case([whole], code=_INVALID, chop=1)


_MISSING = [
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
    b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
]  # fmt: skip
_STARTS = [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)]
_HIGH, _LOW = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"], [b"\xed\xb0\x80", b"\xed\xbf\xbf"]


def _no_characters() -> list[bytes]:
    planes = [plane << 16 for plane in range(1, 17)]
    return [chr(plane | last).encode() for plane in (0, *planes) for last in (0xFFFE, 0xFFFF)]


#: Markus Kuhn's test of decoders: the family, whether UTF-8 (RFC 3629) has them, and the byte strings.
_UTF8: list[tuple[int, bool | None, list[bytes]]] = [
    (5, True, [b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello𤭢world".encode(), _KOSME]),
    (6, None, [_KOSME[:end] for end in range(1, len(_KOSME) + 1)]),
    (7, True, [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    (8, False, [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    (9, True, [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    (10, False, [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    (11, None, [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", _BEYOND]),
    (12, False, [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:size] for size in range(2, 7)), bytes(range(0x80, 0xBF))]),
    (13, False, [b"".join(bytes([one, 0x20]) for one in range(first, last)) for first, last in _STARTS]),
    (14, False, _MISSING),
    (15, False, [b"".join(_MISSING)]),
    (16, False, [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    (17, False, [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
                 b"\xfc\x80\x80\x80\x80\xaf"]),
    (18, False, [
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
    ]),
    (19, False, [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80",
                 b"\xfc\x80\x80\x80\x80\x80"]),
    (20, False, [*_HIGH, b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"]),
    (21, False, [high + low for high in _HIGH for low in _LOW]),
    (22, True, _no_characters()),
    (23, True, [chr(one).encode() for one in range(0xFFF9, 0x10000)]),
]  # fmt: skip


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _utf8() -> Iterator[tuple[str, Case]]:
    for family, valid, strings in _UTF8:
        for number, data in enumerate(strings, 1):
            good = _is_utf8(data) if valid is None else valid
            yield (
                f"6.{family}.{number}",
                Case([frame(TEXT, data)], [(TEXT, data)]) if good else Case([frame(TEXT, data)], code=_INVALID),
            )


def _closing() -> Iterator[tuple[str, Case]]:
    normal, hello = close(1000), frame(TEXT, _HELLO)
    pieces = _fragments(TEXT, b"fragment1", b"fragment2")
    yield "7.1.1", Case([hello, normal], [(TEXT, _HELLO)], 1000)
    yield "7.1.2", Case([normal + normal], code=1000)
    yield "7.1.3", Case([normal + frame(PING)], code=1000)
    yield "7.1.4", Case([normal + hello], code=1000)
    yield "7.1.5", Case([pieces[0] + normal + pieces[1]], code=1000)
    yield "7.3.1", Case([frame(CLOSE)], code=0)
    yield "7.3.2", Case([frame(CLOSE, b"a")], code=_FAILS)
    yield "7.3.3", Case([normal], code=1000)
    yield "7.3.4", Case([close(1000, _HELLO)], code=1000)
    yield "7.3.5", Case([close(1000, b"*" * 123)], code=1000)
    yield "7.3.6", Case([close(1000, b"*" * 124)], code=_FAILS)
    yield "7.5.1", Case([close(1000, _KOSME + _SURROGATE)], code=_INVALID)
    for number, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield f"7.7.{number}", Case([close(code)], code=code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", Case([close(code)], code=_FAILS)


def _sizes() -> Iterator[tuple[str, Case]]:
    kib, mib = 1 << 10, 1 << 20
    message = b"*" * mib
    for text, opcode in ((1, TEXT), (2, BINARY)):
        for number, size in enumerate((64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib), 1):
            yield f"9.{text}.{number}", Case([frame(opcode, b"*" * size)], [(opcode, b"*" * size)])
        for number, size in enumerate((64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib), 1):
            sends = [b"".join(_fragments(opcode, *_cut(message, size)))]
            yield f"9.{text + 2}.{number}", Case(sends, [(opcode, message)])
        for number, size in enumerate((64, 128, 256, 512, kib, 2 * kib), 1):
            yield f"9.{text + 4}.{number}", Case([frame(opcode, message)], [(opcode, message)], chop=size)
        for number, size in enumerate((0, 16, 64, 256, kib, 4 * kib), 1):
            one = b"*" * size
            yield f"9.{text + 6}.{number}", Case([frame(opcode, one)] * 200, [(opcode, one)] * 200)
    data = b"*" * (64 * kib)
    yield "10.1.1", Case(_fragments(TEXT, *_cut(data, 1300)), [(TEXT, data)])


def cases() -> dict[str, Case]:
    """All of them, by number."""
    families = (_framing, _pings, _reserved, _fragmentation, _text, _utf8, _closing, _sizes)
    return {number: case for family in families for number, case in family()}


@dataclass(frozen=True)
class Offer:
    """What a client offers of permessage-deflate (RFC 7692, section 7.1)."""

    server_no_context_takeover: bool = False
    server_max_window_bits: int | None = None


#: 12 is the first of them, with other data.
OFFERS = {
    "13.1": [Offer()],
    "13.2": [Offer(server_no_context_takeover=True)],
    "13.3": [Offer(server_max_window_bits=9)],
    "13.4": [Offer(server_max_window_bits=15)],
    "13.5": [Offer(server_no_context_takeover=True, server_max_window_bits=9)],
    "13.6": [Offer(server_no_context_takeover=True, server_max_window_bits=15)],
    "13.7": [Offer(True, 9), Offer(True), Offer()],
}
#: Bytes of a message, and of a fragment of it (0: it is whole): the last numbers of 12 and 13.
MESSAGES = [
    *((size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)),
    *((size, 256) for size in (8192, 16384, 32768, 65536, 131072)),
    *((131072, piece) for piece in (1024, 4096, 32768)),
]
