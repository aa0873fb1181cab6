"""uvicorn itself on a loopback listener, for tests that compare what applications and clients see."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from tests import live
from tests.engine.engine_server import DEADLINE, Client


class UvicornServer:
    """uvicorn (httptools, asyncio) on a thread. It logs nothing, and serves no websockets."""

    def __init__(self, app: Any) -> None:
        live.refuse("uvicorn")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[Client] = []
        config = Config(app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False)
        self._server = Server(config)
        self._thread = threading.Thread(target=self._run, name="uvicorn")

    def start(self) -> UvicornServer:
        """Clients wait in the listener until it serves."""
        self._thread.start()
        return self

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def connect(self) -> Client:
        """A client with a connection."""
        client = Client(socket.create_connection(self._listener.getsockname(), DEADLINE))
        self._clients.append(client)
        return client

    def end(self) -> None:
        """Close the clients and stop."""
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
