"""The pages."""

from __future__ import annotations

import hashlib
import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import hotswap


def hello(request: HttpRequest, name: str) -> HttpResponse:
    """Which version, generation and process answers."""
    who = f"version {settings.VERSION}, generation {hotswap.generation}, pid {os.getpid()}"
    return HttpResponse(f"hello {name}: {who}\n", content_type="text/plain")


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """The SHA-256 of what was sent."""
    return HttpResponse(hashlib.sha256(request.body).hexdigest(), content_type="text/plain")


urlpatterns = [path("hello/<str:name>", hello), path("upload", upload)]
