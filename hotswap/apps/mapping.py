"""Which application answers at which address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotswap.apps.interface import Interface, interface_of, is_factory
from hotswap.errors import UsageError
from hotswap.system.addresses import keys, parse_all

if TYPE_CHECKING:
    from hotswap.settings import Config

WSGIApp = Callable[..., Any]
Address = str | Sequence[str] | None


@dataclass(frozen=True)
class Deferred:
    """An application that every worker loads for itself (`preload_app` off)."""

    load: Callable[[], WSGIApp]

    def __call__(self, *arguments: Any) -> Any:
        raise UsageError("this application is loaded in workers, and this process is none")


def loaded(
    apps: Mapping[str, WSGIApp], must_fit: Callable[[object], object] = lambda app: None
) -> Mapping[str, WSGIApp]:
    """Return `apps` with deferred applications loaded, as today's servers call them. Called in the process that runs
    them.

    Raises what loading raises, UsageError if it makes no application, and what `must_fit` raises for it.
    """
    first = next(iter(apps.values()))
    if not isinstance(first, Deferred):
        return {key: single_call(app) for key, app in apps.items()}
    app = first.load()
    must_be_application(app)
    must_fit(app)
    return dict.fromkeys(apps, single_call(app))


def addresses_of(app: Any, address: Address) -> Address:
    """Return the addresses that a call of `serve` names: in its second argument, or as the keys of a mapping.

    Raises UsageError if both are given, or if the mapping is empty.
    """
    if not isinstance(app, Mapping):
        return address
    if address is not None:
        raise UsageError("a mapping of address to application says where to serve: leave the second argument out")
    if not app:
        raise UsageError("the mapping of address to application is empty: name at least one address")
    return list(app)


def by_key(app: Any, cfg: Config) -> dict[str, WSGIApp]:
    """Return the application for each listener, by the listener's key. Raises UsageError, AddressError."""
    texts = cfg.settings["bind"].get()
    apps = list(app.values()) if isinstance(app, Mapping) else [app] * len(texts)
    for each in apps:
        must_be_application(each)
        if cfg.debug:
            set_debug(each)
    return dict(zip(keys(parse_all(texts)), apps, strict=True))


def must_be_application(app: object) -> None:
    """Raise UsageError, which says what `app` is instead, if it cannot be an application."""
    if isinstance(app, str):
        raise UsageError(f"{app!r} is a text, not a WSGI application: import it, or use `hotswap run {app}`")
    if not callable(app):
        raise UsageError(f"{app!r} is not a WSGI application: it must be callable with (environ, start_response)")
    if is_factory(app):
        name = getattr(app, "__name__", "it")
        raise UsageError(f"{app!r} takes no request, so it is a factory of applications: call it, serve({name}(), …)")


def single_call(app: WSGIApp) -> WSGIApp:
    """Return `app` as today's servers call it: one of ASGI 2, which takes a scope first, becomes one of ASGI 3."""
    if interface_of(app) is not Interface.ASGI2:
        return app

    async def both_calls(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return both_calls


def set_debug(app: Any) -> None:
    """Tell an application of Flask's, Starlette's or FastAPI's that it is being debugged, as flask.Flask.run does.

    Else Flask would answer 500 itself, and the debugger would see no exception (flask.Flask.handle_exception). Those of
    ASGI show the traceback themselves then (starlette.middleware.errors).
    """
    if isinstance(getattr(app, "debug", None), bool):
        app.debug = True


def server_name(bound: str) -> tuple[str, str]:
    """Return SERVER_NAME and SERVER_PORT (PEP 3333) of a listener that is bound to this address."""
    if bound.startswith("unix:"):
        # gunicorn gives these for a unix socket if a request has no Host header (gunicorn.http.wsgi.create).
        return bound.removeprefix("unix:"), ""
    host, _, port = bound.rpartition(":")
    return host.strip("[]"), port
