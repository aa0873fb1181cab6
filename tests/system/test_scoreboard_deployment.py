"""What a server has been deployed with, as the scoreboard keeps it: nothing there is ever an error, nor too long."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotswap.scoreboard import Deployment, Scoreboard, deployment, layout

SHOP = Deployment(3, 1795671225.5, "0.1.0", "/srv/current", "/srv/releases/7", ("http://127.0.0.1:4242", "unix:/run/a"))


class Page:
    """A board's first page."""

    def __init__(self) -> None:
        self.buffer = bytearray(layout.SLOTS_AT)

    def peek(self, at: int, size: int) -> bytes:
        """See `layout.Memory`."""
        return bytes(self.buffer[at : at + size])

    def holds(self, what: Deployment) -> Deployment | None:
        """What is read when that was written."""
        deployment.write(self.buffer, what)
        return deployment.read(self)


def test_it_is_read_as_it_was_written() -> None:
    """All of it; and nothing before it was written, as on a board of an older release."""
    page = Page()
    assert deployment.read(page) is None
    assert page.holds(SHOP) == SHOP
    assert page.holds(SHOP._replace(generation=4, release="", addresses=())) == SHOP._replace(
        generation=4, release="", addresses=()
    )


def test_the_end_of_a_long_path_is_kept() -> None:
    """Releases differ there; the cut shows, and is at a whole character."""
    long = SHOP._replace(directory="/ü" * 200 + "/current", release="/x" * 300 + "/20261126")
    found = Page().holds(long)
    assert found is not None
    assert (found.directory[:2], found.directory[-9:]) == ("…ü", "ü/current")
    assert (found.release[:2], found.release[-11:]) == ("…/", "/x/20261126")
    assert found.addresses == SHOP.addresses


def test_addresses_are_left_out_whole() -> None:
    """As many are kept as there is room for, from the first on."""
    many = tuple(f"http://127.0.0.1:{port}" for port in range(10_000, 10_100))
    found = Page().holds(SHOP._replace(addresses=many))
    assert found is not None
    assert 20 < len(found.addresses) < 100
    assert found.addresses == many[: len(found.addresses)]


@given(st.tuples(*[st.text()] * 3), st.lists(st.text(), max_size=4))
def test_it_stays_in_its_place(texts: tuple[str, str, str], addresses: list[str]) -> None:
    """Whatever is written, no other byte of the page changes, and something is read."""
    page = Page()
    assert page.holds(Deployment(1, 0.0, *texts, tuple(addresses))) is not None
    assert not any(page.buffer[: layout.DEPLOYMENT_AT])
    assert not any(page.buffer[3608:])


@given(st.binary(max_size=1280))
def test_garbage_is_no_error(record: bytes) -> None:
    """Another user may have written the file."""
    page = Page()
    deployment._RECORD.write(page.buffer, layout.DEPLOYMENT_AT, record)
    deployment.read(page)


@pytest.mark.parametrize("more", [b"", b"something that a later release adds"])
def test_a_later_release_may_write_more(more: bytes) -> None:
    """What stands behind the last NUL is left alone."""
    page = Page()
    deployment._RECORD.write(page.buffer, layout.DEPLOYMENT_AT, deployment._packed(SHOP) + more)
    assert deployment.read(page) == SHOP


def test_on_a_board(tmp_path: Path) -> None:
    """The next generation replaces it."""
    board = Scoreboard.create(str(tmp_path), "shop")
    try:
        assert board.deployment is None
        board.deployed(SHOP)
        board.deployed(SHOP._replace(generation=4))
        assert board.deployment == SHOP._replace(generation=4)
    finally:
        board.unlink()
        board.close()
