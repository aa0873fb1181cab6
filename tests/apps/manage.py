"""A Django project in one file, which is its manage.py as well."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

VERSION = "1"
SETTINGS: dict[str, Any] = {}


def version(request: HttpRequest) -> HttpResponse:
    """The constant that a deploy changes."""
    return HttpResponse(VERSION)


urlpatterns = [path("version", version)]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"], INSTALLED_APPS=["hotswap"], ROOT_URLCONF=__name__, SECRET_KEY="no secret", **SETTINGS
    )

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
else:
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
