"""TLS of gunicorn's worker classes: the server process reads the files, once; workers have what it made of them."""

from __future__ import annotations

import os
import signal

import pytest

from tests import asking
from tests.certificates import NEEDS_OPENSSL, Certificate, make
from tests.harness import Program
from tests.restart.clusters import settle, wait_workers
from tests.restart.test_user import GID, UID
from tests.restart.worker_classes import CLASSES, start

pytestmark = NEEDS_OPENSSL


def generation(program: Program, certificate: Certificate, name: str = "localhost") -> str:
    """Which generation answers a client that trusts this certificate and nothing else."""
    context = certificate.client()
    context.check_hostname = False
    with context.wrap_socket(asking.connect(program.address), server_hostname=name) as client:
        client.sendall(asking.request("/version", "Connection: close"))
        return asking.read_answer(client).headers["x-generation"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can serve as another user")
@pytest.mark.parametrize("worker_class", ["hotswap", *CLASSES])
def test_a_key_that_only_root_reads(program: Program, worker_class: str) -> None:
    """No worker needs to read it: not those of a start or a restart, nor one that replaces another, nor one that is
    there for the check."""
    certificate = make(program.folder / "only_root")
    certificate.key.parent.chmod(0o700)
    certificate.key.chmod(0o600)
    files = {"certfile": str(certificate.cert), "keyfile": str(certificate.key)}
    start(program, worker_class, workers=1, user=UID, group=GID, check="/version", **files)
    assert generation(program, certificate) == "1"
    away = certificate.key.rename(certificate.key.with_suffix(".away"))
    first = wait_workers(program, 1)
    program.send(signal.SIGTERM, first[0])
    wait_workers(program, 1, without=tuple(first))
    program.wait_gone(*first)
    assert generation(program, certificate) == "1"
    away.rename(certificate.key)
    program.restart()
    settle(program)
    assert generation(program, certificate) == "2"
    program.stop()


@pytest.mark.parametrize("worker_class", CLASSES)
def test_the_hook(program: Program, worker_class: str) -> None:
    """gunicorn's ssl_context, here with another certificate for another name."""
    certificate, other = make(program.folder / "tls"), make(program.folder / "tls", "other")
    files = {"certfile": str(certificate.cert), "keyfile": str(certificate.key)}
    environ = {"OTHER_CERT": str(other.cert), "OTHER_KEY": str(other.key)}
    hook = "tests.apps.hooks.certificate_by_name"
    start(program, worker_class, workers=1, environ=environ, ssl_context=hook, **files)
    assert generation(program, certificate) == "1"
    assert generation(program, other, "other") == "1"
    assert program.stop() == 0
