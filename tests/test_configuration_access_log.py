"""The access log: line for line what gunicorn's own gthread worker writes for the same request and format."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import asking
from tests.eventually import eventually
from tests.harness import Program
from tests.live import starts_processes

APP = '''
def app(environ, start_response):
    """The query string says what: a number of bytes, pieces without a length, an error, nothing."""
    what = environ["QUERY_STRING"]
    headers = [("X-Out", 'a "quoted" thing'), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    if what == "error":
        raise RuntimeError("asked to fail")
    if what == "pieces":
        start_response("200 OK", headers)
        return [b"ab", b"cde"]
    if what == "nothing":
        start_response("204 No Content", headers)
        return []
    environ["wsgi.input"].read()
    start_response("404 Not Found" if what == "404" else "201 Created", [*headers, ("Content-Length", "5")])
    return [b"abcde"]
'''

#: Everything gunicorn documents (access_log_format); those in MOVING differ from run to run.
ATOMS = [
    *"hlurmUqHsBbfa",
    "{x-in}i", "{X-IN}i", "{host}i", "{absent}i", "{user-agent}i",
    "{x-out}o", "{content-length}o", "{transfer-encoding}o", "{set-cookie}o", "{absent}o",
    "{raw_uri}e", "{script_name}e", "{path_info}e", "{content_length}e", "{content_type}e", "{http_host}e",
    "{server_protocol}e", "{wsgi.url_scheme}e", "{remote_addr}e", "{http_x_in}e", "{absent}e", "{wsgi.run_once}e",
]  # fmt: skip
MOVING = {
    "t": r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]",
    "T": r"0", "M": r"\d+", "D": r"\d+", "L": r"0\.\d{6}", "p": r"<\d+>",
}  # fmt: skip
FORMAT = "|".join(f"{atom}=%({atom})s" for atom in [*ATOMS, *MOVING])

FIELDS = ('X-In: one "quoted"', "Referer: http://a.test/?b", "User-Agent: tester/1.0", "Connection: close")
REQUESTS: dict[str, bytes] = {
    "get": asking.request("/a/b", *FIELDS),
    "with a query": asking.request("/a%20b?404", *FIELDS),
    "head": asking.request("/", *FIELDS, method="HEAD"),
    "post": asking.request("/post", *FIELDS, method="POST", body=b"x" * 1000),
    "chunked": asking.request("/", "Transfer-Encoding: chunked", "Connection: close", method="POST")
    + b"3\r\nabc\r\n0\r\n\r\n",
    "pieces": asking.request("/?pieces", *FIELDS),
    "no content": asking.request("/?nothing", *FIELDS),
    "an error": asking.request("/?error", "Connection: close"),
    "basic auth": asking.request("/", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Connection: close"),
    "wrong auth": asking.request("/", "Authorization: Basic ?", "Connection: close"),
    "http 1.0": b"GET /old HTTP/1.0\r\n\r\n",
    "other bytes": asking.request("/%C3%A9?q=%C3%A9", "X-In: \xe9", "Connection: close"),
    "absolute": asking.request("http://other.test/a?b", "Connection: close"),
    "a star": asking.request("*", "Connection: close", method="OPTIONS"),
}
GUNICORN = re.compile(r"Listening at: http://(127\.0\.0\.1:\d+) \(")
COMMON = ["-b", "127.0.0.1:0", "--access-logfile", "access.log", "--access-logformat", FORMAT]


def asked(program: Program, address: str) -> dict[str, str]:
    """What the log has for each request, one after the other."""
    log, lines = program.folder / "access.log", {}
    for number, (name, request) in enumerate(REQUESTS.items()):
        with asking.connect(address) as client:
            client.sendall(request)
            while client.recv(65536):
                pass
        lines[name] = nth_line(log, number)
    return lines


def nth_line(log: Path, number: int) -> str:
    """The line of that number, from 0, when it is there; it must be the last one."""
    found = eventually(lambda: log.exists() and log.read_text().splitlines()[number:], f"no line {number}")
    assert len(found) == 1, found
    return found[0]


def compared(line: str) -> str:
    """The line with what differs from run to run taken out, if it is well formed."""
    fixed, moving = line.rsplit("|", len(MOVING))[0], line.rsplit("|", len(MOVING))[1:]
    assert [bool(re.fullmatch(f"{atom}={pattern}", value)) for (atom, pattern), value in
            zip(MOVING.items(), moving, strict=True)] == [True] * len(MOVING), moving  # fmt: skip
    return re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", fixed)


@pytest.fixture
def gunicorns(programs: Callable[[str], Program]) -> dict[str, str]:
    """What gunicorn writes."""
    program = programs("gunicorn")
    (program.folder / "site_app.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", *COMMON, "site_app:app"]
    program.start(command=command, ready=False)
    address = program.wait_for(GUNICORN)[1]
    return asked(program, address)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_lines_are_gunicorns(gunicorns: dict[str, str], program: Program, workers: str) -> None:
    """Every atom that gunicorn documents, for requests of every kind."""
    (program.folder / "site_app.py").write_text(APP)
    program.start(command=[sys.executable, "-m", "hotswap", "run", "-w", workers, *COMMON, "site_app:app"])
    ours = {name: compared(line).split("|") for name, line in asked(program, program.address).items()}
    theirs = {name: compared(line).split("|") for name, line in gunicorns.items()}
    differences = {
        name: [pair for pair in zip(ours[name], theirs[name], strict=True) if pair[0] != pair[1]] for name in REQUESTS
    }
    # After an exception gunicorn has forgotten most of the request, and says so with None and "-".
    forgotten = {theirs.rpartition("=")[2] for _, theirs in differences.pop("an error")}
    assert {name: found for name, found in differences.items() if found} == {}
    assert forgotten == {"-", "None"}
    assert program.get("/", "X-In: 1", "X-In: 2").status == 201
    # gunicorn shows the last one only.
    eventually(lambda: "|{x-in}i=1,2|" in (program.folder / "access.log").read_text())
    assert program.stop() == 0


@starts_processes
def test_a_unix_socket(programs: Callable[[str], Program]) -> None:
    """Such a peer has no address."""
    lines = []
    for name, command in {"ours": ["hotswap", "run"], "theirs": ["gunicorn", "-k", "gthread"]}.items():
        program = programs(name)
        path = Path(program.folder) / "s.sock"
        (program.folder / "site_app.py").write_text(APP)
        argv = [sys.executable, "-m", *command, *COMMON, "-b", f"unix:{path}", "site_app:app"]
        program.start(command=argv, ready=False)
        # It is there between bind(2) and listen(2), too: a connection is refused then.
        program.wait_for(r"serving at|Booting worker")
        assert asking.get(f"unix:{path}", "/").status == 201
        lines.append(compared(nth_line(program.folder / "access.log", 0)))
    assert lines[0].split("|") == lines[1].split("|")
