from collections.abc import Callable, Mapping
from typing import Any

class AccessFile:
    def __init__(
        self,
        *,
        gunicorn: object,
        log: object,
        logging: dict[str, Any],
        call_handlers: object,
        go_on: Callable[[Any, str], object],
        handler_kind: type[Any],
        formatter_kind: type[Any],
        record_kind: type[Any],
        filter_kind: type[Any],
        stream_kind: type[Any],
    ) -> None: ...
    def append(self, answer: object, environ: Mapping[str, Any], /) -> bool: ...
