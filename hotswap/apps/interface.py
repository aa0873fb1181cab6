"""Tells from an application's signature, without calling it, whether it speaks WSGI (PEP 3333) or ASGI."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from typing import Any

#: What the arguments of applications are called, in PEP 3333, in ASGI, and for short.
_APPLICATIONS_NAMES = frozenset(("environ", "env", "start_response", "scope", "receive", "send"))


class Interface(enum.Enum):
    """How an application wants to be called."""

    WSGI = "WSGI"
    ASGI = "ASGI"
    ASGI2 = "ASGI 2"  # app(scope)(receive, send)
    UNKNOWN = "unknown"  # it takes any arguments, or its signature is not known

    @property
    def is_asgi(self) -> bool:
        return self in (Interface.ASGI, Interface.ASGI2)


def interface_of(app: Any) -> Interface:
    """Return how `app` wants to be called. A wrapper that takes any arguments counts as what its `__wrapped__` is."""
    if inspect.isclass(app):
        return _of_class(app)
    if not inspect.isroutine(app) and not isinstance(app, functools.partial):
        # The instance's `__call__`, not the class's: some middlewares choose it when they are made.
        app = getattr(app, "__call__", app)  # noqa: B004
    if inspect.iscoroutinefunction(app):
        return Interface.ASGI
    found = _by_arguments(app, follow=False)
    return found if found is not Interface.UNKNOWN else _by_arguments(app, follow=True)


def is_factory(app: Any) -> bool:
    """Whether `app` cannot be an application, but may make one: it has to be called without arguments.

    Only if its signature says so for sure. A function whose arguments all have defaults is a factory although two would
    fit, unless they have the names that an application's arguments have.
    """
    if hasattr(app, "__await__"):
        return False
    for follow in (False, True):  # a decorator takes any arguments by itself, and tells what it wraps
        try:
            signature = inspect.signature(app, follow_wrapped=follow)
        except (TypeError, ValueError):
            return False
        if all(parameter.kind is not inspect.Parameter.VAR_POSITIONAL for parameter in signature.parameters.values()):
            return _takes_nothing(signature, is_function=inspect.isfunction(app))
    return False


def _takes_nothing(signature: inspect.Signature, *, is_function: bool) -> bool:
    if not _binds(signature, 0):
        return False
    if not (_binds(signature, 2) or _binds(signature, 3)):
        return True
    return is_function and not _APPLICATIONS_NAMES & signature.parameters.keys()


def _of_class(app: type[Any]) -> Interface:
    """Return how a class wants to be called: its instance is made for a connection and called (ASGI 2), made for a
    request and awaited (ASGI), or iterated over (WSGI)."""
    if hasattr(app, "__await__"):
        return Interface.ASGI
    if inspect.iscoroutinefunction(getattr(app, "__call__", None)) and _names(app, follow=True) == ["scope"]:  # noqa: B004
        return Interface.ASGI2
    return _by_arguments(app, follow=True)


def _by_arguments(app: Callable[..., Any], *, follow: bool) -> Interface:
    """WSGI applications take two arguments, ASGI applications three, and those of ASGI 2 only a scope."""
    try:
        signature = inspect.signature(app, follow_wrapped=follow)
    except (TypeError, ValueError):  # a callable written in C may have no signature
        return Interface.UNKNOWN
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return Interface.UNKNOWN
    if _binds(signature, 2):
        return Interface.WSGI
    if _binds(signature, 3):
        return Interface.ASGI
    return Interface.ASGI2 if _names(app, follow=follow) == ["scope"] else Interface.UNKNOWN


def _binds(signature: inspect.Signature, number: int) -> bool:
    try:
        signature.bind(*range(number))
    except TypeError:
        return False
    return True


def _names(app: Callable[..., Any], *, follow: bool) -> list[str]:
    try:
        return list(inspect.signature(app, follow_wrapped=follow).parameters)
    except (TypeError, ValueError):
        return []
