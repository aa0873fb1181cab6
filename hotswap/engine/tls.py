"""TLS: the context, made once from the settings, and a socket that says "not now" as plain ones do.

An `ssl.SSLSocket` tells apart whether it wants to read or to write; the engine asks its sockets one thing only, so
this one raises BlockingIOError and remembers what it wants. It never leaves decrypted bytes behind: those raise no
event in epoll.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from hotswap.errors import BootError

if TYPE_CHECKING:
    from hotswap.engine.model import Sock

_T = TypeVar("_T")
_contexts: WeakKeyDictionary[Any, ssl.SSLContext] = WeakKeyDictionary()


class TlsSocket:
    """The server's end of a TLS connection: non-blocking, with the methods that the engine calls on any socket.

    `raw` is the SSLSocket behind it, for applications that talk to their client directly; `wants` is, after a
    BlockingIOError, what has to be waited for (POLLIN or POLLOUT).
    """

    __slots__ = ("_over", "raw", "wants")

    def __init__(self, raw: ssl.SSLSocket) -> None:
        self.raw = raw
        self.wants = 0
        self._over = False  # our close_notify is sent

    @classmethod
    def wrap(cls, sock: Sock, context: ssl.SSLContext, *, ragged: bool) -> TlsSocket:
        """Take over `sock`, before its first byte is read. `ragged`: an end without close_notify is an end too."""
        return cls(
            context.wrap_socket(
                cast(socket.socket, sock),
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=ragged,
            )
        )

    def _try(self, call: Callable[..., _T], *arguments: Any) -> _T:
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            self.wants = select.POLLIN
        except ssl.SSLWantWriteError:
            self.wants = select.POLLOUT
        raise BlockingIOError

    def handshake(self) -> None:
        """Go on with the handshake; returns when it is done. Raises BlockingIOError, ssl.SSLError, OSError."""
        self._try(self.raw.do_handshake)

    def recv(self, size: int) -> bytes:
        """What is there, perhaps a record's rest more than `size`; b"" at the end. Behind our close, ciphertext."""
        if self._over:
            return socket.socket.recv(self.raw, size)
        data = self._try(self.raw.recv, size)
        left = self.raw.pending() if data else 0
        return data + self.raw.recv(left) if left else data

    def send(self, data: bytes | memoryview) -> int:
        """Send one record; after a BlockingIOError the same bytes must be sent first (SSL_write(3))."""
        return self._try(self.raw.send, data)

    def sendmsg(self, parts: tuple[bytes, ...]) -> int:
        """Send from the first part."""
        return self.send(parts[0])

    def shutdown(self, how: int) -> None:
        """close_notify, then our FIN. SHUT_RDWR only cuts, so that it may be called while another thread sends."""
        if how == socket.SHUT_WR:
            try:
                self.raw.unwrap()
            except (OSError, ValueError):
                pass  # WANT_READ is the rule: ours is sent, and the peer's is not waited for
            self._over = True
        socket.socket.shutdown(self.raw, how)  # SSLSocket's own would free what that thread works with

    def close(self) -> None:
        self.raw.close()

    def fileno(self) -> int:
        return self.raw.fileno()

    def setblocking(self, flag: bool) -> None:
        self.raw.setblocking(flag)

    def plain(self) -> socket.socket:
        """The socket without TLS, for a peer that does not speak it."""
        return socket.socket(fileno=self.raw.detach())


def context_of(cfg: Any) -> ssl.SSLContext | None:
    """The context that `cfg` asks for, None for plain HTTP. Made once: forked workers share their parent's.

    Raises BootError if a file cannot be used.
    """
    found = _contexts.get(cfg)
    if found is None and cfg.is_ssl:
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
