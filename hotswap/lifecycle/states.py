"""The states that a generation lives through, what can happen to it, and what it may do: a line for each."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a generation stands. `shown` is the word that `hotswap status` and process titles show."""

    BOOTING = "booting"  # loads, binds, checks; accepts no client yet
    SERVING = "serving"  # accepts and answers
    LAME_DUCK = "lame duck"  # serves on, but says at the health path that it does not; `hotswap drain` has asked for it
    STOPPING = "stopping"  # the same since a SIGTERM, for `lame_duck` seconds; then it drains
    RESTARTING = "restarting"  # still serves; a successor is booting
    HANDING_OVER = "handing-over"  # still serves; the successor said ready, its SIGTERM is on the way
    # The same after SIGUSR2. By gunicorn's hand the old process is then told to end, too early perhaps.
    UPGRADING = "upgrading"  # as RESTARTING
    YIELDING = "yielding"  # as RESTARTING; it was told to end, which means: when the successor is ready
    UPGRADED = "upgraded"  # as HANDING_OVER
    PARKED = "parked"  # the successor serves on probation; should it fail, this process serves again
    RETIRING = "retiring"  # a successor serves; connections move, running requests finish
    HURRYING = "hurrying"  # as RETIRING; the server was told to stop meanwhile, and what is said twice is meant
    DRAINING = "draining"  # the server stops: no process serves afterwards; running requests finish
    GONE = "gone"  # all that is left is to return from `Server.run`

    @property
    def shown(self) -> str:
        """The word for people, and for other processes, which need not know how the restart began."""
        return _SHOWN.get(self, self).value


_SHOWN: dict[State, State] = {
    # It accepts and receives as before: the slot tells it apart by a mark of its own.
    State.LAME_DUCK: State.SERVING,
    State.STOPPING: State.SERVING,
    State.UPGRADING: State.RESTARTING,
    State.YIELDING: State.RESTARTING,
    State.UPGRADED: State.HANDING_OVER,
    State.HURRYING: State.RETIRING,
}


class Event(enum.Enum):
    """What can happen to a generation: the operator's signals, then the news of its own life."""

    HUP = "SIGHUP"
    USR2 = "SIGUSR2"
    TERM = "SIGTERM"
    INT = "SIGINT"
    QUIT = "SIGQUIT"
    USR1 = "SIGUSR1"
    TTIN = "SIGTTIN"
    TTOU = "SIGTTOU"
    TSTP = "SIGTSTP"
    URG = "SIGURG"  # `hotswap drain`

    TERM_SOFTLY = "lame duck, then SIGTERM"  # where `lame_duck` is set, instead of TERM if that would stop the server
    LAME_DUCK_OVER = "lame duck over"  # load balancers have had the time to notice
    BOOTED = "booted"  # all that can fail in a boot is done
    READY = "successor ready"  # this process has read the successor's ready message
    FAILED = "successor failed"  # it could not start, died, hung, failed its check or reported an error
    TERMINATED = "successor terminated"  # SIGTERM has ended it before it was ready
    OVERDUE = "overdue"  # the successor said ready a while ago and lives, but its SIGTERM did not come
    LOST = "successor lost"  # it died while this process still has the listeners, and no other process serves
    PROBATION = "successor on probation"  # it has taken over, and may be taken back for a while
    PROVEN = "successor proven"  # its probation is over, or pointless: another generation serves, or the server stops
    ROLLBACK = "rollback"  # an operator, or what the successor answers, wants this parked process back
    TAKEN_BACK = "taken back"  # the predecessor of this process serves again, in its place
    SUPERSEDED = "superseded"  # a process serves, or will, that began later and is no successor of this one
    STARTER_GONE = "starter gone"  # the process whose pid had to stay has ended: the server counts as dead
    HANG_UP = "hang-up"  # the terminal that the server was started at was closed
    DEADLINE = "deadline"  # graceful_timeout or retire_timeout is over
    EMPTY = "empty"  # this process has no connection left, and the exchange none that it has to receive


class Action(enum.Enum):
    """What the server does on the way to the next state, in the order of the transition's tuple."""

    IGNORE = "ignore"  # do nothing but log the transition's sentence
    DEFER = "defer"  # keep the signal until this generation serves
    START_SUCCESSOR = "start successor"
    REMEMBER = "remember"  # one more restart follows the one under way
    REMEMBER_UPGRADE = "remember upgrade"  # the same, and SIGUSR2 has asked for it
    START_IF_REMEMBERED = "start if remembered"
    PASS_ON = "pass on"  # send the HUP to the process that serves now
    PASS_ON_IF_REMEMBERED = "pass on if remembered"
    HURRY = "hurry"  # the server stops: finish what runs within graceful_timeout
    PASS_ON_STOP = "pass on stop"  # send the SIGTERM to the server, if a terminal waits for this process
    REPORT_FAILURE = "report failure"  # log the successor's error and keep it for `hotswap status`
    ANNOUNCE_SUCCESSOR = "announce successor"  # tell systemd that the successor is the main process now
    REAPPEAR = "reappear"  # have pid file and systemd's main process name this process again, not a dead successor
    STOP_SUCCESSOR = "stop successor"  # SIGTERM to it
    KILL_SUCCESSOR = "kill successor"  # SIGKILL to it
    RETIRE = "retire"
    RETIRE_OR_PARK = "retire or park"  # the same; if the successor is on probation, the way back stays open
    RETIRE_TO_YOUNGER = "retire to younger"
    RETIRE_TO_PREDECESSOR = "retire to predecessor"
    BEGIN_LAME_DUCK = "begin lame duck"  # serve on, and say at the health path that it is over
    BOW_OUT = "bow out"  # the same, and LAME_DUCK_OVER follows
    DRAIN = "drain"
    TAKE_BACK = "take back"  # serve again: accept, keep what was not sent, receive what is still in the exchange
    ROLL_BACK = "roll back"  # the same while the successor lives, which then retires to this process
    END_PROBATION = "end probation"  # there is no way back any more: the restart has succeeded
    STOP_BOTH = "stop both"  # send the SIGTERM to the server, and follow it
    HAMMER = "hammer"  # end by force what still runs, and log what was cut
    REOPEN_LOGS = "reopen logs"
    MORE_WORKERS = "more workers"
    FEWER_WORKERS = "fewer workers"
    SUSPEND = "suspend"
