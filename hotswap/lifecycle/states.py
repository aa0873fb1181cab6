"""The states a generation lives through, what can happen to it, and what it may do: one line each."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a generation stands. The value is the word shown by `hotswap status`, logs and process titles."""

    BOOTING = "booting"  # loads, binds, checks; answers nobody yet
    SERVING = "serving"  # accepts and answers
    RESTARTING = "restarting"  # still serves; a successor is booting
    HANDING_OVER = "handing-over"  # still serves; the successor said ready, its SIGTERM is on the way
    RETIRING = "retiring"  # a successor serves; connections move, running requests finish
    DRAINING = "draining"  # nobody serves after us; running requests finish
    GONE = "gone"  # nothing left to do but to return


class Event(enum.Enum):
    """What can happen to a generation: the signals of the operator, then the news of its own life."""

    HUP = "SIGHUP"
    USR2 = "SIGUSR2"
    TERM = "SIGTERM"
    INT = "SIGINT"
    QUIT = "SIGQUIT"
    USR1 = "SIGUSR1"
    TTIN = "SIGTTIN"
    TTOU = "SIGTTOU"
    TSTP = "SIGTSTP"

    BOOTED = "booted"  # everything that can fail at start is done
    READY = "successor ready"  # the successor's ready message was read
    FAILED = "successor failed"  # it could not start, died, hung, failed its check or said an error
    OVERDUE = "overdue"  # ready was read a while ago and the successor lives, but its SIGTERM did not come
    LOST = "successor lost"  # it died by force while we still hold the listeners, and nobody else serves
    SUPERSEDED = "superseded"  # a younger generation serves that is not our successor: its predecessor died
    DEADLINE = "deadline"  # graceful_timeout or retire_timeout has passed
    EMPTY = "empty"  # no connection, nothing in the exchange that is ours to carry


class Action(enum.Enum):
    """What the server does on the way to the next state, in the order of the transition's tuple."""

    IGNORE = "ignore"  # nothing, but the transition's sentence is logged
    DEFER = "defer"  # keep the signal until this generation serves
    START_SUCCESSOR = "start successor"
    REMEMBER = "remember"  # one more restart when the one under way is through
    START_IF_REMEMBERED = "start if remembered"
    PASS_ON = "pass on"  # send the HUP to whoever serves now
    PASS_ON_IF_REMEMBERED = "pass on if remembered"
    REPORT_FAILURE = "report failure"  # log the successor's error and keep it for `hotswap status`
    ANNOUNCE_SUCCESSOR = "announce successor"  # tell systemd whose the main process is now
    REAPPEAR = "reappear"  # pid file and systemd's main process name us again, not a successor that is gone
    STOP_SUCCESSOR = "stop successor"  # SIGTERM to the booting one
    KILL_SUCCESSOR = "kill successor"  # SIGKILL to the booting one
    RETIRE = "retire"
    RETIRE_TO_YOUNGER = "retire to younger"
    DRAIN = "drain"
    TAKE_BACK = "take back"  # serve again: listeners, outbox and queue of the exchange, pid file
    HAMMER = "hammer"  # end what still runs by force and log what was cut
    REOPEN_LOGS = "reopen logs"
    MORE_WORKERS = "more workers"
    FEWER_WORKERS = "fewer workers"
    SUSPEND = "suspend"
