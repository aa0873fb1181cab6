"""The settings that hotswap adds to gunicorn's: each has its keyword, its name in a conf file, its option and help.

gunicorn's `SettingMeta` makes them, and they are taken out of its register (KNOWN_SETTINGS) again: a plain gunicorn in
the same process must show and accept what it always did, down to its options' abbreviations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hotswap.settings.upstream import gunicorn_config, gunicorn_util

SECTION = "Hot restart"


def seconds(*, above: bool = False) -> Callable[[object], float]:
    """Return a validator for a number of seconds: 0 or more, or more than 0 if `above`."""
    wanted = f"not a number of seconds, {'more than 0' if above else '0 or more'}"

    def validate_seconds(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(wanted)
        try:
            number = float(value)
        except ValueError:
            raise ValueError(wanted) from None
        # Written so that nan, which compares false with everything, is refused as well.
        if not (number > 0 if above else number >= 0):
            raise ValueError(wanted)
        return number

    return validate_seconds


def validate_share(value: object) -> float:
    """Return a share: from 0 up to, but less than 1."""
    wanted = "not a share: 0 or more, and less than 1, such as 0.05"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(wanted)
    try:
        number = float(value)
    except ValueError:
        raise ValueError(wanted) from None
    if not 0 <= number < 1:
        raise ValueError(wanted)
    return number


def validate_check(value: object) -> str:
    """Return the path of the request that a successor must answer before it is ready; empty for none."""
    if value is None:
        return ""
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ValueError("not a path that begins with /")
    if any(character <= " " or character > "~" for character in value):
        raise ValueError("it has characters that a request line cannot have; percent-encode them")
    return value


def validate_name(value: object) -> str | None:
    """Return the name by which commands know the server; a number would be taken for a pid."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ValueError("not a name")
    if value.strip().isdigit():
        raise ValueError("a number would be taken for a pid")
    if len(value.encode()) > 200 or not value.isprintable():
        raise ValueError("a name has at most 200 printable bytes")
    return value.strip()


def validate_stable_pid(value: object) -> str:
    """Return "auto", "on" or "off"; True and False are on and off."""
    word = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
    if word not in ("auto", "on", "off"):
        raise ValueError("not auto, on or off")
    return str(word)


def validate_log_format(value: object) -> str:
    """Return "text" or "json"."""
    if value not in ("text", "json"):
        raise ValueError("not text or json")
    return str(value)


def validate_path(value: object) -> str | None:
    """Return the path, made absolute now: the process may change its directory later."""
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("not a path")
    return os.path.abspath(os.fspath(value))


def validate_existing_path(value: object) -> str | None:
    """Return the path as `validate_path` does; raise ValueError if nothing is there."""
    path = validate_path(value)
    if path is not None and not os.path.exists(path):
        raise ValueError(f"{path} does not exist")
    return path


def validate_command(value: object) -> str:
    """Return the command, for a shell; "" for none."""
    if value is None:
        return ""
    if not isinstance(value, str) or (value and not value.strip()) or "\0" in value:
        raise ValueError("not a command")
    return value


def validate_watch(value: object) -> str | None:
    """Return the path, absolute, with its links as they are: what they lead to is what is watched.

    Raises ValueError if nothing is there.
    """
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("not a path")
    # Where the shell says that we are, for the same reason.
    path = os.path.normpath(os.path.join(gunicorn_util.getcwd(), os.fspath(value)))
    if not os.path.exists(path):
        raise ValueError(f"{path} does not exist")
    return path


def _make(
    name: str, meta: str | None, validator: Callable[[object], Any], default: object, *lines: str, **more: object
) -> type:
    attributes = {
        "name": name,
        "section": SECTION,
        # --name is gunicorn's option for proc_name, which stands in for our `name` (Config.name).
        "cli": None if name == "name" else [f"--{name.replace('_', '-')}"],
        "meta": meta,
        "validator": validator,
        "default": default,
        "desc": "\n".join(lines),
        "__module__": __name__,
        **more,
    }
    title = name.title().replace("_", "")
    made: type = gunicorn_config.SettingMeta(title, (gunicorn_config.Setting,), attributes)
    gunicorn_config.KNOWN_SETTINGS.remove(made)
    return made


def _switched_off(name: str, *lines: str) -> type:
    """A setting that is on, and whose option can only say no."""
    option = [f"--no-{name.replace('_', '-')}"]
    validator = gunicorn_config.validate_bool
    return _make(name, None, validator, True, *lines, cli=option, action="store_const", const=False)


# The first line of a description is what --help shows.
RetireTimeout = _make(
    "retire_timeout", "SECONDS", seconds(), 600.0,
    "Seconds that a retiring generation may take to finish what it is serving.",
    "Its successor serves already, so no operator waits for it; graceful_timeout is for a stop.",
    "After that, requests are cut, and the log names them. 0: no limit.",
)  # fmt: skip
BootTimeout = _make(
    "boot_timeout", "SECONDS", seconds(above=True), 60.0,
    "Seconds that a successor may take to become ready; after that the restart has failed.",
    "A worker that is forked later has as long to load; after that the server ends it and forks another.",
)  # fmt: skip
Check = _make(
    "check", "PATH", validate_check, "",
    "A path that a successor must answer well before it is ready, such as /healthz.",
    "It sends the request to itself, through its own engine, before the predecessor is told to leave.",
)  # fmt: skip
Health = _make(
    "health", "PATH", validate_check, "",
    "A path at which the server itself tells load balancers whether it takes new clients, such as /healthz.",
    "GET and HEAD are answered there with 200, and with 503 while the server drains or is a lame duck, but not while",
    "a generation or a worker hands over to another. The application does not see these requests, nor does the access",
    "log; check is answered by the application, also at the same path.",
)  # fmt: skip
LameDuck = _make(
    "lame_duck", "SECONDS", seconds(), 0.0,
    "Seconds that the server goes on accepting after SIGTERM, while health says 503; only then it drains.",
    "So load balancers notice before a client is refused. A second SIGTERM, and SIGINT at any time, drains at once.",
)  # fmt: skip
Probation = _make(
    "probation", "SECONDS", seconds(), 0.0,
    "Seconds that a predecessor stays parked after a restart, ready to serve again should its successor die.",
    "0: only for the first two seconds. The new version's value counts, or that of hotswap restart --probation.",
    "In that time hotswap rollback puts the old version back in service. A migrated database is not migrated back.",
)  # fmt: skip
ProbationMaxErrors = _make(
    "probation_max_errors", "SHARE", validate_share, 0.0,
    "The share of a new version's answers that may be 5xx during its probation, such as 0.05; 0: no limit.",
    "If it is over that (after 50 answers or more, by the lower 95 % bound), and twice what its predecessor had in its",
    "last minute, the predecessor serves again by itself. 501, 503 and answers about health do not count.",
)  # fmt: skip
RunDir = _make(
    "run_dir", "DIR", validate_path, None,
    "The directory of the scoreboard file, which hotswap restart and the other commands read.",
    "Default: hotswap in the first of $RUNTIME_DIRECTORY (RuntimeDirectory= of a service of systemd), or",
    "$XDG_RUNTIME_DIR/hotswap, or /run/hotswap for root, or a folder in the temporary directory.",
    "A restart does not move the file: another value takes effect when the server is stopped and started.",
)  # fmt: skip
Name = _make(
    "name", "NAME", validate_name, None,
    "The name that hotswap restart and the other commands know this server by.",
    "Default: proc_name (-n, --name) where it is set, else the first address.",
)  # fmt: skip
EnvFile = _make(
    "env_file", "FILE", validate_existing_path, None,
    "A file of KEY=VALUE lines that is added to the environment, and read again at each restart.",
    "python-dotenv reads it (pip install hotswap[dotenv]). A variable that has left the file is gone from the next",
    "generation; ${NAME} stands for one of a line above, or of the environment of the first start.",
)  # fmt: skip
Envdir = _make(
    "envdir", "DIR", validate_existing_path, None,
    "A directory whose files (variable: name, value: first line) are added to the environment.",
    "It is read again at each restart; a variable whose file is gone is gone from the next generation.",
)  # fmt: skip
BodyBuffer = _make(
    "body_buffer", "BYTES", gunicorn_config.validate_pos_int, 1024 * 1024,
    "Bytes of a request body that are collected before the application is called.",
    "So a slow upload of up to this size holds no thread.",
)  # fmt: skip
SwitchInterval = _make(
    "switch_interval", "SECONDS", seconds(), 0.0005,
    "Seconds after which Python makes a computing thread give way (sys.setswitchinterval); 0: as it is.",
)  # fmt: skip

WorkersLifetime = _make(
    "workers_lifetime", "SECONDS", seconds(), 0.0,
    "Seconds after which a forked worker is replaced, up to a tenth more where there are several; 0: never.",
    "One at a time: its replacement serves before, and gets all its connections.",
)  # fmt: skip

StablePid = _make(
    "stable_pid", "auto|on|off", validate_stable_pid, "auto",
    "Whether the pid of the server stays the same at a restart.",
    "auto: where a process waits for it, such as systemd, a supervisor, a container or a terminal; the log says which.",
    "Then a small process, the starter, keeps the pid, and starts the server again should it die.",
)  # fmt: skip

LogFormat = _make(
    "log_format", "text|json", validate_log_format, "text",
    "How log and access log are written: as text, or each line as one JSON object.",
    "The objects have time, level, gen, pid, event and text, those of errors a traceback, those of requests more.",
    "syslog keeps its format. Where logging is configured by its own means (logconfig), the format is named there.",
)  # fmt: skip

Watch = _make(
    "watch", "PATH", validate_watch, None,
    "A link such as current, a directory or a file: a change restarts the server, when it has been quiet for a second.",
    "Of a link it matters where it leads, of a directory all that is in it, so the program must not write there.",
    "A restart that fails is tried again when the path changes again.",
)  # fmt: skip

OnEvent = _make(
    "on_event", "CMD", validate_command, "",
    "A shell command that is run at each step of a generation's life, such as ready, restart_failed or stopped.",
    "The step is in its environment as HOTSWAP_EVENT, with HOTSWAP_GENERATION, _PID, _NAME, _ADDRESS, _DIRECTORY,",
    "_RELEASE and _REASON. One runs after the other, for at most 30 seconds each; the server does not wait for them.",
)  # fmt: skip

LimitConcurrency = _make(
    "limit_concurrency", "NUMBER", gunicorn_config.validate_pos_int, 0,
    "How many connections, and how many requests, of an ASGI application a process has at most; 0: no limit.",
    "Beyond that the server itself answers with 503, as uvicorn does, and the application does not see the request.",
)  # fmt: skip

WsMaxSize = _make(
    "ws_max_size", "BYTES", gunicorn_config.validate_pos_int, 16 * 1024 * 1024,
    "Bytes that a websocket's message may have; one that has more closes the websocket with 1009.",
)  # fmt: skip
WsPerMessageDeflate = _switched_off(
    "ws_per_message_deflate", "Do not compress the messages of websockets (permessage-deflate)."
)
WsPingInterval = _make(
    "ws_ping_interval", "SECONDS", seconds(), 20.0,
    "Seconds after which the server asks the client of a websocket whether it is there; 0: never.",
)  # fmt: skip
WsPingTimeout = _make(
    "ws_ping_timeout", "SECONDS", seconds(), 20.0,
    "Seconds that the client may take to answer that, before the websocket is closed with 1011; 0: no limit.",
)  # fmt: skip
WebsocketDrain = _make(
    "websocket_drain", "SECONDS", seconds(), 10.0,
    "Seconds over which open websockets are closed at a restart, with 1012, so that clients do not all come back at",
    "once. They cannot move to the new version. At a stop all are closed at once, with 1001.",
)  # fmt: skip

DateHeader = _switched_off(
    "date_header", "Leave the Date header out of an ASGI application's answers, for a proxy that adds its own."
)
ServerHeader = _switched_off("server_header", "Leave the Server header out of an ASGI application's answers.")

OWN_SETTINGS: tuple[type, ...] = (
    RetireTimeout, BootTimeout, Check, Health, LameDuck, Probation, ProbationMaxErrors, RunDir, Name, EnvFile, Envdir,
    BodyBuffer, SwitchInterval, WorkersLifetime, StablePid, LogFormat, Watch, OnEvent, LimitConcurrency, DateHeader,
    ServerHeader, WsMaxSize, WsPerMessageDeflate, WsPingInterval, WsPingTimeout, WebsocketDrain,
)  # fmt: skip
