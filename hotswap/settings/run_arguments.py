"""`app.run()`'s own arguments, turned into settings or refused: `hotswap.serve()` takes the place of `app.run()`.

It takes that of `uvicorn.run()` too, two names of which are taken.

Names and meanings: flask.Flask.run and werkzeug.serving.run_simple. `ssl_context` is a name of gunicorn's too (a hook);
the two are told apart by type.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hotswap.errors import SettingError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000


class DefaultAddress(NamedTuple):
    """Where to serve if the caller does not say. `source` tells where host or port are from, "" for nowhere."""

    host: str = DEFAULT_HOST
    port: object = DEFAULT_PORT
    source: str = ""


ONLY_WERKZEUG: Mapping[str, str] = {
    "request_handler": "the engine has no handler class: use a WSGI middleware",
    "static_files": "wrap the application in werkzeug.middleware.shared_data.SharedDataMiddleware",
    "passthrough_errors": "an error in the application is logged and answered with 500: debug=True shows it",
    "load_dotenv": "call dotenv.load_dotenv() before hotswap.serve(), or give env_file='.env'",
}


def _are_texts(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, (str, bytes)) and all(map(_is_text, value))


def _is_text(value: object) -> bool:
    return isinstance(value, (str, os.PathLike))


def _is_interval(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


#: Maps an argument to a test of its value, and to what it takes, for the refusal of other values.
FILE_WATCHING: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "extra_files": (_are_texts, "it takes a list of paths"),
    "exclude_patterns": (_are_texts, "it takes a list of patterns such as */node_modules/*"),
    "reloader_interval": (_is_interval, "it takes a number of seconds, more than 0"),
    "reloader_type": (("auto", "stat", "watchdog").__contains__, "it takes auto, stat or watchdog"),
}


@dataclass
class RunArguments:
    """`app.run()`'s arguments translated: into settings where there are any, else into the other attributes.

    default_bind: where to serve if nothing else says it, None for our own default.
    """

    settings: dict[str, object] = field(default_factory=dict)
    default_bind: str | None = None
    debug: bool = False
    use_debugger: bool = False
    use_evalex: bool = True
    others: dict[str, object] = field(default_factory=dict)

    def settle(self, name: str, value: object, argument: str) -> None:
        """Set the setting `name` for `argument`. Raises SettingError if the caller gave the setting too."""
        if name in self.settings:
            raise SettingError(f"{argument} and {name} say the same thing: give one of them")
        self.settings[name] = value


def with_address(settings: Mapping[str, object], address: str | Sequence[str] | None) -> Mapping[str, object]:
    """Return the keywords with `serve()`'s second argument as `bind`. Raises SettingError if they have a `bind` too."""
    if address is None:
        return settings
    if settings.get("bind") is not None:
        raise SettingError("the address is given twice, in bind= and before: leave one of them out")
    return {**settings, "bind": address if isinstance(address, str) else list(address)}


def take(keywords: Mapping[str, object], default: DefaultAddress | None = None) -> RunArguments:
    """Return the keywords with `app.run()`'s arguments translated; one that is None counts as not given.

    `default` has the host or the port that is not given; None stands for 127.0.0.1 and 5000.
    Raises SettingError for an argument that hotswap has no equivalent of, and for a value of the wrong type.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    taken = RunArguments({name: value for name, value in given.items() if name not in NAMES})
    _take_address(given, taken, default or DefaultAddress())
    _take_debugging(given, taken)
    for name, translate in TRANSLATIONS.items():
        if name in given:
            translate(given[name], taken)
    for name, instead in ONLY_WERKZEUG.items():
        if given.get(name):
            raise SettingError(f"{name} is for werkzeug's server: {instead}")
    return taken


def _take_address(given: Mapping[str, object], taken: RunArguments, default: DefaultAddress) -> None:
    named = [name for name in ("host", "port") if name in given]
    if "bind" in taken.settings:
        if named:
            raise SettingError(f"the address is given twice, in {named[0]}= and before: leave one of them out")
        return
    host, port = given.get("host", default.host), given.get("port", default.port)
    try:
        text = address_of(host, port)
    except SettingError as error:
        raise SettingError(f"{error} ({default.source})" if default.source else str(error)) from None
    if named:
        taken.settings["bind"] = [text]
    elif default.source:
        taken.default_bind = text


def address_of(host: object, port: object) -> str:
    """Return the address that `host=` and `port=` mean; `unix://PATH` is werkzeug's form of a unix socket's.

    Raises SettingError.
    """
    if not isinstance(host, str) or not host:
        raise SettingError(f'host cannot be {host!r}: it takes a text such as "0.0.0.0"')
    if host.startswith("unix://"):
        return f"unix:{host.removeprefix('unix://')}"
    number = str(port)
    if isinstance(port, bool) or not number.isascii() or not number.isdigit():
        raise SettingError(f"port cannot be {port!r}: it takes a whole number, 0 for any free port")
    if host.count(":") == 1:
        raise SettingError(f'host cannot be {host!r}: write the address as one, hotswap.serve(app, "{host}")')
    return f"[{host}]:{number}" if ":" in host and not host.startswith("[") else f"{host}:{number}"


def _take_debugging(given: Mapping[str, object], taken: RunArguments) -> None:
    """Take `debug=True` for the debugger and the file watch; each has an argument of its own too (flask.Flask.run)."""
    taken.debug = bool(given.get("debug", False))
    taken.use_debugger = bool(given.get("use_debugger", taken.debug))
    taken.use_evalex = bool(given.get("use_evalex", True))
    if given.get("use_reloader"):
        taken.settle("reload", True, "use_reloader")
    elif taken.debug and "use_reloader" not in given:
        taken.settings.setdefault("reload", True)
    for name, (is_right, expected) in FILE_WATCHING.items():
        if name not in given:
            continue
        if not (taken.settings.get("reload") or "config" in given):
            raise SettingError(
                f"{name} is for watching files in development: give debug=True or reload=True, or leave it out"
            )
        if not is_right(given[name]):
            raise SettingError(f"{name} cannot be {given[name]!r}: {expected}")
        taken.others[name] = given[name]


def _threaded(value: object, taken: RunArguments) -> None:
    if not value:
        taken.settle("threads", 1, "threaded")


def _processes(value: object, taken: RunArguments) -> None:
    if value != 1:
        taken.settle("workers", value, "processes")


def _ssl_context(value: object, taken: RunArguments) -> None:
    if isinstance(value, ssl.SSLContext) or value == "adhoc":
        taken.others["ssl_context"] = value
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        taken.settle("certfile", value[0], "ssl_context")
        taken.settle("keyfile", value[1], "ssl_context")
    elif callable(value) or isinstance(value, str):
        taken.settings["ssl_context"] = value  # gunicorn's hook, or its dotted name
    else:
        raise SettingError(
            f"ssl_context cannot be {value!r}: it takes an ssl.SSLContext, a pair (certificate file, "
            'key file), "adhoc", or gunicorn\'s hook, a function of the configuration and a factory'
        )


def _as(name: str, argument: str) -> Callable[[object, RunArguments], None]:
    return lambda value, taken: taken.settle(name, value, argument)


TRANSLATIONS: Mapping[str, Callable[[object, RunArguments], None]] = {
    # uvicorn.run()'s names
    "lifespan": _as("asgi_lifespan", "lifespan"),
    "loop": _as("asgi_loop", "loop"),
    "threaded": _threaded,
    "processes": _processes,
    "ssl_context": _ssl_context,
}

NAMES = frozenset(
    (
        "host",
        "port",
        "debug",
        "use_debugger",
        "use_evalex",
        "use_reloader",
        *FILE_WATCHING,
        *ONLY_WERKZEUG,
        *TRANSLATIONS,
    )
)
