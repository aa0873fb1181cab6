"""Imports the application that `hotswap run module:app` names, as gunicorn does (util.import_app)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.errors import AppImportError

from hotswap.apps.interface import is_factory
from hotswap.errors import BootError
from hotswap.settings.upstream import gunicorn_util

#: Modules whose frames are between the command line and the application.
MACHINERY = {
    __name__,
    "flask.cli",
    "gunicorn.util",
    "hotswap.frameworks.flask_command",
    "importlib",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
}

USUAL_NAMES = ("application", "app", "create_app", "make_app")


def load(name: str) -> Callable[..., Any]:
    """Return what `module:object` or `module:factory(arguments)` names; `module` alone means its `application`.

    Runs the user's code. Raises BootError if the name leads nowhere, or if that code raises an exception: then with its
    traceback. A predecessor and `hotswap restart` show the message, so our own frames and gunicorn's are left out of
    it.
    """
    module = name.partition(":")[0]
    try:
        application: Callable[..., Any] = gunicorn_util.import_app(name)
    except AppImportError as error:
        raise BootError(f"cannot load the application {name} ({error}){_instead(module)}") from error
    except Exception as error:  # the user's code: whatever it raises is the answer
        raise BootError(f"cannot load the application {name}{_reason(module, error)}") from error
    if is_factory(application) and not name.endswith(")"):
        written = name if ":" in name else f"{name}:application"
        raise BootError(f"{written} takes no request, so it is a factory of applications: write {written}()")
    return application


def _reason(module: str, error: Exception) -> str:
    """Return what follows the application's name in the message: a sentence, or the traceback, on a new line."""
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
        where = os.getcwd()
        if not os.access(where, os.R_OK | os.X_OK):
            # The import system takes such a directory for an empty one.
            return f" (user {os.geteuid()} may not read {where}): let that user read it, or give another --user"
        return (
            f" (no module {error.name} in {where} or on sys.path): "
            "start in the directory of the project, or give --chdir or --pythonpath"
        )
    if isinstance(error, ImportError) and "did you mean" in str(error):
        return f" ({error})"  # gunicorn's own words, where the user named a file instead of a module
    return f":\n{describe(error)}"


def describe(error: Exception) -> str:
    """Return the traceback of an error, from the first line of the application on."""
    import traceback  # only here: a start without a mistake should not pay for it

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in MACHINERY:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _instead(module: str) -> str:
    """Return a remedy if the module has an application under one of the usual names."""
    there = sys.modules.get(module)
    found = [name for name in USUAL_NAMES if callable(getattr(there, name, None))]
    if not found:
        return ""
    call = "()" if found[0].endswith("_app") else ""
    return f": did you mean {module}:{found[0]}{call}?"
