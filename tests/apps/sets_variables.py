"""Has variables of its own, some by raw_env, and tells which are there while it serves and afterwards."""

from __future__ import annotations

import os

import hotswap
from tests.apps.plain import app


def ready(server: hotswap.Server) -> None:
    """Tells, sets one more, and stops."""
    print(os.environ["KEPT"], os.environ["NEW"])
    os.environ["APP"] = "set"
    server.stop()


if __name__ == "__main__":
    os.environ["KEPT"] = "before"
    hotswap.on("ready")(ready)
    hotswap.serve(app, "127.0.0.1:0", raw_env=["KEPT=changed", "NEW=new"])
    print(os.environ["KEPT"], os.environ.get("NEW"), os.environ.get("APP"))
