"""Whether a generation answers so many requests with errors that its predecessor should serve again: a decision over
counts. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

#: Fewer answers say nothing.
LEAST_ANSWERS = 50
#: How much more often than its predecessor's the generation's answers must be errors.
TIMES_AS_MANY = 2.0
#: Of the 95 % interval, whose lower end is the bound. It is asked again and again while answers come in, so that a
#: bound of one side alone, 1.64, would be passed by chance too often.
_Z = 1.96


class Answers(NamedTuple):
    """How many answers a generation has given, and how many of them were errors of the application's (5xx)."""

    total: int = 0
    errors: int = 0

    @property
    def share(self) -> float:
        """Which share of them were errors; 0.0 without any answer."""
        return self.errors / self.total if self.total else 0.0

    def since(self, before: Answers) -> Answers:
        """What was added to those `before`."""
        return Answers(max(0, self.total - before.total), max(0, self.errors - before.errors))


def lower_bound(answers: Answers) -> float:
    """Return the lower end of the 95 % interval for the share of errors (E. B. Wilson, 1927); 0.0 without any answer.

    Unlike the usual interval around the share itself, it holds for few answers, and for shares near 0 and 1.
    """
    n, share = answers.total, answers.share
    if n <= 0:
        return 0.0
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return max(0.0, (share + _Z * _Z / (2 * n) - spread) / (1 + _Z * _Z / n))


def has_too_many_errors(limit: float, answers: Answers, before: Answers) -> bool:
    """Return whether a generation with these answers should be taken back.

    `limit`: the share of errors that is allowed, 0 for no limit. `before`: its predecessor's answers, of the minute
    before it was replaced. Only what is sure is enough: it must have given LEAST_ANSWERS, the bound must be above the
    limit, and its share TIMES_AS_MANY as large as its predecessor's.
    """
    if limit <= 0 or answers.total < LEAST_ANSWERS:
        return False
    return lower_bound(answers) > limit and answers.share >= TIMES_AS_MANY * before.share


def in_words(limit: float, answers: Answers, before: Answers) -> str:
    """Return the reason, for the log and for `hotswap status`."""
    if not before.total:
        then = "its predecessor had answered nothing in its last minute"
    else:
        then = f"of its predecessor's in its last minute {before.errors} of {before.total} ({before.share:.1%})"
    return (
        f"{answers.errors} of its {answers.total} answers were server errors ({answers.share:.1%}, for sure "
        f"{lower_bound(answers):.1%}, probation_max_errors is {limit:.1%}), {then}"
    )
