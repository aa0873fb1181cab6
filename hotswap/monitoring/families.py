"""Which figures there are of a server: read from its scoreboard, named after Prometheus' conventions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hotswap.monitoring.text_format import Family, Sample
from hotswap.scoreboard import Attempt, Scoreboard, SlotView
from hotswap.scoreboard.deployment import of_serving
from hotswap.version import VERSION


def families_of(board: Scoreboard) -> list[Family]:
    """Return what `board` says now. Counters are those of the whole server, over all its generations and workers."""
    views = board.everyone()
    totals = board.totals()
    return [
        *_server(board, views),
        *_restarts(totals, board.attempts()),
        *_requests(totals, views),
        *_connections(totals, views),
        *_processes(totals, views),
    ]


def _gauge(name: str, text: str, *samples: Sample) -> Family:
    return Family(name, "gauge", text, samples)


def _counter(name: str, text: str, *samples: Sample) -> Family:
    return Family(name, "counter", text, samples)


def _server(board: Scoreboard, views: Sequence[SlotView]) -> list[Family]:
    serving = [view for view in views if view.serves]
    youngest = max(serving, key=lambda view: view.generation, default=None)
    deployment = of_serving(board.deployment, youngest.generation if youngest is not None else None)
    # Of the server; where it is of a release that does not say, of the process that asks.
    labels = {"version": deployment.version if deployment is not None and deployment.version else VERSION}
    families = [
        _gauge("hotswap_info", "The release of hotswap that serves", Sample(1, labels)),
        _gauge("hotswap_up", "Whether a generation serves", Sample(int(bool(serving)))),
        _gauge("hotswap_start_time_seconds", "When the server was started, as Unix time", Sample(board.created)),
    ]
    if youngest is not None:
        lame = int(youngest.lame_duck)
        began = Sample(youngest.started)
        families += [
            _gauge("hotswap_generation", "Number of the generation that serves", Sample(youngest.generation)),
            _gauge("hotswap_generation_start_time_seconds", "When that was started, as Unix time", began),
            _gauge("hotswap_lame_duck", "Whether the health path says 503 though the server serves", Sample(lame)),
        ]
    return families


def _restarts(totals: Mapping[str, int], attempts: Sequence[Attempt]) -> list[Family]:
    outcomes = {"ok": totals["restarts_ok"], "failed": totals["restarts_failed"]}
    families = [
        _counter(
            "hotswap_restarts_total",
            "Restarts that have ended, by outcome",
            *(Sample(count, {"outcome": outcome}) for outcome, count in outcomes.items()),
        ),
        Family(
            "hotswap_restart_duration_seconds",
            "summary",
            "How long successful restarts took until the new generation was ready",
            (Sample(totals["restarts_ok"], suffix="_count"), Sample(totals["restart_us"] / 1e6, suffix="_sum")),
        ),
    ]
    succeeded = [attempt for attempt in attempts if attempt.outcome == "ok"]
    if succeeded:
        took = Sample(succeeded[-1].took)
        families.append(_gauge("hotswap_time_to_ready_seconds", "How long the last successful restart took", took))
    return families


#: Class of status to the sums it consists of.
_CLASSES = {
    "2xx": ("succeeded",),
    "3xx": ("redirected",),
    "4xx": ("client_errors",),
    "5xx": ("server_errors", "unavailable"),
    "unknown": ("unclassified",),
}


def _requests(totals: Mapping[str, int], views: Sequence[SlotView]) -> list[Family]:
    by_class = {name: sum(totals[part] for part in parts) for name, parts in _CLASSES.items()}
    return [
        _counter(
            "hotswap_requests_total",
            "Requests that were answered, by class of the status",
            *(Sample(count, {"class": name}) for name, count in by_class.items() if count or name != "unknown"),
        ),
        _counter(
            "hotswap_requests_unanswered_total",
            "Requests whose client went before the answer was whole, and websockets of WSGI applications",
            Sample(totals["unanswered"]),
        ),
        _counter(
            "hotswap_requests_abandoned_total",
            "Requests that were not carried out, because their client went while they waited for a thread",
            Sample(totals["abandoned"]),
        ),
        _counter(
            "hotswap_requests_refused_total",
            "Requests that were no good HTTP, and failed TLS handshakes",
            Sample(totals["refused"]),
        ),
        _counter(
            "hotswap_requests_cut_total",
            "Requests that were ended by force, at a deadline of leaving",
            Sample(totals["cut"]),
        ),
        _counter("hotswap_health_answers_total", "Answers at the health path", Sample(totals["health"])),
        _gauge(
            "hotswap_requests_in_flight",
            "Requests that threads run now, or that wait for one",
            Sample(sum(view.in_flight for view in views)),
        ),
    ]


def _connections(totals: Mapping[str, int], views: Sequence[SlotView]) -> list[Family]:
    open_now = Sample(sum(view.connections for view in views))
    return [
        _gauge("hotswap_connections", "Connections of clients that are open now", open_now),
        _counter("hotswap_connections_accepted_total", "Connections of clients, accepted", Sample(totals["accepted"])),
        _counter(
            "hotswap_connections_moved_total",
            "Connections that a process has sent to another one",
            Sample(totals["handed_over"]),
        ),
        _counter(
            "hotswap_connections_adopted_total",
            "Connections that a process has received from another one",
            Sample(totals["adopted"]),
        ),
    ]


def _processes(totals: Mapping[str, int], views: Sequence[SlotView]) -> list[Family]:
    found = Counter((view.role, view.state) for view in views)
    samples = (Sample(count, {"role": role, "state": state}) for (role, state), count in sorted(found.items()))
    return [
        _gauge("hotswap_processes", "Processes of the server, by role and state", *samples),
        _gauge(
            "hotswap_processes_lingering",
            "Processes that serve no more and have not ended",
            Sample(sum(view.state == "lingering" for view in views)),
        ),
        _counter(
            "hotswap_worker_deaths_total",
            "Forked workers that ended without having been told to",
            Sample(totals["worker_deaths"]),
        ),
    ]
