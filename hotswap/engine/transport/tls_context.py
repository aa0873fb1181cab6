"""The TLS context that the settings ask for, made once for each of them."""

from __future__ import annotations

import ssl
from typing import Any
from weakref import WeakKeyDictionary

from hotswap.errors import BootError

_contexts: WeakKeyDictionary[Any, ssl.SSLContext] = WeakKeyDictionary()


def context_of(cfg: Any) -> ssl.SSLContext | None:
    """The context that `cfg` asks for, None for plain HTTP, also if it asked for TLS before.

    Made once: forked workers share their parent's, which may read files that they may not. Raises BootError if a file
    cannot be used.
    """
    if not cfg.is_ssl:
        return None
    found = _contexts.get(cfg)
    if found is None:
        found = _contexts[cfg] = _make(cfg)
    return found


def _make(cfg: Any) -> ssl.SSLContext:
    given = getattr(cfg, "run_arguments", {}).get("ssl_context")
    if isinstance(given, ssl.SSLContext):
        return given
    if given == "adhoc":
        return _adhoc()
    for name in ("certfile", "keyfile", "ca_certs"):
        _check_readable(name, getattr(cfg, name))
    if not cfg.certfile:
        raise BootError(f"cannot use keyfile {cfg.keyfile} (there is no certfile): give certfile too")
    return _from_settings(cfg)


def _from_settings(cfg: Any) -> ssl.SSLContext:
    from gunicorn.sock import ssl_context

    key = f" with keyfile {cfg.keyfile}" if cfg.keyfile else ""
    try:
        context = ssl_context(cfg)  # which asks the user's hook
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BootError(
            f"cannot use certfile {cfg.certfile}{key} ({reason}): give a certificate chain and its key as PEM files, "
            "and look at ca_certs, ciphers and cert_reqs"
        ) from error
    if not isinstance(context, ssl.SSLContext):
        raise BootError(f"the ssl_context hook returned {context!r}: it has to return an ssl.SSLContext")
    # A client that asks for new keys in the middle would make writes wait for reads; TLS 1.3 has nothing of the kind.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _check_readable(name: str, path: str | None) -> None:
    """ssl says that a file is missing, but not which."""
    if not path:
        return
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise BootError(f"cannot read {name} {path} ({(error.strerror or str(error)).lower()})") from error


def _adhoc() -> ssl.SSLContext:
    from werkzeug.serving import generate_adhoc_ssl_context

    try:
        return generate_adhoc_ssl_context()
    except TypeError as error:  # werkzeug's for a missing package
        raise BootError(
            'cannot make a certificate for ssl_context="adhoc" (the cryptography package is missing): '
            "pip install cryptography, or give a pair of files"
        ) from error
