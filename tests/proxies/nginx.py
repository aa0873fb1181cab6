"""nginx in front of a program, by the file that docs/proxies.md shows, and what it has written down."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.asking import connect
from tests.documented import documented
from tests.eventually import eventually
from tests.proxies.starting import start

AROUND = """
daemon off;
user root;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    log_format test '$status "$upstream_status" $request_uri';
    access_log access.log test;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000;  # on a client's connection, which is closed after 1000 else
{conf}
}}
"""
"""What stands around a file of nginx's conf.d; paths are below its folder."""


class Request(NamedTuple):
    """A request in its log: the status, and the statuses of all servers that it asked, one after the other."""

    status: str
    of_servers: str


class Nginx:
    """One in a folder of its own, in front of the server at that address. It has started, and listens at `address`."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self.address = f"unix:{folder}/web.sock"
        conf = documented(
            "proxies.md", "shop.conf", {"127.0.0.1:8000": server, "listen 80;": f"listen {self.address};"}
        )
        (folder / "nginx.conf").write_text(AROUND.format(conf=conf))
        start(["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"], folder / "log")
        eventually(lambda: listens(self.address), "nginx does not listen")

    def asked(self) -> list[Request]:
        """The requests that it has finished."""
        lines = [line.split('"') for line in (self._folder / "access.log").read_text().splitlines()]
        return [Request(status.strip(), servers) for status, servers, _ in lines]


def listens(address: str) -> bool:
    """Whether a client is taken there; the path alone says nothing, for it is bound first."""
    try:
        connect(address).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True
