"""`hotswap systemd-unit`: the text of the unit. tests/systemd runs what it prints."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import pytest

from hotswap.cli.main import main
from hotswap.cli.systemd_unit import Command, line, unit
from hotswap.settings import from_command_line
from tests.documented import documented

CALLED = Command(["/srv/venv/bin/hotswap"], ["shop.wsgi:app", "--bind", ":80"], "/srv/shop")


def lines_of(version: int, *options: str, called: Command = CALLED) -> list[str]:
    """The lines of the unit for that version of systemd."""
    cfg, application = from_command_line(["shop.wsgi:app", *options], {})
    return unit(cfg, application, called, version).splitlines()


@pytest.mark.parametrize("version", [0, 229, 252])
def test_an_older_systemd(version: int) -> None:
    """Its reload runs a command, which fails if the new version does not come up."""
    found = lines_of(version)
    assert "Type=notify" in found
    assert "ExecReload=/srv/venv/bin/hotswap restart $MAINPID" in found


@pytest.mark.parametrize("version", [253, 260])
def test_a_newer_systemd(version: int) -> None:
    """It sends the signal itself, and waits for the answer."""
    found = lines_of(version)
    assert "Type=notify-reload" in found
    assert not [each for each in found if each.startswith("ExecReload")]


def test_a_unit_says_how_the_command_was_called() -> None:
    """The command, its options and its directory; the time to stop is more than graceful_timeout."""
    found = lines_of(252, "--graceful-timeout", "55", "--name", "the shop")
    assert "ExecStart=/srv/venv/bin/hotswap run shop.wsgi:app --bind :80" in found
    assert "WorkingDirectory=/srv/shop" in found
    assert "TimeoutStopSec=65" in found
    assert "RuntimeDirectory=the-shop" in found
    assert "Description=shop.wsgi:app, served by hotswap" in found
    assert "RuntimeDirectory=shop" in lines_of(252)
    assert "NotifyAccess=main" in found
    assert "NotifyAccess=all" in lines_of(252, "--stable-pid", "off")
    assert not [each for each in found if each.startswith("Environment")]


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """But for the user, who is somebody else there."""
    current = tmp_path / "current"
    current.symlink_to(tmp_path)
    words = ["shop:app", "--bind", "0.0.0.0:8000"]
    cfg, application = from_command_line(words, {})
    called = Command([f"{current}/venv/bin/hotswap"], words, str(current))
    text = unit(cfg, application, called, 252).replace(str(current), "/srv/shop/current")
    user = re.compile(r"^User=.*\n", re.MULTILINE)
    assert user.sub("", f"{text}\n") == user.sub("", documented("where-it-runs.md", "shop.service"))


def test_a_link_in_the_directory(tmp_path: Path) -> None:
    """A deploy moves it: the server gets its name in PWD, which systemd does not set."""
    (tmp_path / "release 1").mkdir()
    (tmp_path / "current").symlink_to("release 1")
    found = lines_of(252, called=CALLED._replace(directory=f"{tmp_path}/current"))
    assert f"WorkingDirectory={tmp_path}/current" in found
    assert f"Environment=PWD={tmp_path}/current" in found


def test_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's unit has none; another user's has its name, or its number if it has no name."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not [each for each in lines_of(252) if each.startswith("User=")]
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert "User=54321" in lines_of(252)
    entry = pwd.getpwall()[-1]
    monkeypatch.setattr(os, "geteuid", lambda: entry.pw_uid)
    assert f"User={pwd.getpwuid(entry.pw_uid).pw_name}" in lines_of(252) or entry.pw_uid == 0


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["/bin/hotswap", "run", "shop:app"], "/bin/hotswap run shop:app"),
        (["shop:app('a b')"], '''"shop:app('a b')"'''),
        (["100%", "$HOME"], "100%% $$HOME"),
        (['a"b', "c\\d", "e\nf", ";", ""], r'''"a\"b" "c\\d" "e\nf" ";" ""'''),
    ],
)
def test_words_are_written_as_systemd_reads_them(words: list[str], written: str) -> None:
    """Blanks, quotes, line ends, specifiers and variables mean what the user wrote."""
    assert line(*words) == written


def test_a_daemon_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what systemd makes of every service."""
    assert main(["systemd-unit", "shop:app", "--daemon"]) == 1
    assert "leave --daemon out" in capsys.readouterr().err
