"""Processes near their limit on open descriptors."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def leave_free(count: int) -> Iterator[None]:
    """Inside, this process can open `count` descriptors more, and then gets EMFILE."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The kernel gives the lowest free number, so the limit is the first number that must not be given.
    probes = [os.open(os.devnull, os.O_RDONLY) for _ in range(count + 1)]
    for fd in probes:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probes[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
