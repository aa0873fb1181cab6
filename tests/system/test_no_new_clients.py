"""A TCP listener that is about to be closed for good: who is in is served, who is not is refused, and none is reset."""

from __future__ import annotations

import errno
import os

import pytest

from hotswap.serving.listener_set import ListenerSet
from hotswap.system.listeners import adopt
from hotswap.system.no_new_clients import admit_no_more
from tests.late_client import begin_to_connect, error_of
from tests.system.listening import Bind, connect, ipv6


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:0"])
def test_none_is_reset(text: str, listen: Bind) -> None:
    """One came before the last look at the accept queue, and one between that and the close."""
    if text.startswith("["):
        ipv6()
    listener = listen(text)
    with connect(listener) as early:
        admit_no_more(listener.sock)
        late = begin_to_connect(listener.bound)
        accepted, _ = listener.sock.accept()
        with accepted:
            with pytest.raises(BlockingIOError):
                listener.sock.accept()
            listener.close()
            early.sendall(b"asked")
            assert accepted.recv(5) == b"asked"
    assert error_of(late) == errno.ECONNREFUSED


def test_a_unix_socket_stays_as_it_is(listen: Bind) -> None:
    """Its clients are let in until it is closed."""
    listener = listen("unix:@no-more-clients")
    admit_no_more(listener.sock)
    with connect(listener), listener.sock.accept()[0] as accepted:
        assert accepted.fileno() >= 0


def test_one_that_is_closed_is_no_error(listen: Bind) -> None:
    """The application may have done that."""
    listener = listen("127.0.0.1:0")
    listener.close()
    admit_no_more(listener.sock)


def test_another_program_s_listener_stays_as_it_is(listen: Bind) -> None:
    """systemd has it too, and starts the server anew for a client that comes."""
    theirs = listen("127.0.0.1:0")
    assert theirs.ours
    ours = adopt(os.dup(theirs.fileno()), theirs.key, theirs.address)
    listeners = ListenerSet([ours], tls=False)
    listeners.admit_no_more()
    listeners.close()
    with connect(theirs), theirs.sock.accept()[0] as accepted:
        assert accepted.fileno() >= 0
