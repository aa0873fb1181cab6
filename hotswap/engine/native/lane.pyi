from typing import Any

class Lane:
    def __init__(
        self,
        line: int,
        fields: int,
        size: int,
        body_buffer: int,
        threads: int,
        readable: int,
        keepalive: float,
        slow: float,
        blocked: float,
        rule: float,
        **parts: Any,
    ) -> None: ...
    def serve_events(self, events: list[tuple[int, int]], token: Any, /) -> bool: ...
