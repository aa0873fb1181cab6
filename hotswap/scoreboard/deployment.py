"""What a server has been deployed with, on the scoreboard: the generation that begins to serve writes it."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from hotswap.scoreboard import layout
from hotswap.scoreboard.layout import Buffer, Memory, Twin
from hotswap.system.tail import utf8_tail

# since, generation; texts follow, each with a NUL behind it: version, directory, release, then the addresses.
_NUMBERS: Final = struct.Struct("<dI")
_TEXTS_BEFORE_ADDRESSES: Final = 3
_VERSION_BYTES: Final = 64
_PATH_BYTES: Final = 400
_RECORD: Final = Twin(1280)
_CUT: Final = "…"


class Deployment(NamedTuple):
    """What serves.

    `since`: the Unix time at which `generation` began to serve. `version`: of hotswap. `directory`: where the program
    runs, as the user knows it; `release`: what that led to when this generation was started, with no link left, "" if
    it was gone. `addresses`: as URLs; the last ones are left out if all are longer than 400 bytes.
    """

    generation: int
    since: float
    version: str
    directory: str
    release: str
    addresses: tuple[str, ...]


def write(buffer: Buffer, deployment: Deployment) -> None:
    """Replace what is there. One writer at a time."""
    _RECORD.write(buffer, layout.DEPLOYMENT_AT, _packed(deployment))


def read(memory: Memory) -> Deployment | None:
    """Return what serves; None if a release of hotswap serves that does not write it."""
    record = _RECORD.read(memory, layout.DEPLOYMENT_AT)
    if len(record) < _NUMBERS.size:
        return None
    since, generation = _NUMBERS.unpack_from(record)
    texts = record[_NUMBERS.size :].decode("utf-8", "replace").split("\0")[:-1]
    if len(texts) < _TEXTS_BEFORE_ADDRESSES:
        return None
    version, directory, release, *addresses = texts
    return Deployment(generation, since, version, directory, release, tuple(addresses))


def of_serving(deployment: Deployment | None, generation: int | None) -> Deployment | None:
    """Return it if it tells what serves, which is `generation`; None means that none does, and leaves what did last.

    A deploy may have gone back to a release of hotswap that writes nothing here: what stands here then is of the
    generation before.
    """
    if deployment is None or generation not in (None, deployment.generation):
        return None
    return deployment


def _packed(deployment: Deployment) -> bytes:
    texts = [
        layout.encode(deployment.version, _VERSION_BYTES),
        _end_of_path(deployment.directory),
        _end_of_path(deployment.release),
    ]
    room = _RECORD.capacity - _NUMBERS.size - sum(len(text) + 1 for text in texts)
    for address in deployment.addresses:
        raw = address.encode("utf-8", "backslashreplace")
        room -= len(raw) + 1
        if room < 0:
            break
        texts.append(raw)
    numbers = _NUMBERS.pack(deployment.since, deployment.generation)
    return numbers + b"".join(text.replace(b"\0", b"") + b"\0" for text in texts)


def _end_of_path(path: str) -> bytes:
    """A path that is too long loses its beginning: its end tells releases apart."""
    raw = path.encode("utf-8", "backslashreplace")
    cut = _CUT.encode()
    return raw if len(raw) <= _PATH_BYTES else cut + utf8_tail(path, _PATH_BYTES - len(cut))
