"""gunicorn.conf.py: a Python file or module whose variables are settings.

`gunicorn.app.base.Application.load_config_from_module_name_or_filename` is the model; it prints and exits where
something is wrong, so it is written anew: this module raises a SettingError with a sentence.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from typing import Any

from hotswap.errors import SettingError
from hotswap.settings.config import Config

DEFAULT_FILE = "gunicorn.conf.py"
MODULE_NAME = "__config__"  # the name that gunicorn gives the file in sys.modules


def load(cfg: Config, location: object) -> None:
    """Give `cfg` the settings at `location`: PATH, file:PATH or python:MODULE; other names in it are passed over.

    Runs the user's code. Raises SettingError, also for whatever that code raises.
    """
    if not isinstance(location, str):
        raise SettingError(f"config cannot be {location!r}: it takes a path, file:PATH or python:MODULE")
    kind, _, rest = location.partition(":")
    path = None if kind == "python" else (rest if kind == "file" else location)
    variables = _run_module(rest) if path is None else _run_file(path)
    for name, value in variables.items():
        if name in cfg.settings:
            cfg.give(name, value, source=path or location)
    cfg.give("config", location, source="config")


def _run_module(name: str) -> dict[str, Any]:
    try:
        return vars(importlib.import_module(name))
    except Exception as error:  # the user's code: whatever it raises is the answer
        raise SettingError(f"the configuration module {name} failed ({describe(error, None)}): correct it") from error


def _run_file(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        raise SettingError(f"the configuration file {path} does not exist: correct -c (config)")
    # The loader is named, because the file may have any suffix, or none.
    loader = importlib.machinery.SourceFileLoader(MODULE_NAME, path)
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    try:
        loader.exec_module(module)
    except Exception as error:  # the user's code: whatever it raises is the answer
        raise SettingError(f"the configuration file {path} failed ({describe(error, path)}): correct it") from error
    return vars(module)


def describe(error: Exception, path: str | None) -> str:
    """Return the error's type and text and, if it passed through `path`, the line there."""
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines.append(error.lineno)  # the file never ran, so no frame has the line
    return f"{text}, line {lines[-1]}" if lines else str(text)
