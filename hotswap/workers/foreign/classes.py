"""Which class the workers are of: the engine's own, or one of gunicorn's, and what follows from that for settings and
application."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from hotswap.apps.interface import Interface, interface_of
from hotswap.errors import SettingError, UsageError
from hotswap.settings import Config
from hotswap.settings.refusals import ENGINE
from hotswap.settings.upstream import gunicorn_util

#: Modules of worker classes, and what these and classes made from them serve. Tornado's takes applications of its own.
_SERVES: Mapping[str, Interface] = {
    "gunicorn.workers.sync": Interface.WSGI,
    "gunicorn.workers.gthread": Interface.WSGI,
    "gunicorn.workers.base_async": Interface.WSGI,
    "gunicorn.workers.gasgi": Interface.ASGI,
    "uvicorn_worker._workers": Interface.ASGI,
    "uvicorn.workers": Interface.ASGI,
}
#: Our defaults are made for the engine; a class of gunicorn's gets gunicorn's own.
_GUNICORNS_DEFAULT = ("threads", "keepalive", "worker_connections")


def settle(cfg: Config) -> type[Any] | None:
    """The class that forked workers are of, None for the engine; makes the settings fit it.

    May be called again. Raises SettingError.
    """
    if _is_engine_name(cfg.settings["worker_class"].get()):
        return None
    for name in _GUNICORNS_DEFAULT:
        if name not in cfg.given:
            cfg.settings[name].set(type(cfg.settings[name]).default)
    chosen = _load(cfg)
    if chosen is None:
        return None
    if "ssl_context" in cfg.run_arguments:
        raise SettingError(
            f"ssl_context ({_shown(cfg)}) is for the engine: gunicorn's workers want certfile and keyfile, "
            "or gunicorn's ssl_context hook"
        )
    if not cfg.workers:
        cfg.settings["workers"].set(1)
    if "preload_app" not in cfg.given and patches(chosen):
        # Before it imports the application, or that has taken from the standard library what is not patched.
        cfg.settings["preload_app"].set(False)
    return chosen


def must_fit(app: object, cfg: Config, chosen: type[Any] | None) -> None:
    """Raise UsageError, with the remedy, if workers of this class cannot serve `app`."""
    applications = _applications(app)
    kinds = {interface_of(each).is_asgi: each for each in applications}
    if chosen is None and len(kinds) > 1:
        raise UsageError(
            f"{_described(kinds[True])} is an ASGI application, {_described(kinds[False])} a WSGI application, and one "
            "server serves one kind: wrap the latter (asgiref.wsgi.WsgiToAsgi), or serve it from a program of its own"
        )
    if chosen is not None and len({id(each) for each in applications}) > 1:
        raise UsageError(
            f"workers of {_shown(cfg)} have one application for all addresses: give one application, or leave "
            "worker_class out"
        )
    for each in applications:
        _must_serve(each, cfg, serves(chosen))


def _must_serve(app: object, cfg: Config, takes: Interface) -> None:
    is_one = interface_of(app)
    if Interface.UNKNOWN in (is_one, takes) or is_one.is_asgi == takes.is_asgi:
        return
    if is_one.is_asgi:
        kind = "an ASGI application"
        remedy = "leave worker_class out, or say -k asgi"
    else:
        kind, remedy = "a WSGI application", "leave worker_class out, or wrap it (asgiref.wsgi.WsgiToAsgi)"
    raise UsageError(f"{_described(app)} is {kind}, and {_shown(cfg)} serves {takes.value}: {remedy}")


def serves(chosen: type[Any] | None) -> Interface:
    """What a worker class serves; UNKNOWN for classes that are not made from a known one, and for the engine, which
    serves both."""
    if chosen is None:
        return Interface.UNKNOWN
    modules = (base.__module__ for base in chosen.__mro__)
    return next((_SERVES[name] for name in modules if name in _SERVES), Interface.UNKNOWN)


def patches(chosen: type[Any]) -> bool:
    """Whether these workers replace what is in the standard library when they begin (gevent.monkey)."""
    return any(base.__module__ == "gunicorn.workers.ggevent" for base in chosen.__mro__)


def _applications(app: object) -> list[object]:
    return list(app.values()) if isinstance(app, Mapping) else [app]


def _is_engine_name(value: object) -> bool:
    return isinstance(value, str) and value in ENGINE


def _load(cfg: Config) -> type[Any] | None:
    """As gunicorn.config.Config.worker_class, whose errors carry a traceback, and which calls the class's `setup`."""
    value = cfg.settings["worker_class"].get()
    if isinstance(value, str) and (value == "sync" or value.endswith("SyncWorker")) and cfg.threads > 1:
        value = "gthread"
    try:
        found = gunicorn_util.load_class(value)
    except Exception as error:
        reason = str(error).strip(" \n]").splitlines()[-1:] or [type(error).__name__]
        raise SettingError(
            f"{_shown(cfg)} cannot be loaded ({reason[0].strip()}): it takes sync, gthread, gevent, tornado, asgi, or "
            "module.Class: correct it, install its package, or leave it out"
        ) from error
    if not inspect.isclass(found):
        raise SettingError(f"{_shown(cfg)} is no class: it takes the dotted name of a worker class")
    ours = [base for base in found.__mro__ if base.__module__.startswith("hotswap.")]
    if ours and ours[0] is not found:
        raise SettingError(f"{_shown(cfg)} is made from hotswap.Worker, which is for gunicorn: leave worker_class out")
    return None if ours else found


def _shown(cfg: Config) -> str:
    value = cfg.settings["worker_class"].get()
    name = value if isinstance(value, str) else f"{value.__module__}.{value.__qualname__}"
    where = cfg.sources.get("worker_class")
    return f"worker_class = {name!r} ({where})" if where else f"worker_class = {name!r}, the default,"


def _described(app: object) -> str:
    """`app()` for a function, its class for an object: neither with an address in memory."""
    if hasattr(app, "__qualname__"):
        return f"{app.__module__}.{app.__qualname__}"
    return f"the {type(app).__module__}.{type(app).__qualname__} object"
