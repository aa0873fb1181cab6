"""What is withheld from forked children, also by a thread that is about to change it, and with no descriptor free."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import ProcessTree
from tests.system.other_process import OtherProcess

IMPORTS = """
import os, threading
from hotswap.system.fork_guard import no_fork, own_fork, withhold
from tests.few_descriptors import leave_free

withheld = []
withhold(lambda: withheld)

def opened():
    withheld.append(os.open("/proc/self/stat", os.O_RDONLY))

def is_kept():
    return any(os.readlink(f"/proc/self/fd/{fd}") != os.devnull for fd in withheld)

def kept_by_a_child():
    pid = os.fork()
    if pid == 0:
        os._exit(is_kept())
    return os.waitpid(pid, 0)[1] != 0
"""
NOBODY_FORKS_MEANWHILE = """
answers = []
thread = threading.Thread(target=lambda: answers.append(kept_by_a_child()))
with no_fork():
    thread.start()
    thread.join(0.2)
    waits = thread.is_alive()
    opened()
thread.join()
"""
NO_DESCRIPTOR_IS_FREE = """
opened(), opened()
with leave_free(0): kept = kept_by_a_child()
"""


@pytest.fixture
def process(process_tree: ProcessTree) -> Iterator[OtherProcess]:
    with OtherProcess() as process:
        process.do(IMPORTS)
        yield process


def test_a_child_has_none_of_it(process: OtherProcess) -> None:
    """It has /dev/null in its place, the parent what it had."""
    process.do("opened()")
    assert not process.ask("kept_by_a_child()")
    assert process.ask("is_kept()")


def test_a_child_of_our_own_has_all_of_it(process: OtherProcess) -> None:
    """And its children again have none."""
    process.do("opened()")
    process.do("with own_fork(): kept = kept_by_a_child()")
    assert process.ask("kept")
    process.do("with own_fork(): pid = os.fork()\nif pid == 0: os._exit(kept_by_a_child())")
    assert process.ask("os.waitpid(pid, 0)[1]") == 0


def test_another_thread_forks_before_or_after_a_change(process: OtherProcess) -> None:
    """What is opened and noted inside no_fork() is kept by no child that the thread wanted to fork meanwhile."""
    process.do(NOBODY_FORKS_MEANWHILE)
    assert process.ask("waits")
    assert process.ask("answers") == [False]


def test_the_thread_itself_may_fork(process: OtherProcess) -> None:
    """Nothing waits for itself."""
    process.do("opened()\nwith no_fork(): kept = kept_by_a_child()")
    assert not process.ask("kept")


def test_no_descriptor_is_free(process: OtherProcess) -> None:
    """Then a child keeps nothing either."""
    process.do(NO_DESCRIPTOR_IS_FREE)
    assert not process.ask("kept")
