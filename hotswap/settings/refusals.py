"""Refuses what this version does not do: only what the user asked for, never a default, and all of it at once."""

from __future__ import annotations

import os

from hotswap.errors import SettingError
from hotswap.settings.config import Config
from hotswap.settings.support import SUPPORT, Kind
from hotswap.settings.upstream import REJECTED

#: The names that worker_class has for hotswap's own engine.
ENGINE = ("hotswap", "hotswap.Worker")


def check(cfg: Config) -> None:
    """Raise SettingError if `cfg` asks for what hotswap does not do: a line for each setting, with the remedy."""
    refused = [refusal(cfg, name) for name in cfg.settings if is_refused(cfg, name)]
    unfit = [*_privileges(cfg), *_parser(cfg), *_health(cfg)]
    refused += [f"{said(cfg, name)} is refused: {sentence}" for name, sentence in unfit]
    if refused:
        raise SettingError("\n".join(refused))
    try:
        cfg.validate()
    except REJECTED as error:
        raise SettingError(f"the settings do not go together ({error})") from error


def is_refused(cfg: Config, name: str) -> bool:
    """Return whether the user gave `name` a value, other than its default, that hotswap does not obey."""
    support = SUPPORT.get(name)
    # gunicorn is newer than this table: a setting that it added is refused, because nothing here would obey it.
    if support is None:
        return cfg.changed(name)
    if support.engine and cfg.settings["worker_class"].value not in ENGINE:
        return False
    return support.kind is Kind.REFUSED and cfg.changed(name)


def refusal(cfg: Config, name: str) -> str:
    """Return the sentence that refuses `name`: its value, where the user gave it, the reason and the remedy."""
    support = SUPPORT.get(name)
    sentence = support.sentence if support else "this version of hotswap does not know the setting: leave it out"
    return f"{said(cfg, name)} is refused: {sentence}"


def _privileges(cfg: Config) -> list[tuple[str, str]]:
    """Return which of `user` and `group` this process cannot obey, each with the reason and the remedy."""
    sentence = ""
    if not cfg.workers:
        # Its successor would start without root: it could bind no new privileged port, read no key that only root may
        # read, and replace no pid file in /run. So the first restart would fail, not this start.
        sentence = "a process that gives up root cannot start a successor that has it: use workers=1 or more"
    elif os.geteuid() != 0:
        sentence = "only root can change to another user: start it as root, or leave the setting out"
    return [(name, sentence) for name in ("user", "group") if sentence and cfg.changed(name)]


def _parser(cfg: Config) -> list[tuple[str, str]]:
    """Return why `http_parser = "fast"` cannot be obeyed, in gunicorn's words, which gunicorn says at each request."""
    if cfg.http_parser == "fast":
        # Late: it is no part of a start with the default.
        from gunicorn.http.message import _check_fast_parser

        try:
            _check_fast_parser(cfg)
        except RuntimeError as error:
            return [("http_parser", f"{error} (http_parser = 'auto' is as fast: hotswap reads heads itself)")]
    return []


def _health(cfg: Config) -> list[tuple[str, str]]:
    """Return why `health` cannot be obeyed: workers of other classes read their requests themselves."""
    if cfg.health and cfg.settings["worker_class"].value not in ENGINE:
        sentence = "workers of another class than hotswap's read requests themselves: have the application answer there"
        return [("health", sentence)]
    return []


def said(cfg: Config, name: str) -> str:
    """Return the value of a setting and where the user gave it, as in "threads = 3 (command line)"."""
    return f"{name} = {shown(cfg.settings[name].value)} ({cfg.sources[name]})"


def shown(value: object) -> str:
    """Return a value as users write it: a function by its name."""
    return f"{value.__qualname__}()" if hasattr(value, "__qualname__") else repr(value)
