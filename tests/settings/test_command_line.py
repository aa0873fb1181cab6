"""`from_command_line`: gunicorn's options, files and variables, in gunicorn's order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hotswap.errors import SettingError
from hotswap.settings import check, from_command_line


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to start in; sys.path and the conf file's module are as before afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "__config__", raising=False)
    return tmp_path


def test_application_and_options() -> None:
    """The application is the one positional argument, wherever it stands."""
    for argv in (["-b", ":80", "shop:app", "--threads", "4"], ["shop:app", "-b", ":80", "--threads=4"]):
        cfg, application = from_command_line(argv, {})
        assert (application, cfg.bind, cfg.threads, cfg.proc_name) == ("shop:app", [":80"], 4, "shop:app")
        assert cfg.sources == {"bind": "command line", "threads": "command line"}


def test_order_of_precedence(project: Path) -> None:
    """The command line wins over GUNICORN_CMD_ARGS, that over the conf file, that over variables."""
    (project / "gunicorn.conf.py").write_text("threads = 1\nkeepalive = 1\nbacklog = 1\nworkers = 1\n")
    environ = {"GUNICORN_CMD_ARGS": "--threads 2 --keep-alive 2", "WEB_CONCURRENCY": "7"}
    cfg, _ = from_command_line(["--threads", "3", "m"], environ)
    assert (cfg.threads, cfg.keepalive, cfg.backlog, cfg.workers) == (3, 2, 1, 1)
    assert cfg.sources["keepalive"] == "GUNICORN_CMD_ARGS"
    assert cfg.sources["backlog"] == str(project / "gunicorn.conf.py")


def test_variables() -> None:
    """WEB_CONCURRENCY is given by the user; PORT and FORWARDED_ALLOW_IPS are defaults, as for gunicorn."""
    environ = {"WEB_CONCURRENCY": "3", "PORT": "8080", "FORWARDED_ALLOW_IPS": "10.0.0.1"}
    cfg, _ = from_command_line(["m"], environ)
    assert (cfg.workers, cfg.bind, cfg.forwarded_allow_ips) == (3, ["0.0.0.0:8080"], ["10.0.0.1"])
    assert cfg.sources == {"workers": "WEB_CONCURRENCY"}


def test_web_concurrency_is_the_number_of_workers() -> None:
    """As in gunicorn; an option wins over it."""
    cfg, _ = from_command_line(["m"], {"WEB_CONCURRENCY": "3"})
    check(cfg)
    assert cfg.workers == 3
    cfg, _ = from_command_line(["-w", "0", "m"], {"WEB_CONCURRENCY": "3"})
    assert cfg.workers == 0


@pytest.mark.parametrize(
    ("argv", "environ", "bind"),
    [
        (["--host", "0.0.0.0"], {}, "0.0.0.0:5000"),
        (["--port", "0"], {}, "127.0.0.1:0"),
        (["--host", "::1", "--port", "80"], {}, "[::1]:80"),
        (["--host", "unix:///run/s"], {}, "unix:/run/s"),
        (["--host", "127.0.0.1"], {"PORT": "8080"}, "127.0.0.1:8080"),
        (["--port", "1"], {"GUNICORN_CMD_ARGS": "-b :2"}, "127.0.0.1:1"),
        (["-b", ":3"], {"GUNICORN_CMD_ARGS": "--port 2"}, ":3"),
    ],
)
def test_host_and_port(argv: list[str], environ: dict[str, str], bind: str) -> None:
    """As `flask run` has them; they take the place of --bind, and the later source wins."""
    cfg, _ = from_command_line([*argv, "m"], environ)
    assert cfg.bind == [bind]
    assert "bind" in cfg.given


def test_debug() -> None:
    """--debug is serve()'s debug=True, wherever it stands."""
    for argv, environ in ((["--debug"], {}), (["--port", "1"], {"GUNICORN_CMD_ARGS": "--debug"})):
        cfg, _ = from_command_line([*argv, "m"], environ)
        assert (cfg.debug, cfg.use_debugger, cfg.use_evalex, cfg.reload) == (True, True, True, True)
    cfg, _ = from_command_line(["--port", "1", "m"], {})
    assert (cfg.debug, cfg.use_debugger, cfg.reload) == (False, False, False)


@pytest.mark.parametrize("location", ["other.py", "file:other.py", "python:other", "settings.ini"])
def test_conf_file_forms(project: Path, location: str) -> None:
    """A path of any ending, file: and python: are read."""
    name = location.removeprefix("file:").replace("python:other", "other.py")
    (project / name).write_text("wsgi_app = 'shop:app'\nretire_timeout = 5\n")
    sys.modules.pop("other", None)
    cfg, application = from_command_line(["-c", location], {})
    assert (application, cfg.retire_timeout) == ("shop:app", 5)


def test_conf_file_named_in_the_environment(project: Path) -> None:
    """GUNICORN_CMD_ARGS may name the conf file, and the command line another one."""
    (project / "a.py").write_text("threads = 1\n")
    (project / "b.py").write_text("threads = 2\n")
    environ = {"GUNICORN_CMD_ARGS": "-c a.py"}
    assert from_command_line(["m"], environ)[0].threads == 1
    assert from_command_line(["-c", "b.py", "m"], environ)[0].threads == 2


def test_a_conf_file_may_import_the_project(project: Path) -> None:
    """The current directory is on sys.path before the conf file runs."""
    (project / "shop_numbers.py").write_text("THREADS = 9\n")
    (project / "gunicorn.conf.py").write_text("from shop_numbers import THREADS\nthreads = THREADS\n")
    assert from_command_line(["m"], {})[0].threads == 9


def test_hooks_of_a_conf_file(project: Path) -> None:
    """Functions with the names of hooks are the hooks."""
    (project / "gunicorn.conf.py").write_text("def when_ready(server):\n    return 'called'\n")
    cfg, _ = from_command_line(["m"], {})
    assert cfg.when_ready(None) == "called"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("threads = 'x'\n", "threads cannot be 'x' ({path}): it takes a whole number, 0 or more"),
        ("threads = (\n", "the configuration file {path} failed (SyntaxError: '(' was never closed, line 1)"),
        ("x = 1\nraise KeyError('gone')\n", "failed (KeyError: 'gone', line 2): correct it"),
        ("import no_such_module\n", "failed (ModuleNotFoundError: No module named 'no_such_module', line 1)"),
        ("def post_fork(server):\n    pass\n", "post_fork cannot be <function post_fork"),
    ],
)
def test_wrong_conf_file(project: Path, text: str, sentence: str) -> None:
    """A conf file that fails is a sentence with file, error and line; nothing is printed, and it does not exit."""
    path = project / "gunicorn.conf.py"
    path.write_text(text)
    with pytest.raises(SettingError) as caught:
        from_command_line(["m"], {})
    assert sentence.format(path=path) in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "environ", "sentence"),
    [
        ([], {}, "no application is named: write hotswap run module:app"),
        (["a", "b"], {}, "takes one application, not 2 (a b)"),
        (["-c", "nowhere.py", "m"], {}, "the configuration file nowhere.py does not exist"),
        (["-c", "python:no_such_conf", "m"], {}, "the configuration module no_such_conf failed"),
        (["m"], {"GUNICORN_CMD_ARGS": "'open"}, "cannot read GUNICORN_CMD_ARGS (No closing quotation)"),
        (["m"], {"WEB_CONCURRENCY": "lots"}, "workers cannot be 'lots' (WEB_CONCURRENCY)"),
        (["m"], {"FORWARDED_ALLOW_IPS": "x"}, "cannot use forwarded_allow_ips = 'x'"),
        (["--port", "x", "m"], {}, "port cannot be 'x'"),
        (["-b", ":1", "--port", "2", "m"], {}, "the address is given twice, by --bind and --host or --port (command"),
        (["--check", "healthz", "m"], {}, "check cannot be 'healthz' (command line): not a path"),
    ],
)
def test_wrong_command_line(argv: list[str], environ: dict[str, str], sentence: str) -> None:
    """What is wrong is a sentence that names the place."""
    with pytest.raises(SettingError) as caught:
        from_command_line(argv, environ)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "environ", "beginning"),
    [
        (["--threads", "x", "m"], {}, "hotswap run: error: argument --threads: invalid int value: 'x'"),
        (["--no-such", "m"], {}, "hotswap run: error: unrecognized arguments: --no-such"),
        (["m"], {"GUNICORN_CMD_ARGS": "--threads x"}, "GUNICORN_CMD_ARGS: error: argument --threads"),
    ],
)
def test_usage_errors(
    argv: list[str], environ: dict[str, str], beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What argparse refuses exits with 2, and says whose arguments they were."""
    with pytest.raises(SystemExit) as caught:
        from_command_line(argv, environ)
    assert caught.value.code == 2
    assert beginning in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows gunicorn's options and ours, and which of them this version does not take."""
    with pytest.raises(SystemExit) as caught:
        from_command_line(["--help"], {})
    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    assert "--retire-timeout SECONDS" in text
    assert "--reuse-port connections queued on a closing SO_REUSEPORT socket are lost" in text


@pytest.mark.parametrize(
    ("argv", "preload"), [(["m"], True), (["--no-preload", "m"], False), (["--preload", "m"], True)]
)
def test_preload(argv: list[str], preload: bool) -> None:
    """Preloading is on, and there is an option to turn it off."""
    assert from_command_line(argv, {})[0].preload_app is preload


def test_the_command_is_named_that_was_typed() -> None:
    """Other commands take the same arguments."""
    with pytest.raises(SettingError, match="write hotswap systemd-unit module:app"):
        from_command_line([], {}, "hotswap systemd-unit")


@pytest.mark.parametrize(
    ("argv", "environ", "name"),
    [
        (["shop:create", "--factory"], {}, "shop:create()"),
        (["--factory", "shop:create('x')"], {}, "shop:create('x')"),
        (["shop", "--factory"], {}, "shop:application()"),
        (["shop:create"], {"GUNICORN_CMD_ARGS": "--factory"}, "shop:create()"),
        (["shop:create"], {}, "shop:create"),
    ],
)
def test_factory(argv: list[str], environ: dict[str, str], name: str) -> None:
    """uvicorn's option says that the application has to be made first; what is called already stays as it is."""
    assert from_command_line(argv, environ)[1] == name


def test_uvicorns_options() -> None:
    """Its names beside gunicorn's, and what only can be switched off."""
    cfg, _ = from_command_line(["m", "--loop", "uvloop", "--lifespan", "off", "--limit-concurrency", "7"], {})
    assert (cfg.asgi_loop, cfg.asgi_lifespan, cfg.limit_concurrency) == ("uvloop", "off", 7)
    assert (cfg.date_header, cfg.server_header) == (True, True)
    cfg, _ = from_command_line(["m", "--no-date-header", "--no-server-header", "--asgi-loop", "asyncio"], {})
    assert (cfg.asgi_loop, cfg.date_header, cfg.server_header) == ("asyncio", False, False)
