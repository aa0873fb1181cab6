"""Machines of a test: network namespaces with an address each, on a bridge in one more, where the balancer runs.

They are there as long as the processes that hold them, which end with the test.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

BALANCER = "10.0.0.1/24"
HOLD = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"]


class Machine:
    """A network namespace. `inside` are the words in front of a command that runs in it."""

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        self.pid = holder.pid
        self.inside = ["nsenter", "-t", str(holder.pid), "--net", "--"]

    def ip(self, words: str) -> None:
        """`ip WORDS` in it, which must succeed."""
        subprocess.run([*self.inside, "ip", *words.split()], check=True, timeout=20)


def start() -> Machine:
    """One with its loopback interface, and no other."""
    holder = subprocess.Popen(HOLD, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stderr is not None
    if holder.stdout.readline() != "up\n":
        pytest.skip(f"no network namespaces here: {holder.stderr.read().strip()}")
    return Machine(holder)


def network(addresses: Sequence[str]) -> tuple[Machine, list[Machine]]:
    """The balancer's machine, and one with each address ("10.0.0.11/24"), which all reach each other.

    Skips the test where namespaces cannot be made.
    """
    balancer = start()
    balancer.ip("link add br0 type bridge")
    balancer.ip(f"address add {BALANCER} dev br0")
    balancer.ip("link set br0 up")
    machines = [start() for _ in addresses]
    for machine, address in zip(machines, addresses, strict=True):
        port = f"port{machine.pid}"
        balancer.ip(f"link add {port} type veth peer name web0 netns {machine.pid}")
        balancer.ip(f"link set {port} master br0 up")
        machine.ip(f"address add {address} dev web0")
        machine.ip("link set web0 up")
    return balancer, machines
