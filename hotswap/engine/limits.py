"""Every bound of an engine in one value."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hotswap.settings.options import EngineOptions

#: gunicorn's own ceilings, see `gunicorn.http.message`.
MAX_LINE = 8190
MAX_FIELDS = 32768
DEFAULT_FIELD_SIZE = 8190
#: Descriptors that connections leave to everything else (log files, a database, the pipes of a restart), or half of
#: them where there are few.
SPARE = 128


class Limits(NamedTuple):
    """Sizes in bytes, times in seconds."""

    threads: int = 64
    keepalive: float = 75.0
    connections: int = 1000
    #: The same for those that were adopted too: what the system allows, less what a restart and the program need.
    descriptors: int = 1 << 20
    line: int = 4094
    fields: int = 100
    field_size: int = DEFAULT_FIELD_SIZE
    body_buffer: int = 1 << 20
    #: How many bytes of request bodies the loop holds in memory, of all connections together.
    bodies: int = 1 << 26
    head_timeout: float = 30.0
    body_timeout: float = 30.0
    write_timeout: float = 60.0
    drain_linger: float = 0.5
    fin_timeout: float = 2.0
    #: How much of a request body that the application has not read is thrown away; beyond it the connection closes.
    unread_body: int = 1 << 16
    #: How many unserved bytes a connection may carry to another process.
    movable: int = 1 << 16
    #: How many connections are given or adopted in one go.
    turn: int = 64
    #: How many connections are accepted in one go: several processes that share a listener take one each.
    accepts: int = 64

    @classmethod
    def from_options(cls, options: EngineOptions) -> Limits:
        """The limits that the settings ask for; what no setting says keeps its default."""
        line, fields = options.limit_request_line_bytes, options.limit_request_fields
        field_size = options.limit_request_field_size_bytes
        return cls(
            threads=options.threads,
            keepalive=options.keepalive_s,
            connections=options.worker_connections,
            descriptors=_descriptors(),
            # gunicorn: 0 is "no limit", negative or too large is its ceiling.
            line=1 << 20 if line == 0 else line if 0 < line < MAX_LINE else MAX_LINE,
            fields=fields if 0 < fields <= MAX_FIELDS else MAX_FIELDS,
            field_size=field_size if field_size > 0 else DEFAULT_FIELD_SIZE,
            body_buffer=options.body_buffer_bytes,
            bodies=max(1 << 26, 4 * options.body_buffer_bytes),
        )

    @property
    def head(self) -> int:
        """The largest head there can be, in bytes."""
        return self.line + self.fields * (self.field_size + 2) + 4

    @property
    def uploads(self) -> int:
        """How many threads may wait for request bodies at once: never all of them."""
        return max(1, self.threads // 2)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft - min(SPARE, soft // 2))
