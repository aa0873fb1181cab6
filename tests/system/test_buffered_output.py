"""What is printed and not written yet is written before a fork if that waits for no reader, and never by the child."""

from __future__ import annotations

import io
import os
import sys

import pytest

from hotswap.system import buffered_output


class Output:
    """Standard output: a pipe, with all of Python's buffers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK)
        self._reader = os.fdopen(reading, "rb", buffering=0)
        self.stream = os.fdopen(writing, "w")
        # Not in a fixture: pytest sets standard output anew for the test itself.
        monkeypatch.setattr(sys, "stdout", self.stream)

    def read(self) -> bytes:
        return self._reader.read(100) or b""

    def close(self) -> None:
        self.stream.close()
        self._reader.close()


def test_it_is_written_where_all_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader keeps up: there is room for what Python holds back."""
    output = Output(monkeypatch)
    output.stream.write("printed")
    buffered_output.flush_where_read()
    assert output.read() == b"printed"
    output.close()


def test_not_where_something_waits_for_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have stopped, and more than a page would wait for it."""
    output = Output(monkeypatch)
    os.write(output.stream.fileno(), b"unread ")
    output.stream.write("printed")
    buffered_output.flush_where_read()
    assert output.read() == b"unread "
    output.close()


def test_a_child_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it prints itself is written."""
    output = Output(monkeypatch)
    output.stream.write("printed by the parent")
    buffered_output.forget()
    output.stream.write("printed by the child")
    output.stream.flush()
    assert output.read() == b"printed by the child"
    output.close()


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_where_standard_output_is_no_file(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    """As after a program has closed it, or replaced it."""
    monkeypatch.setattr(sys, "stdout", stream)
    buffered_output.flush_where_read()
    buffered_output.forget()
