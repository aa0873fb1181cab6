"""docs/from-uvicorn.md: each row of its table is true, and none of uvicorn's options is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from hotswap.errors import SettingError
from hotswap.settings import Config, from_command_line, from_keywords
from hotswap.settings.options import EngineOptions
from tests.harness import ROOT

_PAGE = (ROOT / "docs" / "from-uvicorn.md").read_text()
_OPTION = re.compile(r"--[a-z0-9-]+")

Check = Callable[[pytest.CaptureFixture[str]], None]


def means(*options: str, **settings: Any) -> Check:
    """These options of `hotswap run` make these settings."""

    def check(_output: pytest.CaptureFixture[str]) -> None:
        cfg = configured(*options)
        assert {name: getattr(cfg, name) for name in settings} == settings

    return check


def tells_the_engine(*options: str, **told: Any) -> Check:
    """These options reach the engine for ASGI as such."""

    def check(_output: pytest.CaptureFixture[str]) -> None:
        asgi = EngineOptions.from_config(configured(*options)).asgi
        assert {name: getattr(asgi, name) for name in told} == told

    return check


def is_called(option: str, other: str) -> Check:
    """uvicorn's option is refused with the name of the other, or with none."""

    def check(output: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as refused:
            configured(option)
        said = output.readouterr().err
        assert refused.value.code == 2
        assert f"unrecognized arguments: {option}" in said
        assert (f"did you mean {other}" in said) if other else True

    return check


def keyword_is_called(keyword: str, other: str) -> Check:
    """The same for a keyword of `uvicorn.run()`."""

    def check(_output: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SettingError, match=re.escape(f"there is no setting {keyword!r}: did you mean {other}")):
            from_keywords({keyword: "x"})

    return check


def configured(*options: str) -> Config:
    """What `hotswap run` makes of them."""
    return from_command_line([*options, "shop:app"], {})[0]


def application(*options: str, name: str) -> Check:
    """The application that these options name."""

    def check(_output: pytest.CaptureFixture[str]) -> None:
        assert from_command_line(list(options), {})[1] == name

    return check


def concurrency(_output: pytest.CaptureFixture[str]) -> None:
    """uvicorn's variable, and no worker without it."""
    assert from_command_line(["m"], {"WEB_CONCURRENCY": "3"})[0].workers == 3
    assert from_command_line(["m"], {})[0].workers == 0


def watches_a_file(_output: pytest.CaptureFixture[str]) -> None:
    """One that is there."""
    Path("page.html").touch()
    files = configured("--reload-extra-file", "page.html").reload_extra_files
    assert [Path(file).name for file in files] == ["page.html"]


def watches_otherwise(_output: pytest.CaptureFixture[str]) -> None:
    """The two are keywords, as of `app.run()`."""
    found = from_keywords({"reload": True, "exclude_patterns": ["*.log"], "reloader_interval": 0.25}).run_arguments
    assert (found["exclude_patterns"], found["reloader_interval"]) == (["*.log"], 0.25)


def makes_a_context(_output: pytest.CaptureFixture[str]) -> None:
    """gunicorn's hook."""
    assert callable(configured().ssl_context)


def has_variables(_output: pytest.CaptureFixture[str]) -> None:
    """Of a file that is there."""
    Path(".env").touch()
    assert Path(configured("--env-file", ".env").env_file).name == ".env"


#: By the first cell of the row.
ROWS: dict[str, list[Check]] = {
    "`--host`, `--port`": [
        means("--host", "0.0.0.0", "--port", "8000", bind=["0.0.0.0:8000"]),
        means("--bind", ":1", "--bind", "unix:/path", bind=[":1", "unix:/path"]),
    ],
    "`--uds`, `--fd`": [
        is_called("--uds", "--bind unix:PATH"),
        is_called("--fd", "--bind fd://N"),
        means("--bind", "unix:/path", "--bind", "fd://3", bind=["unix:/path", "fd://3"]),
    ],
    "`--workers`": [means("--workers", "4", workers=4), concurrency],
    "`--factory`": [
        application("--factory", "shop:create_app", name="shop:create_app()"),
        application("shop:create_app()", name="shop:create_app()"),
    ],
    "`--app-dir`": [is_called("--app-dir", "--chdir"), means("--pythonpath", "src", pythonpath="src")],
    "`--reload`, `--reload-dir`, `--reload-include`": [
        means("--reload", reload=True),
        watches_a_file,
        is_called("--reload-dir", "--reload-extra-file"),
        is_called("--reload-include", "--reload-extra-file"),
    ],
    "`--reload-exclude`, `--reload-delay`": [
        keyword_is_called("reload_excludes", "exclude_patterns"),
        keyword_is_called("reload_delay", "reloader_interval"),
        watches_otherwise,
    ],
    "`--loop`": [
        *(tells_the_engine("--loop", loop, loop=loop) for loop in ("auto", "asyncio", "uvloop")),
        tells_the_engine("--asgi-loop", "asyncio", loop="asyncio"),
    ],
    "`--lifespan`": [
        *(tells_the_engine("--lifespan", one, lifespan=one) for one in ("auto", "on", "off")),
        tells_the_engine("--asgi-lifespan", "off", lifespan="off"),
    ],
    "`--interface`": [is_called("--interface", "")],
    "`--ws`": [is_called("--ws", "")],
    "`--ws-max-size`, `--ws-ping-interval`, `--ws-ping-timeout`": [
        tells_the_engine("--ws-max-size", "1000", ws_max_size=1000),
        tells_the_engine("--ws-ping-interval", "5", ws_ping_interval_s=5),
        tells_the_engine("--ws-ping-timeout", "6", ws_ping_timeout_s=6),
    ],
    "`--ws-per-message-deflate false`": [
        is_called("--ws-per-message-deflate", "--no-ws-per-message-deflate"),
        tells_the_engine("--no-ws-per-message-deflate", ws_per_message_deflate=False),
    ],
    "`--ws-max-queue`": [is_called("--ws-max-queue", "")],
    "`--http`, `--http2`": [means("--http-parser", "python", http_parser="python")],
    "`--h11-max-incomplete-event-size`": [
        is_called("--h11-max-incomplete-event-size", "--limit-request-line"),
        means("--limit-request-line", "9", "--limit-request-field_size", "8", limit_request_line=9,
              limit_request_field_size=8),
    ],
    "`--root-path`": [tells_the_engine("--root-path", "/shop", root_path="/shop")],
    "`--proxy-headers`, `--forwarded-allow-ips`": [
        is_called("--proxy-headers", "--forwarded-allow-ips"),
        means("--forwarded-allow-ips", "10.0.0.1", forwarded_allow_ips=["10.0.0.1"]),
        means("--proxy-protocol", "v2", proxy_protocol="v2"),
    ],
    "`--no-server-header`, `--no-date-header`": [
        tells_the_engine("--no-server-header", "--no-date-header", server_header=False, date_header=False)
    ],
    "`--header`": [is_called("--header", "")],
    "`--limit-concurrency`": [tells_the_engine("--limit-concurrency", "7", limit_concurrency=7)],
    "`--limit-max-requests`, `--limit-max-requests-jitter`": [
        is_called("--limit-max-requests", "--max-requests NUMBER"),
        is_called("--limit-max-requests-jitter", "--max-requests-jitter"),
        means("--max-requests", "9", "--max-requests-jitter", "2", max_requests=9, max_requests_jitter=2),
    ],
    "`--backlog`": [means("--backlog", "9", backlog=9)],
    "`--timeout-keep-alive`": [
        is_called("--timeout-keep-alive", "--keep-alive"), means("--keep-alive", "5", keepalive=5), means(keepalive=75),
    ],
    "`--timeout-graceful-shutdown`": [
        is_called("--timeout-graceful-shutdown", "--graceful-timeout"),
        means("--graceful-timeout", "5", "--retire-timeout", "6", graceful_timeout=5, retire_timeout=6),
    ],
    "`--timeout-worker-healthcheck`": [
        is_called("--timeout-worker-healthcheck", "--timeout"), means("--timeout", "5", timeout=5),
    ],
    "`--ssl-keyfile`, `--ssl-certfile`, `--ssl-ca-certs`, `--ssl-ciphers`, `--ssl-cert-reqs`": [
        *(is_called(f"--ssl-{name}", f"--{name}") for name in ("keyfile", "certfile", "ca-certs")),
        *(is_called(f"--ssl-{name}", f"--{name}") for name in ("ciphers", "cert-reqs")),
        means("--ciphers", "HIGH", "--cert-reqs", "2", ciphers="HIGH", cert_reqs=2),
    ],
    "`--ssl-version`, `--ssl-keyfile-password`": [
        is_called("--ssl-keyfile-password", ""),
        makes_a_context,
    ],
    "`--env-file`": [has_variables],
    "`--log-config`, `--log-level`": [
        means("--log-config", "log.ini", "--log-level", "debug", logconfig="log.ini", loglevel="debug"),
        means("--log-config-json", "log.json", logconfig_json="log.json"),
    ],
    "`--access-log`, `--no-access-log`": [
        is_called("--access-log", "--access-logfile -"), means("--access-logfile", "-", accesslog="-"),
        means(accesslog=None),
    ],
    "`--use-colors`": [is_called("--use-colors", "")],
    "`--reset-contextvars`": [is_called("--reset-contextvars", "")],
}  # fmt: skip


def rows() -> list[str]:
    """The first cells of the page's table."""
    table = _PAGE.partition("\n| uvicorn | hotswap |\n|---|---|\n")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()]


def test_each_row_is_tested() -> None:
    assert sorted(rows()) == sorted(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_the_row_is_true(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for check in ROWS[row]:
        check(capsys)


def test_no_option_of_uvicorns_is_missing() -> None:
    """Of the newest that the tests install."""
    parameters: Any = uvicorn.main.params  # click has made a command of the function
    there = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    there = {option for option in there if option.startswith("--")} - {"--version", "--help"}
    named = {option for row in rows() for option in _OPTION.findall(row)}
    named |= {option.replace("--no-", "--") for option in named} | {"--no-" + option[2:] for option in named}
    assert sorted(there - named) == []
