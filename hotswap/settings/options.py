"""Frozen, typed views of the settings: what the engine, the workers and restarts see of them.

gunicorn's `Config` answers every attribute with Any, by a call and two look-ups; a misspelt setting is found when it is
read. These values are made once, when the settings are complete, and mypy checks every use. Units stand in the names:
`_s` is seconds, `_bytes` is bytes. gunicorn's object itself is handed on only where gunicorn's own code needs it: its
parsers, its hooks, its logger and its worker classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Hook = Callable[..., Any]


class LeaveOptions(NamedTuple):
    """How long leaving may take (seconds).

    graceful_timeout_s: a stop, for which an operator waits. retire_timeout_s: a restart, where the successor serves
    already; 0 is no limit. `hotswap.lifecycle.leave_policy` says which of them counts when.
    """

    graceful_timeout_s: float
    retire_timeout_s: float

    @classmethod
    def from_config(cls, cfg: Any) -> LeaveOptions:
        """What `cfg` says; a plain gunicorn Config has no retire_timeout, and then the default counts."""
        return cls(float(cfg.graceful_timeout), float(getattr(cfg, "retire_timeout", 600.0)))


class AsgiOptions(NamedTuple):
    """What an engine for ASGI applications is told beside the rest.

    loop: auto, asyncio or uvloop. lifespan: auto, on or off. limit_concurrency: 0 is no limit. debug: asyncio's debug
    mode. boot_timeout_s bounds the startup, shutdown_timeout_s the shutdown. ws_max_size is that of a message (bytes).
    ws_ping_interval_s and ws_ping_timeout_s: 0 is never. websocket_drain_s: over how long closings are spread.
    """

    loop: str
    lifespan: str
    root_path: str
    limit_concurrency: int
    date_header: bool
    server_header: bool
    debug: bool
    boot_timeout_s: float
    shutdown_timeout_s: float
    ws_max_size: int
    ws_per_message_deflate: bool
    ws_ping_interval_s: float
    ws_ping_timeout_s: float
    websocket_drain_s: float

    @classmethod
    def from_config(cls, cfg: Any) -> AsgiOptions:
        """What `cfg` says: our Config, or gunicorn's own, which has the first three only."""
        return cls(
            loop=str(cfg.asgi_loop),
            lifespan=str(cfg.asgi_lifespan),
            root_path=str(cfg.root_path),
            limit_concurrency=int(getattr(cfg, "limit_concurrency", 0)),
            date_header=bool(getattr(cfg, "date_header", True)),
            server_header=bool(getattr(cfg, "server_header", True)),
            debug=bool(getattr(cfg, "debug", False)),
            boot_timeout_s=float(getattr(cfg, "boot_timeout", 60.0)),
            shutdown_timeout_s=float(cfg.graceful_timeout),
            ws_max_size=int(getattr(cfg, "ws_max_size", 1 << 24)),
            ws_per_message_deflate=bool(getattr(cfg, "ws_per_message_deflate", True)),
            ws_ping_interval_s=float(getattr(cfg, "ws_ping_interval", 20.0)),
            ws_ping_timeout_s=float(getattr(cfg, "ws_ping_timeout", 20.0)),
            websocket_drain_s=float(getattr(cfg, "websocket_drain", 10.0)),
        )


class EngineOptions(NamedTuple):
    """What an engine is told. `gunicorn` is the Config for gunicorn's own parsers, TLS context and error stream.

    health_path is "" where there is none. pre_request and post_request are None where the hook is gunicorn's default.
    """

    threads: int
    keepalive_s: float
    worker_connections: int
    limit_request_line_bytes: int
    limit_request_fields: int
    limit_request_field_size_bytes: int
    body_buffer_bytes: int
    health_path: str
    sendfile: bool
    tls: bool
    suppress_ragged_eofs: bool
    proxy_protocol: str
    secure_scheme_headers: Mapping[str, str]
    permit_unconventional_http_method: bool
    strict_parser_only: bool
    pre_request: Hook | None
    post_request: Hook | None
    asgi: AsgiOptions
    gunicorn: Any

    @classmethod
    def from_config(cls, cfg: Any) -> EngineOptions:
        """What `cfg` says: our Config, or gunicorn's own where `hotswap.Worker` runs under gunicorn's arbiter."""
        return cls(
            threads=max(1, int(cfg.threads)),
            keepalive_s=float(cfg.keepalive),
            worker_connections=max(1, int(cfg.worker_connections)),
            limit_request_line_bytes=int(cfg.limit_request_line),
            limit_request_fields=int(cfg.limit_request_fields),
            limit_request_field_size_bytes=int(cfg.limit_request_field_size),
            body_buffer_bytes=int(getattr(cfg, "body_buffer", 1 << 20)),
            health_path=str(getattr(cfg, "health", "")),
            sendfile=cfg.sendfile is not False,
            tls=bool(cfg.is_ssl),
            suppress_ragged_eofs=bool(cfg.suppress_ragged_eofs),
            proxy_protocol=str(cfg.proxy_protocol),
            secure_scheme_headers=dict(cfg.secure_scheme_headers),
            permit_unconventional_http_method=bool(cfg.permit_unconventional_http_method),
            strict_parser_only=_loosens_the_rules(cfg),
            pre_request=given_hook(cfg, "pre_request"),
            post_request=given_hook(cfg, "post_request"),
            asgi=AsgiOptions.from_config(cfg),
            gunicorn=cfg,
        )


def given_hook(cfg: Any, name: str) -> Hook | None:
    """The hook of that name, None if it is gunicorn's default."""
    setting = cfg.settings[name]
    hook: Hook = setting.get()
    return None if hook is setting.default else hook


def _loosens_the_rules(cfg: Any) -> bool:
    """Whether a setting loosens the rules for heads in ways that the fast reader does not know."""
    return bool(
        cfg.permit_obsolete_folding
        or cfg.strip_header_spaces
        or cfg.casefold_http_method
        or cfg.permit_unconventional_http_version
        or cfg.http_parser == "python"
    )


class ClusterOptions(NamedTuple):
    """How forked workers are kept. heartbeat_timeout_s and lifetime_s: 0 is no limit."""

    workers: int
    heartbeat_timeout_s: float
    lifetime_s: float
    boot_timeout_s: float
    leave: LeaveOptions
    proc_name: str

    @classmethod
    def from_config(cls, cfg: Any) -> ClusterOptions:
        """What our Config says."""
        return cls(
            workers=int(cfg.workers),
            heartbeat_timeout_s=float(cfg.timeout),
            lifetime_s=float(cfg.workers_lifetime),
            boot_timeout_s=float(cfg.boot_timeout),
            leave=LeaveOptions.from_config(cfg),
            proc_name=str(cfg.proc_name),
        )


class ServerOptions(NamedTuple):
    """What one generation and its restarts are told. `check_path` and `health_path` are "" and `pidfile` None
    where there is none."""

    workers: int
    proc_name: str
    name: str | None
    run_dir: str | None
    pidfile: str | None
    check_path: str
    health_path: str
    lame_duck_s: float
    boot_timeout_s: float
    probation_s: float
    probation_max_errors: float
    leave: LeaveOptions
    switch_interval_s: float
    proxy_protocol: str
    tls: bool
    reload: bool

    @classmethod
    def from_config(cls, cfg: Any) -> ServerOptions:
        """What our Config says."""
        return cls(
            workers=int(cfg.workers),
            proc_name=str(cfg.proc_name),
            name=cfg.name,
            run_dir=cfg.run_dir,
            pidfile=cfg.pidfile or None,
            check_path=str(cfg.check),
            health_path=str(cfg.health),
            lame_duck_s=float(cfg.lame_duck),
            boot_timeout_s=float(cfg.boot_timeout),
            probation_s=float(cfg.probation),
            probation_max_errors=float(cfg.probation_max_errors),
            leave=LeaveOptions.from_config(cfg),
            switch_interval_s=float(cfg.switch_interval),
            proxy_protocol=str(cfg.proxy_protocol),
            tls=bool(cfg.is_ssl),
            reload=bool(cfg.reload),
        )
