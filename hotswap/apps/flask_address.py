"""Where a Flask application says that it is served: `SERVER_NAME`, which `app.run()` has as its default address."""

from __future__ import annotations

import sys
from typing import Any

from hotswap.settings.run_arguments import DEFAULT_HOST, DEFAULT_PORT, DefaultAddress


def default_address(app: Any) -> DefaultAddress | None:
    """Return the address in `SERVER_NAME`, less what it does not say (flask.Flask.run); None if there is none.

    Only of a Flask application: to other frameworks the name may mean something else.
    """
    flask = sys.modules.get("flask")
    if flask is None or not isinstance(app, flask.Flask):
        return None
    name = app.config.get("SERVER_NAME")
    if not name or not isinstance(name, str):
        return None
    # A host in brackets has colons of its own.
    bracketed, bracket, rest = name.rpartition("]")
    host, _, port = rest.partition(":")
    return DefaultAddress(
        f"{bracketed}{bracket}{host}" or DEFAULT_HOST, port or DEFAULT_PORT, f"SERVER_NAME = {name!r}"
    )
