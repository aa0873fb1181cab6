"""Worker classes of one's own, given by name: worker_class="tests.apps.uvicorn_workers.WithoutLifespan"."""

from __future__ import annotations

from uvicorn_worker import UvicornWorker


class WithoutLifespan(UvicornWorker):  # type: ignore[misc]
    """Made as uvicorn's documentation says: the application's startup is not called."""

    CONFIG_KWARGS = {"lifespan": "off"}  # noqa: RUF012
