"""The options of `hotswap run`: gunicorn's and ours, in groups for --help, ours first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from hotswap.settings import own
from hotswap.settings.command_parser import CommandParser
from hotswap.settings.config import Config
from hotswap.settings.plain_help import default_words, first_sentence
from hotswap.settings.support import SUPPORT, Kind

#: Flask's options, as `flask run` has them; those of `app.run()` that are no settings have no option.
RUN_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "host": {"metavar": "HOST", "help": "With --port, in place of --bind: the interface to listen at. [127.0.0.1]"},
    "port": {"metavar": "PORT", "help": "With --host, in place of --bind: the port to listen at. [5000]"},
    "debug": {
        "action": "store_const",
        "const": True,
        "help": "For development: show tracebacks in the browser, with a console, and restart when a file changes.",
    },
}
#: Another name of an option, uvicorn's.
ALSO: Mapping[str, str] = {"asgi_loop": "--loop", "asgi_lifespan": "--lifespan"}
#: What uvicorn, uWSGI, granian, waitress, hypercorn and Flask call it; "" where hotswap has nothing of the kind.
KNOWN_ELSEWHERE: Mapping[str, str] = {
    "--access-log": "--access-logfile -",
    "--accesslog": "--access-logfile FILE",
    "--app-dir": "--chdir DIR",
    "--errorlog": "--error-logfile FILE",
    "--fd": "--bind fd://N",
    "--h11-max-incomplete-event-size": "--limit-request-line BYTES",
    "--header": "",
    "--http": "--bind HOST:PORT",
    "--http-socket": "--bind HOST:PORT",
    "--limit-max-requests": "--max-requests NUMBER",
    "--limit-max-requests-jitter": "--max-requests-jitter NUMBER",
    "--listen": "--bind HOST:PORT",
    "--master": "--workers N",
    "--module": "hotswap run MODULE:APP",
    "--processes": "--workers N",
    "--proxy-headers": "--forwarded-allow-ips ADDRESSES",
    "--reload-dir": "--reload-extra-file FILES",
    "--reload-include": "--reload-extra-file FILES",
    "--socket": "--bind unix:PATH",
    "--ssl-ca-certs": "--ca-certs FILE",
    "--ssl-cert-reqs": "--cert-reqs NUMBER",
    "--ssl-certfile": "--certfile FILE",
    "--ssl-ciphers": "--ciphers NAMES",
    "--ssl-keyfile": "--keyfile FILE",
    "--timeout-graceful-shutdown": "--graceful-timeout SECONDS",
    "--timeout-keep-alive": "--keep-alive SECONDS",
    "--timeout-worker-healthcheck": "--timeout SECONDS",
    "--touch-reload": "--reload-extra-file FILES",
    "--uds": "--bind unix:PATH",
    "--unix-socket": "--bind unix:PATH",
    "--ws": "",
    "--ws-per-message-deflate": "--no-ws-per-message-deflate",
    "--wsgi-file": "hotswap run MODULE:APP",
}

_OURS = "hotswap's own"
_REFUSED = "Refused, because"
#: The headings of --help, in this order; gunicorn's sections, in its words, follow.
_FIRST = (_OURS, "Server Socket", "Worker Processes", "Debugging", "Logging")
#: Where this environment computes the default, which then says nothing.
_COMPUTED = frozenset({"chdir", "user", "group"})
_SECTION_OF_RUN_OPTION = {"host": "Server Socket", "port": "Server Socket", "debug": "Debugging"}


def parser(cfg: Config, prog: str) -> CommandParser:
    """Return the parser of gunicorn's command line, with our settings, our version, and --no-preload."""
    made = CommandParser(usage=cfg.usage, prog=prog, known_elsewhere=KNOWN_ELSEWHERE)
    made.add_argument("-v", "--version", action=_Version, nargs=0, help="show the version and exit")
    add_options(made, cfg)
    return made


def add_options(to: argparse.ArgumentParser, cfg: Config) -> None:
    """Add the application and every option but --version."""
    to.add_argument("args", nargs="*", help=argparse.SUPPRESS)
    names = sorted((name for name in cfg.settings if cfg.settings[name].cli), key=cfg.settings.__getitem__)
    groups = {title: to.add_argument_group(title) for title in _headings([_heading(cfg, name) for name in names])}
    for name, other in ALSO.items():
        cfg.settings[name].cli = [*type(cfg.settings[name]).cli, other]
    for name in names:
        # gunicorn's own way to add it, with another text.
        cfg.settings[name].add_option(_WithHelp(groups[_heading(cfg, name)], _help(cfg, name)))
    for name, option in RUN_OPTIONS.items():
        groups[_SECTION_OF_RUN_OPTION[name]].add_argument(f"--{name}", **option)
    groups["Worker Processes"].add_argument(
        "--factory",
        action="store_const",
        const=True,
        help="The application's name is that of a function that makes it: MODULE:NAME means MODULE:NAME().",
    )
    # gunicorn's --preload can only say yes, which is the default here.
    groups["Server Mechanics"].add_argument(
        "--no-preload",
        dest="preload_app",
        action="store_const",
        const=False,
        help="Load the application in each worker.",
    )


def _heading(cfg: Config, name: str) -> str:
    if name in SUPPORT and SUPPORT[name].kind is Kind.REFUSED and not SUPPORT[name].engine:
        return _REFUSED
    section: str = cfg.settings[name].section
    return _OURS if section == own.SECTION else section


def _headings(found: list[str]) -> list[str]:
    """The headings that are needed, in the order of --help."""
    others = [title for title in found if title not in _FIRST and title != _REFUSED]
    return [*_FIRST, *dict.fromkeys(others), _REFUSED]


def _help(cfg: Config, name: str) -> str:
    setting = cfg.settings[name]
    support = SUPPORT.get(name)
    if support is not None and support.kind is Kind.REFUSED:
        if not support.engine:
            return f"{support.sentence}."
        return f"(Not with hotswap's own engine.) {first_sentence(setting.desc)}"
    words = "" if name in _COMPUTED else default_words(setting.default)
    return f"{first_sentence(setting.desc)} [{words}]" if words else first_sentence(setting.desc)


class _WithHelp:
    """Stands for a group of argparse's in gunicorn's `Setting.add_option`, which makes the text of the help, too."""

    def __init__(self, group: Any, text: str) -> None:
        self._group = group
        self._text = text

    def add_argument(self, *names: str, **keywords: Any) -> None:
        """As argparse has it; the text is formatted by it with %."""
        self._group.add_argument(*names, **{**keywords, "help": self._text.replace("%", "%%")})


class _Version(argparse.Action):
    """Reads the version only when --version asks for it: reading package metadata costs more than parsing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        parser.exit(0, f"hotswap {version('hotswap')} (gunicorn {version('gunicorn')})\n")
