"""The keywords of `hotswap.serve()` and `hotswap.Server`, for editors and type checkers; no program imports it.

Made from the settings by `make settings-types`; a test keeps it true. Without the settings that are refused, and those
of `hotswap run` alone. A keyword that is None counts as not given.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

Path = str | os.PathLike[str]
Hook = Callable[..., Any] | str
Texts = str | Sequence[str]


class Settings(TypedDict, total=False):
    """gunicorn's settings, hotswap's own, and the arguments of Flask's `app.run()`: docs/settings.md has them."""

    access_log_format: str | None
    accesslog: str | None
    asgi_disconnect_grace_period: int | None
    asgi_lifespan: Literal["auto", "on", "off"] | None
    asgi_loop: Literal["auto", "asyncio", "uvloop"] | None
    backlog: int | None
    bind: Texts | None
    body_buffer: int | None
    boot_timeout: float | None
    ca_certs: str | None
    capture_output: bool | None
    casefold_http_method: bool | None
    cert_reqs: int | None
    certfile: str | None
    chdir: str | None
    check: str | None
    child_exit: Hook | None
    ciphers: str | None
    config: Path | None
    date_header: bool | None
    debug: bool | None
    dirty_graceful_timeout: int | None
    dirty_post_fork: Hook | None
    dirty_threads: int | None
    dirty_timeout: int | None
    dirty_worker_exit: Hook | None
    dirty_worker_init: Hook | None
    disable_redirect_access_to_syslog: bool | None
    do_handshake_on_connect: bool | None
    dogstatsd_tags: str | None
    enable_backlog_metric: bool | None
    enable_stdio_inheritance: bool | None
    env_file: Path | None
    envdir: Path | None
    errorlog: str | None
    exclude_patterns: Sequence[Path] | None
    extra_files: Sequence[Path] | None
    forwarded_allow_ips: Texts | None
    forwarder_headers: Texts | None
    graceful_timeout: int | None
    group: int | str | None
    header_map: Literal["drop", "refuse", "dangerous"] | None
    health: str | None
    host: str | None
    http2_cleartext: bool | Literal["off", "upgrade", "prior-knowledge", "both"] | None
    http2_initial_window_size: int | None
    http2_max_concurrent_streams: int | None
    http2_max_frame_size: int | None
    http2_max_header_list_size: int | None
    http_parser: Literal["auto", "fast", "python"] | None
    http_protocols: str | None
    initgroups: bool | None
    keepalive: int | None
    keyfile: str | None
    lame_duck: float | None
    lifespan: Literal["auto", "on", "off"] | None
    limit_concurrency: int | None
    limit_request_field_size: int | None
    limit_request_fields: int | None
    limit_request_line: int | None
    log_format: Literal["text", "json"] | None
    logconfig: str | None
    logconfig_dict: Mapping[str, Any] | None
    logconfig_json: str | None
    logger_class: type[Any] | str | None
    loglevel: str | None
    loop: Literal["auto", "asyncio", "uvloop"] | None
    max_requests: int | None
    max_requests_jitter: int | None
    name: str | None
    nworkers_changed: Hook | None
    on_dirty_starting: Hook | None
    on_event: str | None
    on_exit: Hook | None
    on_reload: Hook | None
    on_starting: Hook | None
    permit_obsolete_folding: bool | None
    permit_unconventional_http_method: bool | None
    permit_unconventional_http_version: bool | None
    pidfile: str | None
    port: int | str | None
    post_fork: Hook | None
    post_request: Hook | None
    post_worker_init: Hook | None
    pre_fork: Hook | None
    pre_request: Hook | None
    preload_app: bool | None
    probation: float | None
    probation_max_errors: float | None
    proc_name: str | None
    processes: int | None
    protocol: str | None
    proxy_allow_ips: Texts | None
    proxy_protocol: bool | Literal["off", "v1", "v2", "auto"] | None
    pythonpath: str | None
    raw_env: Texts | None
    raw_paste_global_conf: Texts | None
    reload: bool | None
    reload_engine: Literal["auto", "poll", "inotify"] | None
    reload_extra_files: Texts | None
    reloader_interval: float | None
    reloader_type: Literal["auto", "stat", "watchdog"] | None
    retire_timeout: float | None
    root_path: str | None
    run_dir: Path | None
    secure_scheme_headers: Mapping[str, Any] | None
    sendfile: bool | None
    server_header: bool | None
    ssl_context: ssl.SSLContext | tuple[str, str] | Hook | None
    ssl_version: int | None
    stable_pid: bool | Literal["auto", "on", "off"] | None
    statsd_host: str | None
    statsd_prefix: str | None
    strip_header_spaces: bool | None
    suppress_ragged_eofs: bool | None
    switch_interval: float | None
    syslog: bool | None
    syslog_addr: str | None
    syslog_facility: str | None
    syslog_prefix: str | None
    threaded: bool | None
    threads: int | None
    timeout: int | None
    tmp_upload_dir: str | None
    umask: int | None
    use_debugger: bool | None
    use_evalex: bool | None
    use_reloader: bool | None
    user: int | str | None
    uwsgi_allow_ips: Texts | None
    watch: Path | None
    websocket_drain: float | None
    websocket_max_message_size: int | None
    when_ready: Hook | None
    worker_abort: Hook | None
    worker_class: type[Any] | str | None
    worker_connections: int | None
    worker_exit: Hook | None
    worker_int: Hook | None
    worker_tmp_dir: str | None
    workers: int | None
    workers_lifetime: float | None
    ws_max_size: int | None
    ws_per_message_deflate: bool | None
    ws_ping_interval: float | None
    ws_ping_timeout: float | None
