"""The extension in C, optional: where it cannot be built, hotswap is Python alone, in a wheel for any machine."""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

NATIVE = Path("hotswap/engine/native")
ACCESS_LOG = ("access_log", "access_line", "decimal", "errors")
LANE = sorted({path.stem for path in NATIVE.glob("*.c")} - {"heads", "access_log", "access_line"})
REMEDY = "for the extension in C, install gcc and Python's headers (Debian: gcc python3-dev), and hotswap again"


def extension(name: str, *sources: str) -> Extension:
    """A module in C. pip and setuptools build it anew when a source or any header has changed."""
    return Extension(
        f"hotswap.engine.native.{name}",
        [str(NATIVE / f"{source}.c") for source in sources],
        depends=[str(path) for path in NATIVE.glob("*.h")],
        # CFLAGS in the environment replace those of Python, and may say nothing of -O: a fifth more CPU per request.
        extra_compile_args=["-std=c11", "-O2"],
    )


def unwanted() -> str:
    """Why this interpreter should get no extension, as the end of a sentence; "" if it should."""
    if os.environ.get("HOTSWAP_PURE"):
        return "HOTSWAP_PURE is set"
    if sys.implementation.name != "cpython":
        return f"this is {sys.implementation.name}, and the extension is for CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python runs without the GIL, on which the extension relies"
    return ""


class BuildIfPossible(build_ext):  # type: ignore[misc]  # setuptools has no type information
    """Builds all of the extensions or, where one cannot be built, none."""

    extensions: list[Extension]

    def run(self) -> None:
        why, remedy = unwanted(), ""
        if not why:
            try:
                super().run()
            except (BaseError, CCompilerError):
                why, remedy = f"the C compiler, {self.compiler.compiler_so[0]}, is missing or fails", f": {REMEDY}"
        if why:
            self._do_without()
            logging.warning("hotswap is built as Python alone, because %s%s", why, remedy)

    def _do_without(self) -> None:
        """Have everything that is done from here on do as if there were no extension."""
        sources: Any = self.get_finalized_command("build_py")
        for each in self.extensions:
            # Those of an earlier build: in the tree of an editable installation, and where wheels are put together.
            for left in self._get_inplace_equivalent(sources, each):
                Path(left).unlink(missing_ok=True)
        self.extensions = []
        self.distribution.ext_modules = []
        # It has asked before whether there are extensions. Editable installations are wheels, too.
        wheel: Any = self.distribution.get_command_obj("bdist_wheel")
        wheel.root_is_pure = True


setup(
    ext_modules=[
        extension("access_log", *ACCESS_LOG),
        extension("heads", "heads", "plain_head"),
        extension("lane", *LANE),
    ],
    cmdclass={"build_ext": BuildIfPossible},
)
