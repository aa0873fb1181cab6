"""The configuration object: gunicorn's, with our defaults and settings, and a record of what the user gave.

`CHANGED_DEFAULTS` is the one table of the defaults that differ from gunicorn's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hotswap.errors import SettingError
from hotswap.settings.own import OWN_SETTINGS
from hotswap.settings.run_arguments import RunArguments
from hotswap.settings.upstream import REJECTED, gunicorn_config, gunicorn_util

CHANGED_DEFAULTS: Mapping[str, object] = {
    "workers": 0,  # single mode: nothing is forked
    "worker_class": "hotswap",
    "threads": 64,
    "keepalive": 75,  # an idle connection costs half a KiB and survives restarts
    "worker_connections": 10_000,  # for the same reason there are more of them
    "preload_app": True,  # a restart is a fresh interpreter, so a preloaded application is never stale
    "bind": ["127.0.0.1:5000"],
    "control_socket_disable": True,  # commands read the scoreboard instead
    "default_proc_name": "hotswap",
}

EXPECTED: Mapping[str, str] = {
    "validate_pos_int": "it takes a whole number, 0 or more",
    "validate_bool": "it takes True or False",
    "validate_string": "it takes a text",
    "validate_list_string": "it takes a text or a list of texts",
    "validate_dict": "it takes a dict",
    "validate_addresses": "it takes an address such as 127.0.0.1:5000, or a list of them",
    "validate_class": "it takes a class or the dotted name of one",
}


def validate_addresses(value: object) -> list[str]:
    """Return one address an item, so that they can be counted; `value` is a list, or a text with commas."""
    texts: list[str] = gunicorn_config.validate_list_string(value)
    addresses = [part.strip() for text in texts for part in text.split(",")]
    if not addresses or not all(addresses):
        raise ValueError("an address is empty")
    return addresses


class Config(gunicorn_config.Config):  # type: ignore[misc]  # gunicorn has no type information
    """Settings by name, as attributes: `cfg.threads`. Reading one is a call and two look-ups: hot code keeps the value.

    sources: which settings the user gave, and where: a keyword, a file, GUNICORN_CMD_ARGS, the command line, a
    variable. start_directory: where the program was started, as the shell named it ($PWD), before any `chdir`. entered:
    `chdir` without its links, once this process is there. debug, use_debugger, use_evalex, run_arguments: arguments of
    `app.run()` that gunicorn has no setting for. host_from: the variable of the application that names the host of the
    address, "" if the user does, or none.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, prog: str = "hotswap run") -> None:
        """`environ` is where the defaults come from that gunicorn takes from the environment; None: there are none.

        Raises SettingError if a default cannot be used.
        """
        try:
            super().__init__("%(prog)s [OPTIONS] MODULE:APP", prog=prog)
        except REJECTED as error:
            # gunicorn validates its own defaults, and has computed some from the environment when it was imported.
            raise SettingError(
                f"cannot use gunicorn's defaults ({error}): look at FORWARDED_ALLOW_IPS, and whether the "
                "directory the program was started in is still there"
            ) from error
        self.settings.update((setting.name, setting) for setting in (made() for made in OWN_SETTINGS))
        self.settings["bind"].validator = validate_addresses
        self.sources: dict[str, str] = {}
        self.start_directory: str = gunicorn_util.getcwd()
        self.entered = ""
        self.debug = False
        self.use_debugger = False
        self.use_evalex = True
        self.run_arguments: dict[str, object] = {}
        self.host_from = ""
        for name, value in self._defaults(environ or {}).items():
            self._default(name, value)
        self._untouched = {name: setting.value for name, setting in self.settings.items()}

    def _defaults(self, environ: Mapping[str, str]) -> dict[str, object]:
        """Return our defaults, and those that gunicorn computed when it was imported, computed anew."""
        computed: dict[str, object] = {
            "chdir": self.start_directory,
            "user": os.geteuid(),
            "group": os.getegid(),
            "forwarded_allow_ips": environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"),
        }
        if environ.get("PORT"):
            computed["bind"] = [f"0.0.0.0:{environ['PORT']}"]
        return {**CHANGED_DEFAULTS, **computed}

    def _default(self, name: str, value: object) -> None:
        setting = self.settings[name]
        try:
            setting.set(value)
        except REJECTED as error:
            raise SettingError(f"cannot use {name} = {value!r}, a default of this environment ({error})") from error
        setting.default = value

    def take_run_arguments(self, arguments: RunArguments) -> None:
        """Keep those arguments of `app.run()` that are no settings."""
        self.debug, self.run_arguments = arguments.debug, arguments.others
        self.use_debugger, self.use_evalex = arguments.use_debugger, arguments.use_evalex

    @property
    def given(self) -> set[str]:
        """The names of the settings that the user gave, wherever."""
        return set(self.sources)

    def give(self, name: str, value: object, source: str) -> None:
        """Set `name` to the value that the user wrote at `source`. Raises SettingError, which says what it takes."""
        setting = self.settings[name]
        try:
            setting.set(value)
        except REJECTED as error:
            expected = EXPECTED.get(getattr(setting.validator, "__name__", ""), str(error).strip().rstrip("."))
            raise SettingError(f"{name} cannot be {value!r} ({source}): {expected}") from error
        self.sources[name] = source

    def changed(self, name: str) -> bool:
        """Whether the user gave `name` another value than its default; giving the default asks for nothing."""
        return name in self.sources and bool(self.settings[name].value != self._untouched.get(name))

    @property
    def changes_owner(self) -> bool:
        """Whether workers run as another user or group than this process."""
        return self.changed("user") or self.changed("group")

    @property
    def is_ssl(self) -> bool:
        """Whether to serve HTTPS: by gunicorn's certfile or keyfile, or by `app.run()`'s ssl_context."""
        return bool(self.certfile or self.keyfile or "ssl_context" in self.run_arguments)

    @property
    def name(self) -> str | None:
        """The name by which commands know the server; None stands for the first address."""
        chosen: str | None = self.settings["name"].get() or self.settings["proc_name"].get()
        return chosen

    @property
    def worker_class_str(self) -> str:
        """The worker class as the user wrote it; gunicorn's own property turns "sync" with threads into "gthread"."""
        chosen: Any = self.settings["worker_class"].get()
        return chosen if isinstance(chosen, str) else str(chosen.__name__)
