"""Certificates for tests, made by openssl(1): each its own authority, for localhost and 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDS_OPENSSL = pytest.mark.needs("openssl", "openssl")


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path

    def client(self, who: Certificate | None = None) -> ssl.SSLContext:
        """A client's context that trusts only this certificate, and shows that of `who`."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if who is not None:
            context.load_cert_chain(who.cert, who.key)
        return context


def make(folder: Path, name: str = "localhost") -> Certificate:
    """A new pair of files in `folder`, `name` in the certificate's subject."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
         "-keyout", str(made.key), "-out", str(made.cert)],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return made
