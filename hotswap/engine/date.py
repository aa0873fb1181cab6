"""The `Date` header's text, made once a second instead of once an answer (RFC 9110, section 5.6.7)."""

from __future__ import annotations

import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: float) -> str:
    """`seconds` since the epoch as an IMF-fixdate; not strftime, whose names follow the locale."""
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    )


class Stamp:
    """`Server` and `Date` lines as one text, renewed when the second has passed."""

    __slots__ = ("_server", "_until", "text")

    def __init__(self, server: str) -> None:
        self._server = server
        self._until = 0.0
        self.text = ""

    def lines(self, now: float) -> str:
        """The two header lines for the wall clock time `now`."""
        # A clock set back by more than a second must not freeze the date.
        if not self._until - 1.0 <= now < self._until:
            second = float(int(now))
            self.text = f"Server: {self._server}\r\nDate: {http_date(second)}\r\n"
            self._until = second + 1.0
        return self.text
