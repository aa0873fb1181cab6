"""The version stands in one place, and what is installed and what changed name the same."""

from __future__ import annotations

import re
from importlib.metadata import version

import hotswap
from tests.harness import ROOT


def test_what_is_installed_has_the_version_of_the_package() -> None:
    """Pip, which asks the metadata, and the program, which asks `hotswap.__version__`, are told the same."""
    assert version("hotswap") == hotswap.__version__, "another version is installed: run make test"


def test_the_version_is_written_once() -> None:
    """setuptools reads it from hotswap/version.py; no other file of the project states it."""
    project = (ROOT / "pyproject.toml").read_text()
    assert '[tool.setuptools.dynamic]\nversion = { attr = "hotswap.version.VERSION" }\n' in project
    assert re.findall(r"(?m)^version *= *(.*)", project) == ['{ attr = "hotswap.version.VERSION" }']
