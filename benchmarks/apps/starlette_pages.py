"""JSON by Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.apps.answers import RECORDS
from benchmarks.apps.counted_asgi import CountedAsgi


async def records(request: Request) -> JSONResponse:
    """10 kB of JSON."""
    return JSONResponse(RECORDS)


application = CountedAsgi(Starlette(routes=[Route("/json", records)]))
