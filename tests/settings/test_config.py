"""The configuration object: defaults, our settings next to gunicorn's, what a plain gunicorn sees of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn import config as gunicorn_config

from hotswap.errors import SettingError
from hotswap.settings import CHANGED_DEFAULTS, Config
from hotswap.settings.own import OWN_SETTINGS
from tests.live import starts_processes

ROOT = Path(__file__).parent.parent.parent


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter: gunicorn computes defaults while it is imported."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("name", CHANGED_DEFAULTS)
def test_changed_default(name: str) -> None:
    """What the table of changed defaults says is what a fresh configuration has, and counts as not given."""
    cfg = Config()
    assert cfg.settings[name].get() == CHANGED_DEFAULTS[name]
    assert not cfg.given


def test_other_defaults_are_gunicorns() -> None:
    """A setting that is in no table of ours has gunicorn's default."""
    ours, theirs = Config(), gunicorn_config.Config()
    same = set(theirs.settings) - set(CHANGED_DEFAULTS) - {"chdir", "forwarded_allow_ips", "user", "group"}
    assert {name: ours.settings[name].get() for name in same} == {name: theirs.settings[name].get() for name in same}


def test_own_settings_have_values() -> None:
    """Each setting of ours can be read as an attribute, with the default that the design names."""
    cfg = Config()
    assert (cfg.retire_timeout, cfg.boot_timeout, cfg.check, cfg.probation) == (600, 60, "", 0)
    assert (cfg.run_dir, cfg.name, cfg.env_file, cfg.envdir) == (None, None, None, None)
    assert (cfg.body_buffer, cfg.switch_interval) == (1024 * 1024, 0.0005)


def test_two_configurations_share_nothing() -> None:
    """Giving a setting in one configuration changes no other."""
    first, second = Config(), Config()
    first.give("bind", [":1"], "keyword")
    first.give("retire_timeout", 1, "keyword")
    assert second.bind == ["127.0.0.1:5000"]
    assert second.retire_timeout == 600
    assert not second.given


def test_plain_gunicorn_is_untouched() -> None:
    """A gunicorn in the same process knows none of our settings, keeps its defaults and its abbreviations."""
    own = {setting.name for setting in (made() for made in OWN_SETTINGS)}
    plain = gunicorn_config.Config()
    assert not own & set(plain.settings)
    arguments = plain.parser().parse_args(["--check", "--workers", "3", "--env", "A=1", "app:app"])
    assert (arguments.check_config, arguments.workers, arguments.args) == (True, 3, ["app:app"])
    assert plain.keepalive == 2


def test_given_knows_what_and_where() -> None:
    """What the user set is told from what is default, with the place it came from."""
    cfg = Config()
    cfg.give("threads", 8, "gunicorn.conf.py")
    assert cfg.given == {"threads"}
    assert cfg.sources == {"threads": "gunicorn.conf.py"}
    assert cfg.changed("threads")


def test_giving_the_default_changes_nothing() -> None:
    """A default that the user writes down is given, but asks for nothing."""
    cfg = Config()
    cfg.give("workers", 0, "keyword")
    assert "workers" in cfg.given
    assert not cfg.changed("workers")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("threads", "many", "threads cannot be 'many' (keyword): it takes a whole number, 0 or more"),
        ("keepalive", 2.5, "keepalive cannot be 2.5 (keyword): it takes a whole number, 0 or more"),
        ("backlog", -1, "backlog cannot be -1 (keyword): it takes a whole number, 0 or more"),
        ("bind", 4242, "bind cannot be 4242 (keyword): it takes an address such as 127.0.0.1:5000"),
        ("bind", [], "bind cannot be [] (keyword): it takes an address"),
        ("bind", ":1,", "bind cannot be ':1,' (keyword): it takes an address"),
        ("reload", 1, "reload cannot be 1 (keyword): it takes True or False"),
        ("retire_timeout", -1, "retire_timeout cannot be -1 (keyword): not a number of seconds, 0 or more"),
        ("retire_timeout", "nan", "retire_timeout cannot be 'nan' (keyword): not a number of seconds"),
        ("retire_timeout", "soon", "retire_timeout cannot be 'soon' (keyword): not a number of seconds"),
        ("retire_timeout", True, "retire_timeout cannot be True (keyword): not a number of seconds"),
        ("boot_timeout", 0, "boot_timeout cannot be 0 (keyword): not a number of seconds, more than 0"),
        ("check", "healthz", "check cannot be 'healthz' (keyword): not a path that begins with /"),
        ("check", "/a b", "check cannot be '/a b' (keyword): it has characters that a request line cannot"),
        ("name", "4711", "name cannot be '4711' (keyword): a number would be taken for a pid"),
        ("name", " ", "name cannot be ' ' (keyword): not a name"),
        ("name", "a\nb", "name cannot be 'a\\nb' (keyword): a name has at most 200 printable bytes"),
        ("env_file", "/no/such", "env_file cannot be '/no/such' (keyword): /no/such does not exist"),
        ("run_dir", "", "run_dir cannot be '' (keyword): not a path"),
        ("post_fork", lambda a: None, "post_fork cannot be <function"),
        ("chdir", "/no/such", "chdir cannot be '/no/such' (keyword): can't chdir to '/no/such'"),
        ("forwarded_allow_ips", "10.0.0.1/8", "forwarded_allow_ips cannot be '10.0.0.1/8' (keyword): "),
    ],
)
def test_wrong_value(name: str, value: object, sentence: str) -> None:
    """A value that a setting cannot have is a sentence with name, value, place and what was expected."""
    cfg = Config()
    with pytest.raises(SettingError) as caught:
        cfg.give(name, value, "keyword")
    assert sentence in str(caught.value)
    assert name not in cfg.given


def test_paths_are_absolute_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means what it meant where it was given, whatever the directory is later."""
    monkeypatch.chdir(tmp_path)
    cfg = Config()
    cfg.give("run_dir", "run", "keyword")
    monkeypatch.chdir("/")
    assert cfg.run_dir == str(tmp_path / "run")


def test_start_directory_is_the_logical_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is taken when the configuration is made, and by the name the shell knows it by."""
    (tmp_path / "r1").mkdir()
    (tmp_path / "current").symlink_to("r1")
    monkeypatch.chdir(tmp_path / "current")
    monkeypatch.setenv("PWD", str(tmp_path / "current"))
    cfg = Config()
    assert cfg.start_directory == str(tmp_path / "current")
    assert cfg.chdir == str(tmp_path / "current")


def test_name_is_proc_name_where_not_given() -> None:
    """gunicorn's --name names the server for our commands too; name= wins."""
    cfg = Config()
    cfg.give("proc_name", "shop", "command line")
    assert cfg.name == "shop"
    cfg.give("name", "shop-blue", "keyword")
    assert cfg.name == "shop-blue"
    assert cfg.proc_name == "shop"


@starts_processes
def test_garbage_in_the_environment_is_a_sentence() -> None:
    """gunicorn's import fails on a WEB_CONCURRENCY that is no number; ours names it and says what to do."""
    result = python("import hotswap.settings.config", WEB_CONCURRENCY="lots")
    assert "WEB_CONCURRENCY='lots'" in result.stderr
    assert "make it a number, or unset it" in result.stderr.splitlines()[-1]


@starts_processes
def test_a_directory_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    """gunicorn's import fails where the current directory was removed; ours says so."""
    gone = str(tmp_path / "gone")
    leave = f"os.mkdir({gone!r}); os.chdir({gone!r}); os.rmdir({gone!r})"
    # gunicorn.util first: in such a directory CPython 3.13.0 cannot import socket.
    result = python(f"import hotswap, os, gunicorn.util; {leave}; import hotswap.settings.config")
    assert "the current directory no longer exists" in result.stderr.splitlines()[-1]
