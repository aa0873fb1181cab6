"""What this version refuses: only what the user asked for, never a default, and everything at once."""

from __future__ import annotations

import os

from hotswap.errors import SettingError
from hotswap.settings.config import Config
from hotswap.settings.support import SUPPORT, Kind
from hotswap.settings.upstream import REJECTED

#: The names that worker_class has for hotswap's own engine.
ENGINE = ("hotswap", "hotswap.Worker")


def check(cfg: Config) -> None:
    """Raise SettingError if `cfg` asks for what hotswap does not do: a line a setting, with the remedy."""
    refused = [refusal(cfg, name) for name in cfg.settings if is_refused(cfg, name)]
    refused += [f"{said(cfg, name)} is refused: {sentence}" for name, sentence in _privileges(cfg)]
    if refused:
        raise SettingError("\n".join(refused))
    try:
        cfg.validate()
    except REJECTED as error:
        raise SettingError(f"the settings do not go together ({error})") from error


def is_refused(cfg: Config, name: str) -> bool:
    """Whether the user gave `name` a value, other than its default, that hotswap does not serve."""
    support = SUPPORT.get(name)
    # A gunicorn newer than this table: what it added is refused, because nothing here would do it.
    if support is None:
        return cfg.changed(name)
    if support.engine and cfg.settings["worker_class"].value not in ENGINE:
        return False
    return support.kind is Kind.REFUSED and cfg.changed(name)


def refusal(cfg: Config, name: str) -> str:
    """Return the sentence that refuses `name`: the value, where it was given, why, and what to do."""
    support = SUPPORT.get(name)
    sentence = support.sentence if support else "this version of hotswap does not know the setting: leave it out"
    return f"{said(cfg, name)} is refused: {sentence}"


def _privileges(cfg: Config) -> list[tuple[str, str]]:
    """The settings that change who this process is, where that cannot be done, and why."""
    sentence = ""
    if not cfg.workers:
        # Its successor would be started without root: no new privileged port, no key that only root reads, and a pid
        # file in /run that it cannot replace. So it would fail at the first restart, not here.
        sentence = "a process that gives up root cannot start a successor that has it: use workers=1 or more"
    elif os.geteuid() != 0:
        sentence = "only root can become somebody else: start it as root, or leave the setting out"
    return [(name, sentence) for name in ("user", "group") if sentence and cfg.changed(name)]


def said(cfg: Config, name: str) -> str:
    """The value of a setting and where it was given, as in "threads = 3 (command line)"."""
    return f"{name} = {shown(cfg.settings[name].value)} ({cfg.sources[name]})"


def shown(value: object) -> str:
    """Return a value as users write it: a function by its name."""
    return f"{value.__qualname__}()" if hasattr(value, "__qualname__") else repr(value)
