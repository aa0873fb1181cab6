"""Whether an application speaks WSGI (PEP 3333) or ASGI: seen from how it can be called, without calling it."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from typing import Any


class Interface(enum.Enum):
    """How an application wants to be called."""

    WSGI = "WSGI"
    ASGI = "ASGI"
    ASGI2 = "ASGI 2"  # app(scope)(receive, send)
    UNKNOWN = "unknown"  # it takes whatever it is given

    @property
    def is_asgi(self) -> bool:
        return self in (Interface.ASGI, Interface.ASGI2)


def interface_of(app: Any) -> Interface:
    """How `app` wants to be called. A wrapper that takes any arguments is what it says that it wraps."""
    if inspect.isclass(app):
        return _of_class(app)
    if not inspect.isroutine(app) and not isinstance(app, functools.partial):
        # The instance's: some middlewares choose their `__call__` when they are made.
        app = getattr(app, "__call__", app)  # noqa: B004
    if inspect.iscoroutinefunction(app):
        return Interface.ASGI
    found = _by_arguments(app, follow=False)
    return found if found is not Interface.UNKNOWN else _by_arguments(app, follow=True)


def _of_class(app: type[Any]) -> Interface:
    """A class is called to make an instance: for each connection (ASGI 2), or for each request and then awaited."""
    if hasattr(app, "__await__"):
        return Interface.ASGI
    if inspect.iscoroutinefunction(getattr(app, "__call__", None)) and _names(app, follow=True) == ["scope"]:  # noqa: B004
        return Interface.ASGI2
    return _by_arguments(app, follow=True)


def _by_arguments(app: Callable[..., Any], *, follow: bool) -> Interface:
    """WSGI applications are called with two arguments, ASGI applications with three or, the old ones, with a scope."""
    try:
        signature = inspect.signature(app, follow_wrapped=follow)
    except (TypeError, ValueError):  # written in C, and it does not say
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
