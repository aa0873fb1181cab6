"""What is in C, built with AddressSanitizer and UBSan, and fuzzed: the lane in a copy of the tree, its parser alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

TREE = Path(__file__).parents[2]
_FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
_LIBRARIES = ("libasan.so", "libubsan.so")


def fuzz(folder: Path, seconds: int) -> bool:
    """Fuzz for so long; True if nothing was found. `folder` is made anew."""
    libraries = [_library(name) for name in _LIBRARIES]
    if not all(libraries):
        print("the lane in C cannot be fuzzed: gcc has no AddressSanitizer here (Debian: libgcc-12-dev or so)")
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    alone = seconds // 10
    if not _fuzz_parser(folder / "plain_head", alone):
        return False
    for name in ("hotswap", "tests"):
        shutil.copytree(TREE / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TREE / name, folder)
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(build, cwd=folder, env={**os.environ, "CFLAGS": _FLAGS}, check=True)
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.lanes", str(seconds - alone), str(int(time.time()))],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "LD_PRELOAD": " ".join(libraries),
            "PYTHONMALLOC": "malloc",  # Python's own allocator hides what lies behind the end of an object
            "ASAN_OPTIONS": "detect_leaks=0",  # interpreters keep objects to their end
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
    ).returncode == 0  # fmt: skip


def _fuzz_parser(program: Path, seconds: int) -> bool:
    """The parser of heads without Python, whose every bytes object ends with a zero that hides who reads too far."""
    native = TREE / "hotswap/engine/native"
    sources = [str(Path(__file__).with_name("plain_head.c")), str(native / "plain_head.c")]
    build = ["gcc", "-std=c11", "-Wall", "-Wextra", *_FLAGS.split(), f"-I{native}", *sources, "-o", str(program)]
    subprocess.run(build, check=True)
    return subprocess.run([str(program), str(seconds), str(int(time.time()))]).returncode == 0


def _library(name: str) -> str:
    """Where gcc has it, "" if it has none, or is not there."""
    if shutil.which("gcc") is None:
        return ""
    said = subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return said if os.path.isabs(said) else ""
