"""What this version refuses: only what the user asked for, never a default, and everything at once."""

from __future__ import annotations

from hotswap.errors import SettingError
from hotswap.settings.config import Config
from hotswap.settings.support import SUPPORT, Kind
from hotswap.settings.upstream import REJECTED


def check(cfg: Config) -> None:
    """Raise SettingError if `cfg` asks for what hotswap does not do: a line a setting, with the remedy."""
    refused = [refusal(cfg, name) for name in cfg.settings if is_refused(cfg, name)]
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
    return support.kind is Kind.REFUSED and cfg.changed(name) and cfg.settings[name].value not in support.accepted


def refusal(cfg: Config, name: str) -> str:
    """Return the sentence that refuses `name`: the value, where it was given, why, and what to do."""
    support = SUPPORT.get(name)
    sentence = support.sentence if support else "this version of hotswap does not know the setting: leave it out"
    return f"{name} = {shown(cfg.settings[name].value)} ({cfg.sources[name]}) is refused: {sentence}"


def shown(value: object) -> str:
    """Return a value as users write it: a function by its name."""
    return f"{value.__qualname__}()" if hasattr(value, "__qualname__") else repr(value)
