"""The states a worker lives through, what can happen to it, and what it may do: one line each.

Three event sources drive this one machine: `workers/native/supervised_loop.py` (our engine, led by orders of our server
process), `workers/native/gunicorn_loop.py` (our engine, led by the signals of gunicorn's arbiter), and
`workers/foreign/start_gate.py` (a worker class of gunicorn's, which leaves by itself). At the end of this file: the two
enums by which the server process knows its workers.
"""

from __future__ import annotations

import enum

from hotswap.lifecycle.states import State


class WorkerState(enum.Enum):
    """Where a worker stands. `SHOWN` has the word that the scoreboard and the process title show."""

    BOOTING = "booting"  # the application is being loaded
    LOADED = "loaded"  # everything that can fail is done; waits for the order to accept
    SERVING = "serving"  # accepts and receives
    ASKING = "asking"  # serves as before; it has asked the server process for a replacement
    SPENT = "spent"  # serves on, under an arbiter; has served enough, and leaves once clients will not miss it
    TOLD = "told"  # serves on, under an arbiter; was told to leave, and waits for a younger worker to serve
    RETIRING = "retiring"  # hands its connections over; the server process may call it back
    LEAVING = "leaving"  # the same for good: it goes when nothing is left
    FOLLOWED = "followed"  # the same, under an arbiter that will fork another: the exchange keeps connections for it
    DRAINING = "draining"  # no other process takes its connections; goes when nothing is left
    GONE = "gone"  # nothing left to do but to end


#: What other processes see: they count on a worker, or they do not, whatever leads it.
SHOWN: dict[WorkerState, State] = {
    WorkerState.BOOTING: State.BOOTING,
    WorkerState.LOADED: State.BOOTING,
    WorkerState.SERVING: State.SERVING,
    WorkerState.ASKING: State.SERVING,
    WorkerState.SPENT: State.HANDING_OVER,
    WorkerState.TOLD: State.HANDING_OVER,
    WorkerState.RETIRING: State.RETIRING,
    WorkerState.LEAVING: State.RETIRING,
    WorkerState.FOLLOWED: State.RETIRING,
    WorkerState.DRAINING: State.DRAINING,
    WorkerState.GONE: State.GONE,
}

#: The states in which a worker accepts and receives.
SERVING_STATES = frozenset({WorkerState.SERVING, WorkerState.ASKING, WorkerState.SPENT, WorkerState.TOLD})

#: The states in which it does not any more.
LEAVING_STATES = frozenset(
    {WorkerState.RETIRING, WorkerState.LEAVING, WorkerState.FOLLOWED, WorkerState.DRAINING, WorkerState.GONE}
)


class WorkerEvent(enum.Enum):
    """What can happen to a worker."""

    # orders of our server process
    ACCEPT = "accept"  # all workers have loaded; under an arbiter a worker tells itself
    RETIRE = "retire"  # hand over to the successor; the order may be taken back
    RETIRE_ALONE = "retire alone"  # hand over to the siblings, for good: a replacement serves
    DRAIN = "drain"  # no process follows
    TAKE_BACK = "take back"  # the successor is lost: serve again
    RELEASE = "release"  # the listeners are closed for good
    HAMMER = "hammer"  # end by force
    REOPEN = "reopen"  # log files have been moved away

    # signals; what SIGTERM is depends on which process leads: ENOUGH or STOP
    INT = "SIGINT"  # under our server process, which gets it too, and then says how to leave
    INT_UNANSWERED = "SIGINT, and no order"  # that did not happen
    QUIT = "SIGQUIT"  # under an arbiter SIGINT too
    ABRT = "SIGABRT"  # no heartbeat was seen for `timeout` seconds
    USR1 = "SIGUSR1"

    # its own life
    LOADED = "loaded"  # the application is there, and everything else that can fail is done
    ENOUGH = "enough"  # max_requests, or a SIGTERM to a worker of our server process
    EMPTY = "empty"  # no connection is left, and nothing in the exchange that is its to carry
    DEADLINE = "deadline"  # leaving has taken as long as it may (`LeavePolicy`)
    PARENT_GONE = "server process gone"
    RECEIVED = "orphan, received"  # the server process is gone for a while, and another process receives
    UNRECEIVED = "orphan, not received"  # and none does

    # under gunicorn's arbiter
    STOP = "SIGTERM"  # as often as the arbiter likes
    SPENT = "spent"  # max_requests, or a hook or gunicorn's reloader has set `alive` to false
    GO = "go"  # clients are served by others, or the time for waiting is over
    GO_FOLLOWED = "go, followed"  # the younger worker has ended, and the arbiter goes on: it will fork another
    ALONE = "alone"  # no other process takes connections, now or soon
    FULL = "full"  # the exchange has no room for what is to be left behind
    ARBITER_GONE = "arbiter gone"

    # a worker class of gunicorn's
    STOPPED = "stopped accepting"  # told to retire, told by a third party, or by itself
    STOPPED_TO_DRAIN = "stopped accepting, to drain"  # told to drain


class WorkerAction(enum.Enum):
    """What a worker does on the way to the next state, in the order of the transition's tuple."""

    IGNORE = "ignore"
    TELL_LOADED = "tell loaded"
    OPEN = "open"  # accept from the listeners, receive from the exchange, and say so
    ASK_FOR_REPLACEMENT = "ask for replacement"
    TELL_STOPPED = "tell stopped"  # the server process needs another worker in its place now
    SAY_WHY = "say why"  # log why this worker is to leave
    NOTE_STOP = "note stop"  # `alive` is false from now on, and a younger worker seen before does not count
    SAY_ORPHANED = "say orphaned"
    TELL_APPLICATION = "tell application"  # `hotswap.draining` is set
    START_ORPHAN_TIMER = "start orphan timer"  # RECEIVED or UNRECEIVED follows
    START_INT_TIMER = "start int timer"  # INT_UNANSWERED follows
    CANCEL_DEADLINE = "cancel deadline"
    LIMIT_RETIRING = "limit retiring"  # DEADLINE follows, after what a replaced worker may take
    LIMIT_DRAINING = "limit draining"  # DEADLINE follows, after what a stop may take
    HAND_OVER = "hand over"  # send connections to the processes that receive
    DRAIN = "drain"  # finish what runs, answer what is on the wire, close; the exchange's queue too
    DRAIN_OWN = "drain own"  # the same; but another process comes for the exchange's queue
    TAKE_BACK = "take back"
    RELEASE = "release"  # empty the listeners that only we have, and close all
    TELL_STATUS = "tell status"  # what is left
    LOOK_SOON = "look soon"  # whether nothing is left
    CALL_INT_HOOK = "call int hook"  # gunicorn's worker_int
    CUT = "cut"  # end by force and log what was cut
    HAMMER = "end by force"  # the server process logs what was cut
    ABORT = "abort"  # gunicorn's worker_abort, then the end
    REOPEN_LOGS = "reopen logs"


class Stage(enum.Enum):
    """How far a worker is in its life, as the server process knows."""

    LOADING = "loading"
    LOADED = "loaded"
    OPENING = "opening"  # told to accept
    SERVING = "serving"
    LEAVING = "leaving"  # told to leave, as all are
    DISMISSED = "dismissed"  # told to leave, alone: another worker has its slot
    DROPPED = "dropped"  # told to end, or killed, having never accepted


class Phase(enum.Enum):
    """What the end of a worker means to the server process."""

    BOOTING = "booting"  # this generation cannot become ready
    SERVING = "serving"  # it is replaced
    LEAVING = "leaving"  # one worker less to wait for
