"""gunicorn's TLS settings, and what is said of files that cannot be used."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config

from hotswap.engine.transport.tls_context import context_of
from hotswap.errors import BootError
from tests.certificates import NEEDS_OPENSSL, Certificate
from tests.engine.apps import Seen, hello
from tests.engine.engine_server import Serve
from tests.engine.tls_clients import connect, tls_of

pytestmark = NEEDS_OPENSSL


def test_client_certificates(serve_tls: Serve, certificate: Certificate, stranger: Certificate) -> None:
    """cert_reqs and ca_certs: a client without one is turned away in the handshake, with an alert."""
    seen = Seen()
    server = serve_tls(seen, settings={"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": str(certificate.cert)})
    known = connect(server, certificate, certificate.client(certificate))
    assert known.get().status == 200
    peer = seen.environs[0]["gunicorn.socket"].getpeercert()
    assert peer["subject"] == ((("commonName", "localhost"),),)
    for who in (None, stranger):
        # TLS 1.3 tells the client with the first thing it reads.
        with pytest.raises(ssl.SSLError, match="alert"):
            connect(server, certificate, certificate.client(who)).get()
    assert len(seen.environs) == 1
    assert not server.log.said("warning")


def test_the_hook_makes_the_context(serve: Serve, certificate: Certificate) -> None:
    """gunicorn's `ssl_context`: what the factory made, changed."""

    def hook(config: Any, factory: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = factory()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    files = {"certfile": str(certificate.cert), "keyfile": str(certificate.key), "ciphers": "ECDHE-ECDSA-AES256-SHA384"}
    server = serve(hello, settings={**files, "ssl_context": hook, "do_handshake_on_connect": True})
    client = connect(server, certificate)
    assert client.get().status == 200
    assert tls_of(client).version() == "TLSv1.2"
    assert (tls_of(client).cipher() or [""])[0] == "ECDHE-ECDSA-AES256-SHA384"


def config(**settings: Any) -> Config:
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    return cfg


def test_the_context_is_made_once(certificate: Certificate) -> None:
    """For all that asks for it with one configuration; without TLS there is none."""
    cfg = config(certfile=str(certificate.cert), keyfile=str(certificate.key))
    assert context_of(cfg) is context_of(cfg)
    assert context_of(config()) is None


def test_what_cannot_be_used_is_a_sentence(certificate: Certificate, stranger: Certificate, tmp_path: Path) -> None:
    """Which file or setting, and why."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate\n")
    cert, key = str(certificate.cert), str(certificate.key)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"certfile": "/no/such.pem", "keyfile": key}, "cannot read certfile /no/such.pem (no such file or directory)"),
        ({"certfile": cert, "keyfile": "/no/such.key"}, "cannot read keyfile /no/such.key (no such file"),
        ({"certfile": cert, "keyfile": key, "ca_certs": str(tmp_path)}, f"cannot read ca_certs {tmp_path} (is a dir"),
        ({"keyfile": key}, f"cannot use keyfile {key} (there is no certfile)"),
        ({"certfile": cert, "keyfile": str(stranger.key)}, f"certfile {cert} with keyfile {stranger.key} (KEY_"),
        ({"certfile": str(nonsense), "keyfile": key}, f"cannot use certfile {nonsense} with keyfile {key} ("),
        ({"certfile": cert}, f"cannot use certfile {cert} ("),
        ({"certfile": cert, "keyfile": key, "ciphers": "NONE-SUCH"}, "No cipher can be selected"),
        ({"certfile": cert, "keyfile": key, "cert_reqs": 7}, "verify_mode"),
        ({"certfile": cert, "keyfile": key, "ssl_context": lambda cfg, factory: None}, "hook returned None"),
    ]  # fmt: skip
    for settings, sentence in cases:
        with pytest.raises(BootError) as caught:
            context_of(config(**settings))
        assert sentence in str(caught.value)
