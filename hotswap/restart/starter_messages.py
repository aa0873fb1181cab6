"""The words that a generation and its starter say to each other."""

from __future__ import annotations

#: What the starter orders: start a successor, as SIGHUP does.
RESTART = "restart"
#: What a generation says beside its states: it has closed the listeners, and cannot take the service back any more.
RELEASED = "released"
#: ... it has ended the whole server, and not only itself.
STOPPED = "stopped"
