"""What the applications answer: they are compared with it, so this is said once."""

from __future__ import annotations

import json
from typing import Any

MIB = 1024 * 1024

HELLO = b"Hello, World!\n"
UP = b"%d bytes came\n" % MIB
DOWN = b"0123456789abcdef" * (MIB // 16)
RECORDS: list[dict[str, Any]] = [
    {"id": number, "name": f"record {number:03}", "price": number / 4, "tags": ["new", "blue"], "there": number % 3 > 0}
    for number in range(128)
]
#: As Starlette's `JSONResponse` writes it.
PLAIN_JSON = json.dumps(RECORDS, separators=(",", ":")).encode()
#: As FastAPI writes the dictionary that most first applications return.
MESSAGE_JSON = b'{"message":"Hello, World!"}'
CHUNKS = 100
CHUNK = b"0123456789abcdef" * 64
#: What each websocket sends and wants back: a message of 100 bytes.
ECHOED = "0123456789" * 10
#: As Flask's `jsonify` writes it when it is not in debug mode.
JSON = json.dumps(RECORDS, separators=(",", ":"), sort_keys=True).encode() + b"\n"
