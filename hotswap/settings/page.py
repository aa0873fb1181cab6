"""Makes docs/settings.md from the table by which settings are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hotswap.settings.config import CHANGED_DEFAULTS, Config
from hotswap.settings.own import OWN_SETTINGS
from hotswap.settings.support import SUPPORT, Kind

HEAD = """# Settings

Made from the code by `python -m hotswap.settings.page docs/settings.md`; a test keeps it true.

Every setting is a keyword of `hotswap.serve()`, an option of `hotswap run` and a name in `gunicorn.conf.py`.
`serve()` reads no environment variable and no file unless `config=` names one; `hotswap run` reads
`gunicorn.conf.py`, `GUNICORN_CMD_ARGS`, `WEB_CONCURRENCY` and `PORT` as gunicorn does.
"""


def markdown() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_own(), "", *_defaults(), "", *_gunicorns(), ""])


def _own() -> list[str]:
    settings: list[Any] = [made() for made in OWN_SETTINGS]
    rows = [f"| `{each.name}` | {_shown(each.get())} | {_cell(_what_it_does(each))} |" for each in settings]
    return ["## hotswap's own", "", "| setting | default | what it does |", "|---|---|---|", *rows]


def _what_it_does(setting: Any) -> str:
    """Return a setting's description with the table's sentence, or for a refused setting the refusal alone."""
    support = SUPPORT[setting.name]
    if support.kind is Kind.REFUSED:
        return f"*refused*: {support.sentence}"
    return f"{setting.desc} {support.sentence[:1].upper()}{support.sentence[1:]}." if support.sentence else setting.desc


def _defaults() -> list[str]:
    rows = [f"| `{name}` | {_shown(value)} |" for name, value in CHANGED_DEFAULTS.items()]
    return ["## gunicorn's, with another default", "", "| setting | default here |", "|---|---|", *rows]


def _gunicorns() -> list[str]:
    known = Config(prog="hotswap").settings
    own = {setting().name for setting in OWN_SETTINGS}
    names = sorted(name for name in known if name not in own)
    rows = [f"| `{name}` | {SUPPORT[name].kind.value} | {_cell(SUPPORT[name].sentence)} |" for name in names]
    return [
        "## gunicorn's",
        "",
        "*honoured*: it does what gunicorn's documentation says. *different*: accepted, and the sentence says how.",
        "*refused*: another value than the default ends the start with the sentence.",
        "",
        "| setting | here | |",
        "|---|---|---|",
        *rows,
    ]


def _shown(value: Any) -> str:
    return f"`{value!r}`" if value is not None and value != "" else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown())
