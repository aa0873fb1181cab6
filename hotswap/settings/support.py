"""What hotswap does with each setting: a row for each, by which `check` refuses settings and docs/settings.md is made.

A setting that is missing here fails a test, so a new gunicorn cannot bring one that is silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """How far hotswap follows gunicorn in a setting."""

    HONOURED = "honoured"  # it does what gunicorn says it does
    DIFFERENT = "different"  # accepted, and the sentence says what is different
    REFUSED = "refused"  # another value than the default is refused at start, with the sentence


class Support(NamedTuple):
    """One row. sentence: for users; engine: the setting is refused with our engine, not with gunicorn's classes."""

    kind: Kind
    sentence: str = ""
    engine: bool = False


def _honoured(sentence: str = "") -> Support:
    return Support(Kind.HONOURED, sentence)


def _different(sentence: str) -> Support:
    return Support(Kind.DIFFERENT, sentence)


def _refused(sentence: str) -> Support:
    return Support(Kind.REFUSED, sentence)


def _not_by_engine(sentence: str) -> Support:
    return Support(Kind.REFUSED, sentence, engine=True)


def _with(switch: str) -> Support:
    """Return the row of a setting that does nothing unless `switch`, which is refused, is on."""
    return _honoured(f"has an effect only with {switch}")


HONOURED = _honoured()
WITH_WORKERS = _honoured("called with forked workers only (workers=N)")
NO_DIRTY = _refused("hotswap has no dirty workers: use a task queue, or a process of its own")
NO_CONTROL = _refused("there is no control socket: hotswap status, restart and stop read the scoreboard")
NO_PASTE = _refused("PasteDeploy files are not read: name the application as module:app")
REQUEST_HOOK = _different("its request is a view: the environ is made already, and does not follow it")

CONFIG_FILE = {
    "config": _honoured("serve() reads a file only where config= names one"),
    "wsgi_app": _honoured("for hotswap run; serve() is given the application itself"),
}

SERVER_SOCKET = {
    "bind": _different("default 127.0.0.1:5000; without a port, 5000; also host:port lists and fd:// names"),
    "backlog": HONOURED,
}

PROCESSES = {
    "workers": _different("default 0: threads of one process, nothing is forked; N forks N workers, each with threads"),
    "worker_class": _different("default hotswap, the engine; gunicorn's classes hand nothing over: docs/workers.md"),
    "threads": _different("default 64; started when needed, and one more stays free; gunicorn's classes: default 1"),
    "worker_connections": _different("default 10000; gunicorn's classes: its own, 1000"),
    "max_requests": _different("for forked workers; the replacement serves before, and gets all connections"),
    "max_requests_jitter": HONOURED,
    "timeout": _different(
        "a stuck worker is killed, also one whose event loop is blocked; a stuck WSGI request holds a thread"
    ),
    "graceful_timeout": _different("the deadline of a stop; after a restart it is retire_timeout"),
    "keepalive": _different("default 75 s: idle connections survive a restart; gunicorn's classes: its own, 2 s"),
    "asgi_loop": _honoured("also as --loop and loop=, uvicorn's names; has an effect only with an ASGI application"),
    "asgi_lifespan": _different(
        "also as --lifespan and lifespan=, uvicorn's names; startup is a part of loading: boot_timeout limits it"
    ),
    "asgi_disconnect_grace_period": _with("gunicorn's asgi worker"),
    "websocket_max_message_size": _with("an ASGI worker"),
    "http_parser": _different(
        "auto: plain heads by our own parser, in C if that is built, the rest by gunicorn's; python: all by gunicorn's"
    ),
}

SECURITY = {
    "limit_request_line": HONOURED,
    "limit_request_fields": HONOURED,
    "limit_request_field_size": HONOURED,
}

DEBUGGING = {
    "reload": _different("a changed file makes a hot restart; until the new code serves, the old version answers"),
    "reload_engine": _different("poll looks every second; auto and inotify, with watchfiles (hotswap[dev]), at once"),
    "reload_extra_files": _with("reload"),
    "spew": _refused("tracing every line would stop the engine: use python -m trace on the application"),
    "check_config": _honoured("for hotswap run"),
    "print_config": _honoured("for hotswap run"),
}

MECHANICS = {
    "preload_app": _different("on by default, but not with user or gevent; serve() and workers=0 always load before"),
    "sendfile": HONOURED,
    "reuse_port": _refused(
        "connections queued on a closing SO_REUSEPORT socket are lost: one listener is passed on instead"
    ),
    "chdir": HONOURED,
    "daemon": _honoured(
        "for hotswap run, which returns when the server serves, or has failed to; a successor does not detach"
    ),
    "raw_env": HONOURED,
    "pidfile": _different("replaced atomically when a successor is ready: it always names a process that serves"),
    "worker_tmp_dir": _honoured("for heartbeat files; the scoreboard stands in run_dir"),
    "user": _different("for forked workers (workers=N); the server process stays root, and so does its successor"),
    "group": _different("as user"),
    "umask": _different("for unix sockets that hotswap binds"),
    "initgroups": _honoured("has an effect only with user and group"),
    "tmp_upload_dir": _honoured("gunicorn itself reads it nowhere"),
    "secure_scheme_headers": HONOURED,
    "forwarded_allow_ips": _different("hotswap run reads FORWARDED_ALLOW_IPS, serve() does not"),
    "pythonpath": HONOURED,
    "paste": NO_PASTE,
    "raw_paste_global_conf": _with("paste"),
    "proxy_protocol": _different("a header that names no client (LOCAL, UNSPEC) leaves REMOTE_ADDR the peer's own"),
    "proxy_allow_ips": _with("proxy_protocol"),
    "protocol": _not_by_engine("the engine speaks HTTP: use proxy_pass instead of uwsgi_pass in nginx, or -k gthread"),
    "uwsgi_allow_ips": _with("protocol = uwsgi"),
    "permit_obsolete_folding": HONOURED,
    "strip_header_spaces": HONOURED,
    "permit_unconventional_http_method": HONOURED,
    "permit_unconventional_http_version": HONOURED,
    "casefold_http_method": HONOURED,
    "forwarder_headers": HONOURED,
    "header_map": HONOURED,
    "root_path": _with("an ASGI application"),
}

NAMING = {
    "proc_name": _honoured("also the name that hotswap restart and the other commands know the server by"),
    "default_proc_name": HONOURED,
}

LOGGING = {
    "accesslog": HONOURED,
    "disable_redirect_access_to_syslog": HONOURED,
    "access_log_format": _different("a request header that comes twice shows both values, not the last"),
    "errorlog": HONOURED,
    "loglevel": HONOURED,
    "capture_output": _different("begins when the log is opened: what is printed by the import before is not in it"),
    "logger_class": HONOURED,
    "logconfig": HONOURED,
    "logconfig_dict": HONOURED,
    "logconfig_json": HONOURED,
    "syslog_addr": HONOURED,
    "syslog": HONOURED,
    "syslog_prefix": HONOURED,
    "syslog_facility": HONOURED,
    "enable_stdio_inheritance": _honoured("has an effect only with daemon"),
    "statsd_host": HONOURED,
    "dogstatsd_tags": HONOURED,
    "statsd_prefix": HONOURED,
    "enable_backlog_metric": HONOURED,
}

TLS = {
    "keyfile": _with("certfile"),
    "certfile": _different("read once by each generation, so a restart serves a new certificate"),
    "ssl_context": _different("the hook is called once, not for each connection; or app.run()'s ssl_context"),
    "ssl_version": _honoured("as in gunicorn, it does nothing: set minimum_version in the ssl_context hook"),
    "cert_reqs": _with("certfile"),
    "ca_certs": _with("certfile"),
    "suppress_ragged_eofs": _with("certfile"),
    "do_handshake_on_connect": _different("handshakes are taken by the loop in either case, before the first request"),
    "ciphers": _with("certfile"),
}

HTTP2 = {
    "http_protocols": _not_by_engine("the engine speaks HTTP/1.1: let a proxy speak HTTP/2, or use -k gthread or asgi"),
    "http2_cleartext": _with("http_protocols = h2"),
    "http2_max_concurrent_streams": _with("http_protocols = h2"),
    "http2_initial_window_size": _with("http_protocols = h2"),
    "http2_max_frame_size": _with("http_protocols = h2"),
    "http2_max_header_list_size": _with("http_protocols = h2"),
}

HOOKS = {
    "on_starting": _different("called in every generation, before it binds what is new"),
    "on_reload": _different("called in the predecessor, when a restart begins"),
    "when_ready": _different("called in every generation, when it accepts; its argument is no Arbiter"),
    "pre_fork": WITH_WORKERS,
    "post_fork": WITH_WORKERS,
    "post_worker_init": _honoured("also called once without forked workers (workers=0)"),
    "worker_int": WITH_WORKERS,
    "worker_abort": WITH_WORKERS,
    "pre_exec": _refused("a successor is a process of its own, not forked from this one: use on_reload"),
    "pre_request": REQUEST_HOOK,
    "post_request": REQUEST_HOOK,
    "child_exit": _different(
        "without forked workers (workers=0) the generation that serves calls it for one that has ended"
    ),
    "worker_exit": _honoured("also called once without forked workers (workers=0)"),
    "nworkers_changed": WITH_WORKERS,
    "on_exit": _different("called in every generation, before it ends"),
}

DIRTY = {
    "dirty_apps": NO_DIRTY,
    "dirty_workers": NO_DIRTY,
    "dirty_timeout": _with("dirty_apps"),
    "dirty_threads": _with("dirty_apps"),
    "dirty_graceful_timeout": _with("dirty_apps"),
    "on_dirty_starting": _with("dirty_apps"),
    "dirty_post_fork": _with("dirty_apps"),
    "dirty_worker_init": _with("dirty_apps"),
    "dirty_worker_exit": _with("dirty_apps"),
}

CONTROL = {
    "control_socket": NO_CONTROL,
    "control_socket_mode": NO_CONTROL,
    "control_socket_disable": NO_CONTROL,
}

OWN = {
    "retire_timeout": HONOURED,
    "boot_timeout": HONOURED,
    "check": HONOURED,
    "health": _with("hotswap's own engine: it is the engine that answers"),
    "lame_duck": HONOURED,
    "probation": HONOURED,
    "probation_max_errors": _with("probation"),
    "run_dir": HONOURED,
    "name": HONOURED,
    "env_file": HONOURED,
    "envdir": HONOURED,
    "body_buffer": HONOURED,
    "switch_interval": HONOURED,
    "workers_lifetime": _with("forked workers (workers=N)"),
    "stable_pid": HONOURED,
    "log_format": HONOURED,
    "watch": HONOURED,
    "on_event": HONOURED,
    "limit_concurrency": _with("hotswap's engine for ASGI"),
    "date_header": _with("hotswap's engine for ASGI"),
    "server_header": _with("hotswap's engine for ASGI"),
    "ws_max_size": _with("hotswap's engine for ASGI"),
    "ws_per_message_deflate": _with("hotswap's engine for ASGI"),
    "ws_ping_interval": _with("hotswap's engine for ASGI"),
    "ws_ping_timeout": _with("hotswap's engine for ASGI"),
    "websocket_drain": _with("hotswap's engine for ASGI"),
}

SUPPORT: Mapping[str, Support] = {
    **CONFIG_FILE, **SERVER_SOCKET, **PROCESSES, **SECURITY, **DEBUGGING, **MECHANICS, **NAMING, **LOGGING,
    **TLS, **HTTP2, **HOOKS, **DIRTY, **CONTROL, **OWN,
}  # fmt: skip
