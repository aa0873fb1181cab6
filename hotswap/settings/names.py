"""The names that `hotswap.serve()` takes as keywords, and the refusal of all others."""

from __future__ import annotations

from collections.abc import Iterable

from hotswap.errors import SettingError
from hotswap.settings import run_arguments


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise SettingError for a name that is neither a setting nor an argument of `app.run()`."""
    possible = {*known, *run_arguments.NAMES}
    for name in names:
        if name not in possible:
            raise SettingError(f"there is no setting {name!r}: {nearest(name, possible)}")


def nearest(name: str, possible: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest of `possible`, or where they are listed."""
    import difflib  # only here: a start without a mistake should not pay for it

    close = difflib.get_close_matches(name.lower().replace("-", "_"), possible, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "hotswap run --help lists the settings"
