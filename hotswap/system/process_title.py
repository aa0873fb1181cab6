"""Process titles, by setproctitle: what `ps` and `top` show."""

from __future__ import annotations


def show(name: str, generation: int, state: str, where: str) -> None:
    """Set the title to `hotswap: app gen 2 [serving] 0.0.0.0:4242`."""
    # Imported here: `hotswap.restart.bootstrap` reads /proc/self/environ first, before setproctitle overwrites it.
    import setproctitle

    setproctitle.setproctitle(f"hotswap: {name} gen {generation} [{state}] {where}")
