"""A program that cannot serve: what its author reads is the sentence, and the line that called; not our frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.live import starts_processes

pytestmark = starts_processes

MISTAKES = {
    "address": ('hotswap.serve(print, "127.0.0.1:x")', "AddressError: address '127.0.0.1:x' has no port"),
    "setting": ("hotswap.serve(print, worksers=4)", "SettingError: there is no setting 'worksers': did you mean work"),
    "value": ('hotswap.serve(print, "")', "SettingError: bind cannot be ''"),
    "no such host": ('hotswap.serve(print, "203.0.113.1:1")', "BindError: cannot bind 203.0.113.1:1 (no address of"),
    "class": ("hotswap.Server(print, worksers=4)", "SettingError: there is no setting 'worksers'"),
    "step": ('hotswap.on("redy")', "UsageError: there is no step 'redy' to call back at (did you mean 'ready'?): it i"),
    "callback": ('hotswap.on("ready")(42)', "UsageError: a callback must be callable, and 42 is not"),
    "port in use": ('hotswap.serve(print, f"127.0.0.1:{TAKEN}")', "BindError: cannot bind 127.0.0.1:"),
}


def first_start(folder: Path, *lines: str) -> list[str]:
    """Standard error of a program with these lines, which fails."""
    script = folder / "app.py"
    above = 'import socket, sys\nimport hotswap\nTAKEN = socket.create_server(("127.0.0.1", 0))'
    script.write_text("\n".join([above, *lines, ""]).replace("{TAKEN}", "{TAKEN.getsockname()[1]}"))
    command = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert command.returncode == 1, command.stderr
    return command.stderr.splitlines()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(tmp_path: Path, mistake: str) -> None:
    """Its own four lines: what Python says above every traceback, the file, the call, and the sentence."""
    call, says = MISTAKES[mistake]
    header, file, line, sentence = first_start(tmp_path, call)
    assert header == "Traceback (most recent call last):"
    assert file == f'  File "{tmp_path}/app.py", line 4, in <module>'
    assert line.strip() == call.replace("{TAKEN}", "{TAKEN.getsockname()[1]}")
    assert sentence.startswith(f"hotswap.errors.{says}")


def test_a_mistake_in_the_program_s_own_code_is_shown_with_it(tmp_path: Path) -> None:
    """The cause of our error lies in a hook: its frames stay."""
    lines = first_start(
        tmp_path,
        "def hook(arbiter, worker):",
        "    raise ValueError('mine')",
        "hotswap.serve(print, '127.0.0.1:0', workers=1, pre_fork=hook)",
    )
    assert "ValueError: mine" in lines
    assert f'  File "{tmp_path}/app.py", line 5, in hook' in lines
    assert lines[-1] == "hotswap.errors.BootError: cannot fork worker 1 (mine)"
    assert not any("hotswap/server.py" in line for line in lines)


def test_a_program_that_catches_it_has_everything(tmp_path: Path) -> None:
    """The cause and all frames, for those who look for a fault of ours; another error is shown as ever."""
    lines = first_start(
        tmp_path,
        "import traceback",
        "try:",
        '    hotswap.serve(print, f"127.0.0.1:{TAKEN}")',
        "except OSError as error:",
        "    traceback.print_exc()",
        "    assert isinstance(error.__cause__, OSError)",
        "raise KeyError('another')",
    )
    assert any("hotswap/system/listeners.py" in line for line in lines)
    assert lines[-3:] == [
        f'  File "{tmp_path}/app.py", line 10, in <module>',
        "    raise KeyError('another')",
        "KeyError: 'another'",
    ]


def test_a_tool_that_watches_for_errors_is_told(tmp_path: Path) -> None:
    """Its own sys.excepthook is called, with the same."""
    lines = first_start(
        tmp_path,
        "import traceback",
        "def tool(kind, value, trace):",
        "    names = [frame.name for frame in traceback.extract_tb(trace)]",
        "    print(kind.__name__, names, value.__cause__, file=sys.stderr)",
        "sys.excepthook = tool",
        'hotswap.serve(print, f"127.0.0.1:{TAKEN}")',
    )
    assert lines == ["BindError ['<module>'] None"]


def test_another_thread(tmp_path: Path) -> None:
    """It cannot serve, and says so as the main thread would: threading's own frames are all that stands above."""
    script = tmp_path / "app.py"
    script.write_text("import threading, hotswap\nthreading.Thread(target=lambda: hotswap.serve(print)).start()\n")
    command = subprocess.run(
        [sys.executable, str(script)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    lines = command.stderr.splitlines()
    assert lines[-1].startswith("hotswap.errors.UsageError: serve() was called on the thread 'Thread-1 (<lambda>)': ")
    assert f'  File "{script}", line 2, in <lambda>' in lines
    assert "/hotswap/" not in command.stderr.replace(str(script), "")
