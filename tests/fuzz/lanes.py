"""`python -m tests.fuzz.lanes SECONDS SEED`: invented requests and answers, to the lane in C and to its twin in Python.

Runs the property tests of `tests/engine` again and again, each time from another seed. What is found is raised, with
its example; the memory that C touches is watched by who starts this (`tests.fuzz.sanitized`).
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hotswap.engine.native.choice import why_python
from tests.engine.answer_shapes import shapes
from tests.engine.grammar import CUTS, good_requests, pieces, streams
from tests.engine.http1.test_both_parsers import PAIR, PAIRS
from tests.engine.lane_pair import LanePair
from tests.engine.test_both_lanes import OPTIONS, PLAIN, Shaped, mirror
from tests.log.test_access_lines import USUAL, VARIABLES, Asked, plain

_ROUND = 100  # examples from one seed
_MIXED = st.lists(st.one_of(good_requests(), st.sampled_from(PLAIN)), min_size=1, max_size=4)
_STATUS = st.one_of(st.sampled_from(["200 OK", "404", 500]), st.text(max_size=9).filter(str.split))
_SENT = st.one_of(st.none(), st.integers(-2, 2**70))

Check = Callable[[], None]


def checks(pairs: list[LanePair], shaped: LanePair, app: Shaped, log: Asked) -> list[Check]:
    """Each is a test that takes its examples from hypothesis."""

    @given(st.sampled_from(pairs), streams(), CUTS)
    def spoilt(pair: LanePair, data: bytes, cuts: list[int]) -> None:
        pair.told(pieces(data, cuts))

    @given(st.sampled_from(pairs), _MIXED)
    def good(pair: LanePair, data: list[bytes]) -> None:
        pair.told(data)

    @given(shapes(), st.sampled_from(PLAIN))
    def answers(shape: object, data: bytes) -> None:
        app.shape = shape
        shaped.told([data, data])

    @given(streams())
    def heads(data: bytes) -> None:
        for pair in (PAIR, *PAIRS):
            pair.agree(data)

    @given(VARIABLES, _STATUS, _SENT)
    def lines(changes: dict[str, str], status: Any, sent: int | None) -> None:
        answer, *rest = plain(**changes)
        answer.status, answer.sent = status, sent
        theirs, ours = log.both(answer, *rest)
        assert ours == theirs

    return [spoilt, good, answers, heads, lines]


def main(seconds: float, first: int) -> None:
    """Until the time is over; at least one round."""
    why = why_python({})
    if why:
        raise SystemExit(f"the lane in C is not fuzzed: {why}")
    log = Asked(Path(tempfile.mkdtemp()) / "log", USUAL)
    until, app = time.monotonic() + seconds, Shaped()
    pairs, shaped = [LanePair(mirror, **options) for options in OPTIONS], LanePair(app, settings={"accesslog": "-"})
    how = settings(
        max_examples=_ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for number in itertools.count(first):
        for test in checks(pairs, shaped, app, log):  # new ones: a seed is given once
            seed(number)(how(test))()
        if time.monotonic() > until:
            break
    for pair in (*pairs, shaped):
        pair.close()
    print(
        f"from seed {first}: {number - first + 1} rounds of {_ROUND} examples a test, and the lanes agree", flush=True
    )


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
