"""The command of a program without the debugger in front of it."""

from __future__ import annotations

import pytest

from hotswap.restart.debuggers import without_debugger


@pytest.mark.parametrize(
    ("started", "again"),
    [
        ("python -m debugpy --listen 5678 app.py --mine", "python app.py --mine"),
        ("python -Xfrozen_modules=off -m debugpy --listen 0.0.0.0:5678 --wait-for-client app.py", "python -Xfrozen_mo"),
        (
            "python -m debugpy --configure-subProcess false --listen 5678 -m hotswap run m:a",
            "python -m hotswap run m:a",
        ),
        ("python -m debugpy --listen 5678 --log-to-stderr --log-to /tmp -c pass x", "python -c pass x"),
        ("python /vs/debugpy --connect 127.0.0.1:1 --adapter-access-token t /srv/app.py -v", "python /srv/app.py -v"),
        ("python /vs/debugpy/__main__.py --connect 1 app.py", "python app.py"),
        ("python /ide/pydevd.py --multiprocess --client 127.0.0.1 --port 1 --file app.py -v", "python app.py -v"),
        ("python /ide/pydevd.py --module --port 1 --file hotswap run m:a", "python -m hotswap run m:a"),
        ("python -m pdb app.py", "python app.py"),
        ("python -m pdb -c continue -c b:7 -m hotswap run m:a", "python -m hotswap run m:a"),
        ("python -m ipdb app.py -c x", "python app.py -c x"),
    ],
)
def test_it_is_left_out(started: str, again: str) -> None:
    """With all its options, and none of the interpreter's or the program's."""
    arguments, name = without_debugger(started.split())
    assert " ".join(arguments).startswith(again)
    assert name in started


@pytest.mark.parametrize(
    "started",
    [
        "python app.py -m debugpy",
        "python -m app debugpy --listen 5678 app.py",
        "python -m hotswap run debugpy:app",
        "python debugpy.py x",
        "python /srv/pdb.py run",
        "python -c pass -m pdb app.py",
        "python -m debugpy --listen 5678",
        "python -m debugpy",
        "python /ide/pydevd.py --port 1",
        "python -m",
        "python",
        "",
    ],
)
def test_others_are_as_they_are(started: str) -> None:
    """No debugger, a program of that name, or a debugger without a program."""
    assert without_debugger(started.split()) == (started.split(), "")
