"""`django-admin serve`: Django has copied sys.argv when it imports this, and parses the copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand

import hotswap


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The generation that answers."""
    start_response("200 OK", [])
    return [str(hotswap.generation).encode()]


class Command(BaseCommand):  # type: ignore[misc]  # Django has no type information
    """Serves until it is told to stop."""

    def handle(self, *_arguments: object, **_options: object) -> None:
        """The command itself."""
        hotswap.serve(app, "127.0.0.1:0")
