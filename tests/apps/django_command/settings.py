"""What Django needs to run a command."""

from __future__ import annotations

INSTALLED_APPS = ["tests.apps.django_command"]
SECRET_KEY = "no secret"
USE_TZ = True
