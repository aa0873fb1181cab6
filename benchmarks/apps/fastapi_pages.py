"""FastAPI, as most new applications are."""

from __future__ import annotations

from fastapi import FastAPI

from benchmarks.apps.counted_asgi import CountedAsgi

app = FastAPI()


@app.get("/hello")
async def hello() -> dict[str, str]:
    """A page that costs nothing but FastAPI."""
    return {"message": "Hello, World!"}


application = CountedAsgi(app)
