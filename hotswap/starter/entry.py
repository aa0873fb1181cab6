"""The starter's program: `python -I -S .../starter/entry.py KIND FD ...`, executed by `starter/becoming.py`.

It is run by its path, and without the package's own `__init__`, which is for programs that serve: that would cost 6 MiB
for nothing. The words behind FD are the server's command line, for people who look with ps(1) or pkill(1).
"""

from __future__ import annotations

import os
import sys
import types


def _find_package() -> None:
    """Let `hotswap.*` be imported without `hotswap/__init__.py`."""
    package = types.ModuleType("hotswap")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["hotswap"] = package


def main() -> int:
    """Run the starter of the state that descriptor FD has, and return the server's exit status."""
    kind, fd = sys.argv[1].partition(":")[0], int(sys.argv[2])
    if kind == "command":
        from hotswap.starter.command_starter import CommandStarter
        from hotswap.starter.start_options import StartOptions

        return CommandStarter(StartOptions.from_fd(fd)).run()
    from hotswap.starter.starter import Starter
    from hotswap.starter.starter_state import StarterState

    return Starter(StarterState.from_fd(fd)).run()


if __name__ == "__main__":
    _find_package()
    sys.exit(main())
