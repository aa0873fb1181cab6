"""Becomes a daemon whose leader is killed before the daemon says that it is ready; the command looks afterwards only.

Prints how the command ended, and whether the daemon was told that it is wanted.
"""

from __future__ import annotations

import os
import signal

from hotswap.system.detaching import detach
from tests.processes import adopt_orphans


def command(answers: int) -> None:
    """The process that a shell would have started; it ends in here, and so does its daemon."""
    itself = os.getpid()
    daemon = detach(keep_streams=False)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(itself, signal.SIGSTOP)
    leader = os.pidfd_open(os.getppid())
    signal.pidfd_send_signal(leader, signal.SIGKILL)
    signal.sigwait([signal.SIGTERM])  # the kernel says that the leader has ended
    is_wanted = daemon.ready()
    os.kill(itself, signal.SIGCONT)
    os.write(answers, b"%d" % is_wanted)
    os._exit(0)


if __name__ == "__main__":
    adopt_orphans()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        command(write)
    os.close(write)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(status, os.read(read, 1) == b"1")
