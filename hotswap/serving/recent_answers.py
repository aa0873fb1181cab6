"""What a generation has answered lately, from the sums of its processes on the scoreboard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from hotswap.lifecycle.error_share import Answers
from hotswap.scoreboard import Scoreboard

#: How far back "lately" goes, and how often it is written down (seconds).
LATELY = 60.0
_EVERY = 10.0
_COUNTED = ("succeeded", "redirected", "client_errors", "server_errors")


def answers_of(board: Scoreboard, generation: int, attempt: int) -> Answers:
    """Return what a generation has answered since it began. 501, 503 and health are neither answers nor errors here,
    and a request without a whole answer is none."""
    done = board.done_by(generation, attempt)
    return Answers(sum(done[name] for name in _COUNTED), done["server_errors"])


class RecentAnswers:
    """Of this generation. `look` returns the sum of now, `clock` seconds that never go back. On the main thread."""

    def __init__(self, look: Callable[[], Answers], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        #: what had been answered, and when; the oldest is the last one that is at least LATELY old
        self._seen: deque[tuple[float, Answers]] = deque()

    def note(self) -> None:
        """Write down what has been answered, if it is time; called now and then."""
        now = self._clock()
        if self._seen and now - self._seen[-1][0] < _EVERY:
            return
        self._seen.append((now, self._look()))
        while len(self._seen) > 1 and now - self._seen[1][0] >= LATELY:
            self._seen.popleft()

    def lately(self) -> Answers:
        """Return what was answered in the last minute, or a little more."""
        before = self._seen[0][1] if self._seen else Answers()
        return self._look().since(before)
