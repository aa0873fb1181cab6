"""The table of what is honoured, different and refused, and `check`, which refuses by it."""

from __future__ import annotations

import ast
import inspect
import ssl

import pytest
from gunicorn import config as gunicorn_config

from hotswap.errors import SettingError
from hotswap.settings import SUPPORT, Config, check, from_keywords, support
from hotswap.settings.support import Kind


def refused_sample(name: str) -> object:
    """Return a value other than the default for a setting that this version refuses."""
    samples: dict[str, object] = {
        "http_protocols": "h2,h1",
        "control_socket_disable": False,
    }
    default = Config().settings[name].get()
    if name in samples:
        return samples[name]
    if callable(default):
        return _hook(gunicorn_config.util.get_arity(default))
    return {bool: True, int: 7, float: 7.0, list: ["some"]}.get(type(default), "some")


def _hook(arity: int) -> object:
    return [lambda: None, lambda a: None, lambda a, b: None, lambda a, b, c: None, lambda a, b, c, d: None][arity]


REFUSED = [name for name, row in SUPPORT.items() if row.kind is Kind.REFUSED]


def test_every_setting_has_a_row() -> None:
    """A setting that gunicorn or we have, and the table has not, would be accepted and do nothing."""
    assert set(Config().settings) == set(SUPPORT)


def test_a_row_stands_once() -> None:
    """The groups of the table do not overlap: a name in two of them would have two truths."""
    source = ast.parse(inspect.getsource(support))
    keys = [
        key.value
        for node in ast.walk(source)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]
    assert sorted(keys) == sorted(set(keys))


def test_rows_that_are_not_simply_honoured_say_why() -> None:
    """What is different or refused has a sentence for its users."""
    assert not [name for name, row in SUPPORT.items() if row.kind is not Kind.HONOURED and not row.sentence]


def test_defaults_are_never_refused() -> None:
    """A fresh configuration passes, and so does one in which every default is written down."""
    cfg = Config()
    check(cfg)
    for name in REFUSED:
        cfg.give(name, _as_written(cfg.settings[name].get()), "gunicorn.conf.py")
    check(cfg)


def _as_written(value: object) -> object:
    return ",".join(value) if value == ["h1"] and isinstance(value, list) else value


@pytest.mark.parametrize("name", REFUSED)
def test_refused_setting(name: str) -> None:
    """A refused setting is named with its value, the place it was given at and the sentence of the table."""
    cfg = Config()
    cfg.give(name, refused_sample(name), "gunicorn.conf.py")
    with pytest.raises(SettingError) as caught:
        check(cfg)
    text = str(caught.value)
    assert text.startswith(f"{name} = ")
    assert "(gunicorn.conf.py) is refused: " in text
    assert text.endswith(SUPPORT[name].sentence)
    assert " at 0x" not in text


def test_all_refusals_at_once() -> None:
    """A user that asks for three things that are refused reads three lines at once, not one after the other."""
    cfg = from_keywords({"spew": True, "reuse_port": True, "paste": "p.ini"})
    with pytest.raises(SettingError) as caught:
        check(cfg)
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == [
        "spew",
        "reuse_port",
        "paste",
    ]


def test_the_fast_parser_with_what_it_does_not_know() -> None:
    """gunicorn would raise at each request: for these settings, or because gunicorn_h1c is not installed."""
    cfg = from_keywords({"http_parser": "fast", "strip_header_spaces": True})
    with pytest.raises(SettingError) as caught:
        check(cfg)
    assert str(caught.value).startswith("http_parser = 'fast' (keyword) is refused: ")
    assert str(caught.value).endswith("(http_parser = 'auto' is as fast: hotswap reads heads itself)")


@pytest.mark.parametrize("context", [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "adhoc", ("c.pem", "k.pem")])
def test_tls_of_app_run(context: object) -> None:
    """app.run()'s ssl_context, in each of its forms, means HTTPS; a hook alone does not, as in gunicorn."""
    cfg = from_keywords({"ssl_context": context})
    check(cfg)
    assert cfg.is_ssl
    assert not from_keywords({"ssl_context": lambda config, factory: factory()}).is_ssl


def test_a_setting_the_table_does_not_know() -> None:
    """What a gunicorn newer than the table brings is refused when given: nothing here would do it."""
    cfg = Config()
    newer = cfg.settings["paste"].copy()
    newer.name = "teleport"
    cfg.settings["teleport"] = newer
    check(cfg)
    cfg.give("teleport", "now", "keyword")
    with pytest.raises(SettingError, match="does not know the setting: leave it out"):
        check(cfg)
