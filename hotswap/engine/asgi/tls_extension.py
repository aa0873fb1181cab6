"""What an application is told of its client's TLS (ASGI's "TLS" extension, 0.2)."""

from __future__ import annotations

import ssl
from typing import Any

#: Protocol versions as they are on the wire (RFC 8446, section 4.2.1).
_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
#: Names of a certificate's subject as RFC 4514 abbreviates them.
_SHORT = {
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "countryName": "C", "streetAddress": "STREET", "domainComponent": "DC",
    "userId": "UID",
}  # fmt: skip
_ESCAPED = '"+,;<>\\'


def tls_extension(sock: ssl.SSLSocket) -> dict[str, Any]:
    """For a socket whose handshake is done. The server's own certificate is not told: ssl does not give it."""
    raw = sock.getpeercert(binary_form=True)
    cipher = sock.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(raw)] if raw else [],
        "client_cert_name": _name(sock.getpeercert()) if raw else None,
        "client_cert_error": None,  # such a client's handshake fails
        "tls_version": _VERSIONS.get(sock.version() or ""),
        "cipher_suite": _suite(sock, cipher[0]) if cipher else None,
    }


def _suite(sock: ssl.SSLSocket, name: str) -> int | None:
    """The number of a cipher suite (IANA), of which OpenSSL's identifiers have the last two bytes."""
    return next((one["id"] & 0xFFFF for one in sock.context.get_ciphers() if one["name"] == name), None)


def _name(certificate: Any) -> str | None:
    """The subject as RFC 4514 writes it: the last part first. None where it was not verified."""
    if not certificate:
        return None
    parts = reversed(certificate.get("subject", ()))
    return ",".join("+".join(f"{_SHORT.get(kind, kind)}={_escape(value)}" for kind, value in part) for part in parts)


def _escape(value: str) -> str:
    """RFC 4514, section 2.4."""
    text = "".join("\\" + character if character in _ESCAPED else character for character in value)
    if text.startswith((" ", "#")):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and len(text) > 1 else text
