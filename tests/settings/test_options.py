"""The typed views say what the settings say, and know how to read a plain gunicorn Config."""

from __future__ import annotations

import pytest
from gunicorn.config import Config as GunicornConfig

from hotswap.settings import from_keywords
from hotswap.settings.options import ClusterOptions, EngineOptions, LeaveOptions, ServerOptions


def test_what_the_user_gave_is_seen() -> None:
    """Each view reads the settings of its part, in seconds and bytes."""
    given = {"graceful_timeout": 7, "retire_timeout": 8, "boot_timeout": 9, "threads": 3, "keepalive": 4, "workers": 2}
    cfg = from_keywords(dict(given), None)
    assert LeaveOptions.from_config(cfg) == LeaveOptions(7.0, 8.0)
    assert EngineOptions.from_config(cfg).threads == 3
    assert EngineOptions.from_config(cfg).keepalive_s == 4.0
    assert ClusterOptions.from_config(cfg).workers == 2
    assert ServerOptions.from_config(cfg).boot_timeout_s == 9.0


def test_a_plain_gunicorn_config_gets_our_defaults() -> None:
    """`gunicorn -k hotswap.Worker` has no setting of ours."""
    cfg = GunicornConfig()
    assert LeaveOptions.from_config(cfg).retire_timeout_s == 600.0
    assert EngineOptions.from_config(cfg).body_buffer_bytes == 1 << 20


@pytest.mark.parametrize(
    "name",
    ["permit_obsolete_folding", "strip_header_spaces", "casefold_http_method", "permit_unconventional_http_version"],
)
def test_settings_that_loosen_the_rules_ask_for_the_strict_parser(name: str) -> None:
    """The fast reader does not know them."""
    assert not EngineOptions.from_config(from_keywords({}, None)).strict_parser_only
    assert EngineOptions.from_config(from_keywords({name: True}, None)).strict_parser_only


def test_views_are_frozen() -> None:
    """They are read on many threads."""
    with pytest.raises(AttributeError):
        LeaveOptions.from_config(from_keywords({}, None)).graceful_timeout_s = 1.0  # type: ignore[misc]


def test_what_an_asgi_engine_is_told() -> None:
    """Its own settings and gunicorn's; graceful_timeout bounds the shutdown."""
    given = {"loop": "asyncio", "root_path": "/api", "limit_concurrency": 7, "graceful_timeout": 5, "boot_timeout": 9}
    asgi = EngineOptions.from_config(from_keywords(dict(given), None)).asgi
    assert (asgi.loop, asgi.lifespan, asgi.root_path, asgi.limit_concurrency) == ("asyncio", "auto", "/api", 7)
    assert (asgi.date_header, asgi.server_header, asgi.debug) == (True, True, False)
    assert (asgi.boot_timeout_s, asgi.shutdown_timeout_s) == (9.0, 5.0)
    assert EngineOptions.from_config(from_keywords({"debug": True}, None)).asgi.debug
    plain = EngineOptions.from_config(GunicornConfig()).asgi
    assert (plain.limit_concurrency, plain.date_header, plain.boot_timeout_s) == (0, True, 60.0)
