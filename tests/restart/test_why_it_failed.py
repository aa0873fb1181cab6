"""Why a successor failed: `hotswap restart` and `hotswap status` tell it for every way in which a boot can end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from hotswap.cli.main import main as hotswap
from tests.apps.last_words import WORDS
from tests.commanding import nowhere_else
from tests.harness import DEFAULT, Program
from tests.processes import ProcessTree
from tests.restart.worker_classes import UVICORN

#: Undoes what a row has changed.
PLAIN: dict[str, Any] = {
    "app": "plain",
    "address": "127.0.0.1:0",
    "below": [],
    **dict.fromkeys(["on_starting", "post_worker_init", "post_fork", "worker_class", "worksers"], DEFAULT),
}


class Ending(NamedTuple):
    """A deploy, how the process ends that it ends, and what has to be told beside that."""

    deploy: dict[str, Any]
    how: str
    says: tuple[str, ...]


def below(step: object, how: str, *says: str) -> Ending:
    """The program, or the worker that imports it, ends so."""
    return Ending({"below": step}, how, says)


#: The longest letter, nearly 16 KiB times.
LETTER, MANY = "\U0001f600", 15_500

WHILE_LOADING = {
    "exception": below("boots.divides", "exited with status ", "in divides", "ZeroDivisionError: division by zero"),
    "sys.exit with words": below("last_words.exits", "exited with status 1", WORDS),
    "argparse": below("last_words.misses_an_argument", "exited with status 2", "are required: --database"),
    "click": below("last_words.misses_an_option", "exited with status 2", "Missing option '--database'"),
    "text and os._exit": below("last_words.leaves_at_once", "exited with status 7", WORDS),
    "logging and exit": below("last_words.logs", "exited with status 5", f"CRITICAL:root:{WORDS}"),
    "abort": below("last_words.aborts", "was killed by SIGABRT", WORDS),
    "crash": below("last_words.crashes", "was killed by SIGSEGV", "Fatal Python error: Segm", "in crashes"),
    "exec": below(("last_words.becomes_a_shell", "no-such-command"), "exited with status 127", "no-such-command"),
    "long exception": below(("boots.raises", LETTER, MANY), "exited with status ", MANY * LETTER + " is the end"),
    "kill -9": below(("boots.kills_itself", 9), "was killed by SIGKILL (out of memory, perhaps)"),
}
IN_SERVE = {
    "abort's stack": below("last_words.aborts", "was killed by SIGABRT", "Fatal Python error: Aborted", "in aborts"),
    "command": below("last_words.runs_a_command", "exited with status 1", f"{WORDS}\n", "CalledProcessError: "),
    "long words": below(("last_words.writes", LETTER, MANY), "exited with status 1", MANY * LETTER + " is the end"),
    "address": Ending({"address": "127.0.0.1:x"}, "exited with status 1", ("AddressError: address '127.0.0.1:x' has",)),
    "cannot bind": Ending(
        {"address": "203.0.113.1:1"}, "exited with status 1", ("BindError: cannot bind 203.0.113.1:1",)
    ),
    "misspelt": Ending({"worksers": 2}, "exited with status 1", ("SettingError: there is no setting 'worksers': did",)),
    "on_starting": Ending({"on_starting": "tests.apps.last_words.hook_exits"}, "exited with status 1", (WORDS,)),
    "callback": below(("last_words.callback_exits", "begin"), "exited with status 1", WORDS),
    "hook exits": Ending({"post_worker_init": "tests.apps.last_words.hook_exits"}, "exited with status 1", (WORDS,)),
    "hook leaves": Ending(
        {"post_worker_init": "tests.apps.last_words.hook_leaves_at_once"}, "exited with status 7", (WORDS,)
    ),
    "hook crashes": Ending(
        {"post_worker_init": "tests.apps.last_words.hook_crashes"}, "was killed by SIGSEGV", ("in hook_crashes",)
    ),
}
#: What hotswap says on purpose.
OF_OURS = ("address", "cannot bind", "misspelt")
IN_WORKERS = {
    "post_fork": Ending({"post_fork": "tests.apps.last_words.hook_exits_at_fork"}, "exited with status 1", (WORDS,)),
    **{
        f"lifespan {name}, {worker_class}": Ending(
            {"app": "asgi", "worker_class": worker_class, "below": ("startups.choose", name)}, how, (WORDS,)
        )
        for worker_class in ("asgi", UVICORN)
        for name, how in (("exits", "exited with status "), ("leaves_at_once", "exited with status 7"))
    },
}
ENDINGS = {
    "single": {**WHILE_LOADING, **IN_SERVE},
    "workers": {**WHILE_LOADING, **IN_SERVE, **IN_WORKERS},
    "no preload": WHILE_LOADING,
}
NO_PRELOAD = ["-m", "hotswap", "run", "-w", "2", "--no-preload", "-b", "127.0.0.1:0", "app:app"]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, live: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One server for all endings of a mode: each of them leaves it as it was."""
    tree = ProcessTree()
    program = Program(tmp_path_factory.mktemp("server"))
    command = [sys.executable, *NO_PRELOAD] if request.param == "no preload" else None
    program.start(command=command, workers=2 if request.param == "workers" else 0)
    yield program
    tree.end()


def whom(server: Program) -> list[str]:
    """The arguments by which a command finds it, and it alone."""
    return [*nowhere_else(server, ""), str(server.pid)]


@pytest.mark.parametrize(
    ("server", "mode", "name"),
    [(mode, mode, name) for mode, rows in ENDINGS.items() for name in rows],
    indirect=["server"],
    ids=[f"{mode}, {name}" for mode, rows in ENDINGS.items() for name in rows],
)
def test_every_ending_tells_why(server: Program, mode: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """How it ended and with which words: in the restart's output, in the status, and in the log; and the version before
    serves on. Of hotswap's own frames there are none where the mistake is the program's."""
    deploy, how, says = ENDINGS[mode][name]
    server.deploy(**{**PLAIN, **deploy})
    mark = server.mark()
    # In this process: another interpreter for each would take as long as the restart.
    assert hotswap(["restart", *whom(server)]) == 1
    restart = capsys.readouterr().err
    assert hotswap(["status", "--json", *whom(server)]) == 0
    (status,) = json.loads(capsys.readouterr().out)
    server.wait_for("restart failed, ", since=mark)
    for place in (restart, status["last_failure"]["text"], log := server.text()[mark:]):
        assert all(text in place for text in (how, *says)), place
    # Workers, and their frameworks, may each say it.
    assert mode != "single" or log.count(says[-1] if says else how) == 1
    if name in OF_OURS:
        assert f'File "{server.script}", line ' in restart
        assert "hotswap/server.py" not in restart
    assert server.get("/version").body == b"1"
