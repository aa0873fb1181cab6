"""`python -m tests.fuzz.one TARGET [options of libFuzzer]`: one target, until libFuzzer ends the process."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hotswap.engine", "gunicorn.http"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name]())
    atheris.Fuzz()
