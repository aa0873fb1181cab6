"""An application that reads files of its release late: in a request. A copy of it, with those files, is a release."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import flask

import hotswap
from tests.apps.gates import gate

app = flask.Flask(__name__)


@app.get("/release")
@app.get("/release/<at>")
def release(at: str = "") -> dict[str, Any]:
    """What each of the files says of its release; with a name, when the gate of that name is opened."""
    if at:
        gate(at)
    return {
        "generation": hotswap.generation,
        "directory": os.path.basename(os.getcwd()),
        "template": flask.render_template("page.html").strip(),
        "module": importlib.import_module("late_module").RELEASE,
        "dependency": importlib.import_module("late_package.late").RELEASE,
        "beside": Path(__file__).with_name("beside.txt").read_text(),
        "interpreter": sys.executable,
    }


if __name__ == "__main__":
    hotswap.serve(app, "127.0.0.1:0")
