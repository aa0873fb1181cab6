"""Engines for tests: each is stopped when its test ends, and a logged exception nobody expected fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.certificates import Certificate
from tests.certificates import make as make_certificate
from tests.engine.rig import App, Rig


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Makes running engines: `rig(app, settings={...}, limit=value)`."""
    made: list[Rig] = []

    def make(app: App, **options: Any) -> Rig:
        made.append(Rig(app, **options))
        return made[-1].start()

    yield make
    for one in made:
        one.end()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The server's."""
    return make_certificate(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Somebody else's."""
    return make_certificate(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def secure(rig: Callable[..., Rig], certificate: Certificate) -> Callable[..., Rig]:
    """As `rig`, with TLS."""

    def start(app: App, *, settings: dict[str, Any] | None = None, **limits: Any) -> Rig:
        files = {"certfile": str(certificate.cert), "keyfile": str(certificate.key)}
        return rig(app, settings={**files, **(settings or {})}, **limits)

    return start
