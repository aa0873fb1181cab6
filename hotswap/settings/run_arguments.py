"""`app.run()`'s own arguments, turned into settings or refused: `hotswap.serve()` stands where it stood.

Names and meanings: flask.Flask.run and werkzeug.serving.run_simple. `ssl_context` is a name of gunicorn's too
(a hook); the two are told apart by type.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hotswap.errors import SettingError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000

ONLY_WERKZEUG: Mapping[str, str] = {
    "request_handler": "the engine has no handler class: use a WSGI middleware",
    "static_files": "wrap the application in werkzeug.middleware.shared_data.SharedDataMiddleware",
    "passthrough_errors": "an error in the application is logged and answered with 500: debug=True shows it",
    "load_dotenv": "call dotenv.load_dotenv() before hotswap.serve(), or give env_file='.env'",
}
FILE_WATCHING = ("extra_files", "exclude_patterns", "reloader_interval", "reloader_type")


@dataclass
class RunArguments:
    """What `app.run()`'s arguments mean: settings of ours, and what no setting stands for."""

    settings: dict[str, object] = field(default_factory=dict)
    debug: bool = False
    use_debugger: bool = False
    use_evalex: bool = True
    others: dict[str, object] = field(default_factory=dict)

    def settle(self, name: str, value: object, argument: str) -> None:
        """Set the setting `name` for `argument`, unless the caller gave that too."""
        if name in self.settings:
            raise SettingError(f"{argument} and {name} say the same thing: give one of them")
        self.settings[name] = value


def take(keywords: Mapping[str, object]) -> RunArguments:
    """Return the keywords with `app.run()`'s arguments translated; None means not given.

    Raises SettingError for what hotswap has no equivalent of.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    taken = RunArguments({name: value for name, value in given.items() if name not in NAMES})
    _take_address(given, taken)
    _take_debugging(given, taken)
    for name, translate in TRANSLATIONS.items():
        if name in given:
            translate(given[name], taken)
    for name, instead in ONLY_WERKZEUG.items():
        if given.get(name):
            raise SettingError(f"{name} is for werkzeug's server: {instead}")
    return taken


def _take_address(given: Mapping[str, object], taken: RunArguments) -> None:
    if "host" in given or "port" in given:
        host, port = given.get("host", DEFAULT_HOST), given.get("port", DEFAULT_PORT)
        argument = "host=" if "host" in given else "port="
        if "bind" in taken.settings:
            raise SettingError(f"the address is given twice, in {argument} and before: leave one of them out")
        taken.settings["bind"] = [address_of(host, port)]


def address_of(host: object, port: object) -> str:
    """Return the address that `host=` and `port=` mean; `unix://PATH` is how werkzeug says a unix socket."""
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
    taken.debug = bool(given.get("debug", False))
    taken.use_debugger = bool(given.get("use_debugger", taken.debug))
    taken.use_evalex = bool(given.get("use_evalex", True))
    if given.get("use_reloader") and not taken.debug:
        raise SettingError("use_reloader watches files for development: give debug=True, or restart with SIGHUP")
    for name in (*FILE_WATCHING, "use_reloader"):
        if name in given:
            taken.others[name] = given[name]
    watching = [name for name in FILE_WATCHING if name in given]
    if watching and not taken.debug:
        raise SettingError(f"{watching[0]} is for watching files in development: give debug=True, or leave it out")


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


TRANSLATIONS: Mapping[str, Callable[[object, RunArguments], None]] = {
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
