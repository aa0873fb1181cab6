"""The listeners of one generation together: where they are, which of them other generations have, and their end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hotswap.system.listeners import Listener
from hotswap.system.no_new_clients import admit_no_more


class ListenerSet:
    """Used on the main thread. `elsewhere`: the keys of the listeners that another generation has, or may have, too."""

    def __init__(self, listeners: Sequence[Listener], *, tls: bool, elsewhere: Collection[str] = ()) -> None:
        self.all = listeners
        self._elsewhere = elsewhere
        #: the keys of those that the predecessor has too
        self.inherited = elsewhere
        scheme = "https:" if tls else "http:"
        #: where this generation listens, for people
        self.urls = [listener.url.replace("http:", scheme, 1) for listener in listeners]

    @property
    def keys(self) -> tuple[str, ...]:
        """The addresses as configured, which generations tell each other."""
        return tuple(listener.key for listener in self.all)

    def are_elsewhere(self, keys: Collection[str]) -> None:
        """From now on another generation has, or may have, those with these keys, and no other."""
        self._elsewhere = keys

    def may_be_elsewhere(self) -> None:
        """This generation serves: its predecessor has the same ones until it goes, its successor from its start."""
        self._elsewhere = self.keys

    def are_only_here(self) -> None:
        """The server stops."""
        self._elsewhere = ()

    def remove_paths(self) -> None:
        """Remove the unix paths that go with this generation: it is the last one that listens there, because the server
        stops, a deploy has dropped the address, or the boot has failed that bound it."""
        for listener in self.all:
            if listener.key not in self._elsewhere:
                listener.remove_path()

    def admit_no_more(self) -> None:
        """The server stops, and no other generation is left: let no client in any more, until they are closed.

        Not where another program has a listener too, such as systemd, which starts the server anew for such clients.
        """
        for listener in self.all:
            if listener.ours:
                admit_no_more(listener.sock)

    def close(self) -> None:
        """Close, never shut down: other processes have the same sockets."""
        for listener in self.all:
            listener.close()
