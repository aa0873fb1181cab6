"""The names that `hotswap.serve()` takes as keywords, and the refusal of all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hotswap.errors import SettingError
from hotswap.settings import run_arguments

#: The keywords of `uvicorn.run()` that are called something else here.
_OF_UVICORN: Mapping[str, str] = {
    "access_log": "accesslog='-'",
    "app_dir": "chdir",
    "factory": "serve(create_app(), …)",
    "fd": "bind='fd://N'",
    "h11_max_incomplete_event_size": "limit_request_line",
    "limit_max_requests": "max_requests",
    "limit_max_requests_jitter": "max_requests_jitter",
    "log_config": "logconfig, logconfig_dict or logconfig_json",
    "log_level": "loglevel",
    "proxy_headers": "forwarded_allow_ips",
    "reload_delay": "reloader_interval",
    "reload_dirs": "reload_extra_files",
    "reload_excludes": "exclude_patterns",
    "reload_includes": "reload_extra_files",
    "ssl_ca_certs": "ca_certs",
    "ssl_cert_reqs": "cert_reqs",
    "ssl_certfile": "certfile",
    "ssl_ciphers": "ciphers",
    "ssl_keyfile": "keyfile",
    "timeout_graceful_shutdown": "graceful_timeout",
    "timeout_keep_alive": "keepalive",
    "timeout_worker_healthcheck": "timeout",
    "uds": "bind='unix:PATH'",
}


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise SettingError for a name that is neither a setting nor an argument of `app.run()`."""
    possible = {*known, *run_arguments.NAMES}
    for name in names:
        if name not in possible:
            raise SettingError(f"there is no setting {name!r}: {nearest(name, possible)}")


def nearest(name: str, possible: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest of `possible`, or where they are listed."""
    if name in _OF_UVICORN:
        return f"did you mean {_OF_UVICORN[name]}?"
    import difflib  # only here: a start without a mistake should not pay for it

    close = difflib.get_close_matches(name.lower().replace("-", "_"), possible, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "hotswap run --help lists the settings"
