"""The exit statuses of the hotswap command."""

from __future__ import annotations

DONE = 0  #: the command did what the user asked for
FAILED = 1  #: it did not
MISUSED = 2  #: the command line makes no sense; argparse's own
GOES_ON = 3  #: --timeout ran out; what the user asked for goes on
INTERRUPTED = 130  #: Ctrl-C: 128 and the signal's number, as shells have it
