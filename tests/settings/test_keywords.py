"""`from_keywords`: what `hotswap.serve()` takes, app.run()'s arguments too, and what it does not read."""

from __future__ import annotations

import ssl
import types
from pathlib import Path

import flask
import pytest

from hotswap.apps.flask_address import default_address
from hotswap.errors import SettingError
from hotswap.settings import from_keywords
from hotswap.settings.keywords import program_name


@pytest.mark.parametrize(
    ("keywords", "bind"),
    [
        ({"host": "0.0.0.0", "port": 4242}, ["0.0.0.0:4242"]),
        ({"port": 4242}, ["127.0.0.1:4242"]),
        ({"port": "8080"}, ["127.0.0.1:8080"]),
        ({"host": "0.0.0.0"}, ["0.0.0.0:5000"]),
        ({"host": "::1", "port": 0}, ["[::1]:0"]),
        ({"host": "[::]", "port": 1}, ["[::]:1"]),
        ({"host": "unix:///run/app.sock"}, ["unix:/run/app.sock"]),
        ({"host": None, "port": None}, ["127.0.0.1:5000"]),
        ({"bind": ":1, :2"}, [":1", ":2"]),
        ({"bind": [":1", ":2"]}, [":1", ":2"]),
        ({}, ["127.0.0.1:5000"]),
    ],
)
def test_addresses(keywords: dict[str, object], bind: list[str]) -> None:
    """host= and port= mean what they mean to app.run(); bind= what it means to gunicorn."""
    cfg = from_keywords(keywords)
    assert cfg.bind == bind
    assert ("bind" in cfg.given) == any(value is not None for value in keywords.values())


@pytest.mark.parametrize("address", ["0.0.0.0:4242", ["0.0.0.0:4242"], ("0.0.0.0:4242",)])
def test_the_positional_address(address: str | list[str]) -> None:
    """serve()'s second argument is the address, or a list of them."""
    assert from_keywords({}, address).bind == ["0.0.0.0:4242"]


@pytest.mark.parametrize("keywords", [{"bind": ":1"}, {"host": "::1"}, {"port": 1}])
def test_an_address_given_twice(keywords: dict[str, object]) -> None:
    """Two addresses in two ways are not guessed about."""
    with pytest.raises(SettingError, match="the address is given twice"):
        from_keywords(keywords, ":2")


def test_bind_and_port() -> None:
    """bind= and port= together are two answers to one question."""
    with pytest.raises(SettingError, match="given twice, in port="):
        from_keywords({"bind": ":1", "port": 2})


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"port": "http"}, "port cannot be 'http': it takes a whole number"),
        ({"port": True}, "port cannot be True"),
        ({"port": -1}, "port cannot be -1"),
        ({"host": 7}, "host cannot be 7: it takes a text"),
        ({"host": ""}, "host cannot be ''"),
        ({"host": "0.0.0.0:80"}, 'write the address as one, hotswap.serve(app, "0.0.0.0:80")'),
        ({"threds": 4}, "there is no setting 'threds': did you mean threads?"),
        ({"keep_alive": 4}, "there is no setting 'keep_alive': did you mean keepalive?"),
        ({"timeout_keep_alive": 4}, "there is no setting 'timeout_keep_alive': did you mean keepalive?"),
        ({"uds": "/x"}, "there is no setting 'uds': did you mean bind='unix:PATH'?"),
        ({"loop": "uvloop", "asgi_loop": "auto"}, "loop and asgi_loop say the same thing: give one of them"),
        ({"loop": "trio"}, "asgi_loop cannot be 'trio' (keyword): "),
        ({"limit_concurrency": -1}, "limit_concurrency cannot be -1 (keyword): it takes a whole number, 0 or more"),
        ({"zzzzzz": 4}, "there is no setting 'zzzzzz': hotswap run --help lists the settings"),
        ({"threads": "x"}, "threads cannot be 'x' (keyword): it takes a whole number, 0 or more"),
        ({"extra_files": ["a"]}, "extra_files is for watching files in development: give debug=True"),
        ({"debug": True, "use_reloader": False, "reloader_interval": 1}, "reloader_interval is for watching files"),
        ({"use_reloader": True, "reload": True}, "use_reloader and reload say the same thing: give one of them"),
        ({"debug": True, "extra_files": "a.html"}, "extra_files cannot be 'a.html': it takes a list of paths"),
        ({"debug": True, "exclude_patterns": [1]}, "exclude_patterns cannot be [1]: it takes a list of patterns"),
        ({"debug": True, "reloader_interval": 0}, "reloader_interval cannot be 0: it takes a number of seconds"),
        ({"debug": True, "reloader_type": "inotify"}, "reloader_type cannot be 'inotify': it takes auto, stat or"),
        ({"request_handler": object}, "request_handler is for werkzeug's server"),
        ({"static_files": {"/s": "s"}}, "wrap the application in werkzeug.middleware.shared_data"),
        ({"load_dotenv": True}, "give env_file='.env'"),
        ({"passthrough_errors": True}, "passthrough_errors is for werkzeug's server"),
        ({"threaded": False, "threads": 3}, "threaded and threads say the same thing: give one of them"),
        ({"processes": 2, "workers": 3}, "processes and workers say the same thing: give one of them"),
        ({"ssl_context": 5}, "ssl_context cannot be 5: it takes an ssl.SSLContext"),
        ({"ssl_context": lambda a: None}, "ssl_context cannot be <function"),
        ({"wsgi_app": "m:app"}, "wsgi_app (keyword) is for hotswap run: serve() is given the application"),
        ({"daemon": True}, "use hotswap run --daemon"),
        ({"print_config": True}, "print_config (keyword) is for hotswap run"),
        ({"config": 5}, "config cannot be 5: it takes a path"),
        ({"config": "/no/such.py"}, "the configuration file /no/such.py does not exist"),
    ],
)
def test_refused(keywords: dict[str, object], sentence: str) -> None:
    """What cannot be done is one sentence that says what to write instead."""
    with pytest.raises(SettingError) as caught:
        from_keywords(keywords)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "keywords",
    [
        {"use_reloader": False, "load_dotenv": False, "passthrough_errors": False, "static_files": None},
        {"threaded": True, "processes": 1, "request_handler": None, "ssl_context": None, "debug": False},
        {"pidfile": None, "certfile": None, "workers": None, "config": None},
    ],
)
def test_what_asks_for_nothing(keywords: dict[str, object]) -> None:
    """Arguments that say no, and None, are the same as leaving them out."""
    cfg = from_keywords(keywords)
    assert not cfg.given
    assert not cfg.debug


@pytest.mark.parametrize(
    ("name", "keywords", "bind"),
    [
        ("shop.test:8000", {}, "shop.test:8000"),
        ("shop.test", {}, "shop.test:5000"),
        (":8000", {}, "127.0.0.1:8000"),
        ("[::1]:8000", {}, "[::1]:8000"),
        ("shop.test:8000", {"host": "0.0.0.0"}, "0.0.0.0:8000"),
        ("shop.test:8000", {"port": 0}, "shop.test:0"),
        ("shop.test:8000", {"bind": ":1"}, ":1"),
        ("shop.test:x", {"host": "::", "port": 1}, "[::]:1"),
        (None, {}, "127.0.0.1:5000"),
        (7, {}, "127.0.0.1:5000"),
    ],
)
def test_server_name(name: object, keywords: dict[str, object], bind: str) -> None:
    """A Flask application's SERVER_NAME has what the caller does not say, as in `app.run()`; it is a default only."""
    app = flask.Flask("shop")
    app.config["SERVER_NAME"] = name
    cfg = from_keywords(keywords, None, default_address(app))
    assert cfg.bind == [bind]
    assert ("bind" in cfg.given) == bool(keywords)


def test_server_name_that_is_no_address() -> None:
    """The sentence names the variable: the caller has written no port."""
    app = flask.Flask("shop")
    app.config["SERVER_NAME"] = "shop.test:eighty"
    with pytest.raises(SettingError, match=r"port cannot be 'eighty'.*SERVER_NAME = 'shop.test:eighty'"):
        from_keywords({}, None, default_address(app))


def test_server_name_of_other_frameworks() -> None:
    """There it may mean something else."""
    app = types.SimpleNamespace(config={"SERVER_NAME": "shop.test:8000"})
    assert default_address(app) is None


def test_debug() -> None:
    """debug=True means the debugger and the file watch, and takes the arguments of the latter along."""
    cfg = from_keywords({"debug": True, "extra_files": ["a.html"], "reloader_interval": 2})
    assert (cfg.debug, cfg.use_debugger, cfg.use_evalex, cfg.reload) == (True, True, True, True)
    assert cfg.run_arguments == {"extra_files": ["a.html"], "reloader_interval": 2}


@pytest.mark.parametrize(
    ("keywords", "watches"),
    [
        ({"debug": True}, True),
        ({"debug": True, "use_reloader": False}, False),
        ({"debug": True, "reload": False}, False),
        ({"use_reloader": True}, True),
        ({"reload": True, "extra_files": ["a"]}, True),
        ({"use_debugger": True}, False),
    ],
)
def test_file_watching_apart_from_debug(keywords: dict[str, object], watches: bool) -> None:
    """use_reloader is app.run()'s word for gunicorn's `reload`, and debug=True means it unless told otherwise."""
    assert from_keywords(keywords).reload is watches


def test_debugger_apart_from_debug() -> None:
    """use_debugger and use_evalex are for themselves, as in werkzeug."""
    cfg = from_keywords({"debug": True, "use_debugger": False, "use_evalex": False})
    assert (cfg.debug, cfg.use_debugger, cfg.use_evalex) == (True, False, False)
    assert from_keywords({"use_debugger": True}).use_debugger


def test_threaded_and_processes() -> None:
    """threaded=False is one request at a time; processes=N are workers."""
    assert from_keywords({"threaded": False}).threads == 1
    assert from_keywords({"processes": 3}).workers == 3


def test_ssl_context_is_told_apart_by_type() -> None:
    """A function is gunicorn's hook, a pair are files, a context or "adhoc" is app.run()'s."""

    def hook(config: object, factory: object) -> None:
        """As gunicorn calls it."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert from_keywords({"ssl_context": hook}).settings["ssl_context"].get() is hook
    pair = from_keywords({"ssl_context": ("cert.pem", "key.pem")})
    assert (pair.certfile, pair.keyfile) == ("cert.pem", "key.pem")
    assert from_keywords({"ssl_context": context}).run_arguments["ssl_context"] is context
    assert from_keywords({"ssl_context": "adhoc"}).run_arguments["ssl_context"] == "adhoc"


def test_hooks_have_gunicorns_arity() -> None:
    """A hook is taken with the arguments that gunicorn passes; post_request may have two, three or four."""
    calls: list[tuple[object, ...]] = []
    cfg = from_keywords({"post_request": lambda worker, req: calls.append((worker, req))})
    cfg.post_request(1, 2, 3, 4)
    assert calls == [(1, 2)]
    with pytest.raises(SettingError, match="Value must have an arity of: 1"):
        from_keywords({"when_ready": lambda: None})


def test_nothing_is_read_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor a gunicorn.conf.py in the current directory reach serve()."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text("threads = 3\n")
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads 5")
    monkeypatch.setenv("PORT", "8080")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    cfg = from_keywords({})
    assert (cfg.workers, cfg.threads, cfg.bind) == (0, 64, ["127.0.0.1:5000"])
    assert cfg.forwarded_allow_ips == ["127.0.0.1", "::1"]


def test_a_conf_file_that_is_named(tmp_path: Path) -> None:
    """config= reads that file, and a keyword wins over it."""
    conf = tmp_path / "settings.py"
    conf.write_text("threads = 3\nkeepalive = 9\nretire_timeout = 5\nnothing_of_ours = object()\n")
    cfg = from_keywords({"config": conf, "threads": 4})
    assert (cfg.threads, cfg.keepalive, cfg.retire_timeout) == (4, 9, 5)
    assert (cfg.sources["threads"], cfg.sources["keepalive"]) == ("keyword", str(conf))


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["app.py"], "app"),
        (["/srv/shop/serve.py", "-x"], "serve"),
        (["/srv/shop/__main__.py"], "shop"),
        (["/usr/bin/tool"], "tool"),
        (["-c"], "app"),
        ([""], "app"),
        ([], "app"),
    ],
)
def test_program_name(argv: list[str], name: str) -> None:
    """Titles call the program by its script, or its package."""
    assert program_name(argv) == name


def test_uvicorns_names() -> None:
    """Two of them are taken for the settings that they are; of the others it is said what they are called."""
    cfg = from_keywords({"loop": "asyncio", "lifespan": "on", "server_header": False, "date_header": False})
    assert (cfg.asgi_loop, cfg.asgi_lifespan, cfg.server_header, cfg.date_header) == ("asyncio", "on", False, False)
