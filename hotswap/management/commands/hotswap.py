"""`manage.py hotswap`: serves the project, with the options of `hotswap run`. INSTALLED_APPS has "hotswap" then."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hotswap.cli.serve_command import ServeCommand
from hotswap.frameworks.commands import serve

PROG = "manage.py hotswap"
#: without a WSGI_APPLICATION in the settings, as for `runserver` (django.core.servers.basehttp)
DEFAULT = "django.core.wsgi:get_wsgi_application()"


class ManageCommand(BaseCommand):  # type: ignore[misc]  # Django has no type information
    help = "Serves this project, and replaces it with its next version on SIGHUP. The options are those of hotswap run."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Django's own parser would refuse the options of `hotswap run`, and explain its own with --help."""
        sys.exit(serve(ServeCommand(PROG, application()), without_settings(argv[2:])))

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="MODULE:APP, and options of hotswap run")

    def handle(self, *args: object, **options: Any) -> None:
        """Called by `django.core.management.call_command`."""
        sys.exit(serve(ServeCommand(PROG, application()), options["arguments"]))


#: Django looks for this name.
Command = ManageCommand


def application() -> str:
    """Return what the project serves, as `hotswap run` has it named."""
    dotted: str | None = settings.WSGI_APPLICATION
    if not dotted:
        return DEFAULT
    module, _, name = dotted.rpartition(".")
    return f"{module}:{name}"


def without_settings(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without the one that Django itself has acted on (ManagementUtility.execute)."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    return parser.parse_known_args(arguments)[1]
