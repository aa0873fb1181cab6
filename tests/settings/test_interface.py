"""What an application's signature tells: a factory is refused, and nothing that could be an application."""

from __future__ import annotations

import functools
import unittest.mock
from collections.abc import Callable
from typing import Any

import flask
import pytest

from hotswap.apps.interface import is_factory


def application(environ: Any, start_response: Any) -> list[bytes]:
    return []


def with_defaults(environ: Any = None, start_response: Any = None) -> list[bytes]:
    return []


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    pass


def asgi2(scope: Any) -> Callable[..., Any]:
    return asgi


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        return function(*arguments, **keywords)

    return wrapper


def anything(*arguments: Any) -> Any:
    return None


def create_app() -> Callable[..., Any]:
    return application


@functools.wraps(create_app)
def lazy(environ: Any, start_response: Any) -> Any:
    return create_app()(environ, start_response)


def create_with(config: Any = None) -> Callable[..., Any]:
    return application


def create_with_two(config: Any = None, *, testing: bool = False) -> Callable[..., Any]:
    return application


def create_with_many(config: Any = None, testing: bool = False, name: str = "") -> Callable[..., Any]:
    return application


def create_needs(config: Any) -> Callable[..., Any]:
    return application


class PerRequest:
    def __init__(self, environ: Any, start_response: Any) -> None:
        self.environ = environ

    def __iter__(self) -> Any:
        return iter(())


class Site:
    def __init__(self, name: str = "") -> None:
        self.name = name

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def create(self) -> Callable[..., Any]:
        return application


@pytest.mark.parametrize(
    "app",
    [
        application,
        with_defaults,
        asgi,
        asgi2,
        anything,
        decorated(application),
        lazy,
        PerRequest,
        Site(),
        flask.Flask("site"),
        flask.Flask("site").wsgi_app,
        functools.partial(application),
        functools.partial(anything, 1),
        functools.partial(lambda name, environ, start_response: [], "shop"),
        unittest.mock.Mock(),
        # It needs an argument: which one, only its author knows.
        create_needs,
        print,
        iter,
    ],
)
def test_what_may_be_an_application(app: object) -> None:
    """Functions, objects, classes whose instance is the answer, partials, decorated ones, what tells no signature."""
    assert not is_factory(app)


@pytest.mark.parametrize(
    "app",
    [
        create_app,
        create_with,
        create_with_two,
        create_with_many,
        decorated(create_app),
        Site,
        Site().create,
        functools.partial(create_needs, {}),
    ],
)
def test_factories(app: object) -> None:
    """What takes no request, but can be called without arguments."""
    assert is_factory(app)
