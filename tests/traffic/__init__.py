"""Steady traffic from many kinds of clients, with every outcome counted by class.

    with Traffic("127.0.0.1:4242", {"keep-alive": 8, "one-shot": 2}) as traffic:
        ...                                   # restart the server
        traffic.restarted()                   # tells the clients that wait for it
    result = traffic.result()
    assert result.failures == {}, result
    assert result.closed_by_server == 0, result

Needs nothing outside the standard library. One thread drives all clients, so
thousands of idle ones cost little.
"""

from tests.traffic.generator import Traffic
from tests.traffic.kinds import KINDS, Kind
from tests.traffic.outcomes import Failure, Result

__all__ = ["KINDS", "Failure", "Kind", "Result", "Traffic"]
