"""Modules beside a program, which its folder has: for BELOW in plain.py."""

from __future__ import annotations

import importlib
import sys


def has_version_of_module() -> None:
    """The program's VERSION is that of module.py."""
    sys.modules["__main__"].VERSION = importlib.import_module("module").VERSION  # type: ignore[attr-defined]


def divides_by_value() -> None:
    """By the VALUE of colorsys.py, if it has one: the standard library's has none."""
    _ = 1 / vars(importlib.import_module("colorsys")).get("VALUE", 1)
