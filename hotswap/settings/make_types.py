"""Makes settings/types.py, the keywords of `hotswap.serve()` for editors and type checkers, from the settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotswap.errors import UsageError
from hotswap.settings.config import Config
from hotswap.settings.keywords import RUN_ONLY
from hotswap.settings.run_arguments import NAMES, ONLY_WERKZEUG
from hotswap.settings.support import SUPPORT, Kind

HEAD = '''\
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

'''

#: What a setting takes, by the name of its validator.
BY_VALIDATOR: Mapping[str, str] = {
    "validate_string": "str",
    "validate_addresses": "Texts",
    "validate_pos_int": "int",
    "validate_class": "type[Any] | str",
    "validate_bool": "bool",
    "validate_list_of_files_or_patterns": "Texts",
    "validate_chdir": "str",
    "validate_list_string": "Texts",
    "validate_user": "int | str",
    "validate_group": "int | str",
    "validate_dict": "Mapping[str, Any]",
    "validate_string_to_addr_list": "Texts",
    "validate_string_to_list": "Texts",
    "validate_statsd_address": "str",
    "_validate_callable": "Hook",
    "validate_post_request": "Hook",
    "validate_reload_engine": 'Literal["auto", "poll", "inotify"]',
    "validate_proxy_protocol": 'bool | Literal["off", "v1", "v2", "auto"]',
    "validate_ssl_version": "int",
    "validate_http_protocols": "str",
    "validate_http2_cleartext": 'bool | Literal["off", "upgrade", "prior-knowledge", "both"]',
    "validate_http2_stream_limit": "int",
    "validate_http2_window_size": "int",
    "validate_http2_frame_size": "int",
    "validate_header_map_behaviour": 'Literal["drop", "refuse", "dangerous"]',
    "validate_asgi_loop": 'Literal["auto", "asyncio", "uvloop"]',
    "validate_asgi_lifespan": 'Literal["auto", "on", "off"]',
    "validate_http_parser": 'Literal["auto", "fast", "python"]',
    "validate_seconds": "float",
    "validate_share": "float",
    "validate_check": "str",
    "validate_name": "str",
    "validate_watch": "Path",
    "validate_command": "str",
    "validate_path": "Path",
    "validate_existing_path": "Path",
    "validate_stable_pid": 'bool | Literal["auto", "on", "off"]',
    "validate_log_format": 'Literal["text", "json"]',
}

#: Arguments of `app.run()`, and settings that take more than their validator does.
BY_NAME: Mapping[str, str] = {
    "host": "str",
    "port": "int | str",
    "debug": "bool",
    "use_debugger": "bool",
    "use_evalex": "bool",
    "use_reloader": "bool",
    "extra_files": "Sequence[Path]",
    "exclude_patterns": "Sequence[Path]",
    "reloader_interval": "float",
    "reloader_type": 'Literal["auto", "stat", "watchdog"]',
    "threaded": "bool",
    "processes": "int",
    "config": "Path",
    "lifespan": 'Literal["auto", "on", "off"]',
    "loop": 'Literal["auto", "asyncio", "uvloop"]',
    "ssl_context": "ssl.SSLContext | tuple[str, str] | Hook",
}


def source() -> str:
    """Return the whole module. Raises UsageError for a setting whose type is not known."""
    return HEAD + "".join(f"    {name}: {kind} | None\n" for name, kind in sorted(_keywords()))


def _keywords() -> Iterator[tuple[str, str]]:
    settings = Config(prog="hotswap").settings
    taken = {*settings, *NAMES} - RUN_ONLY.keys() - ONLY_WERKZEUG.keys() - {"default_proc_name"}
    for name in taken:
        if name not in SUPPORT or SUPPORT[name].kind is not Kind.REFUSED or SUPPORT[name].engine:
            yield name, BY_NAME.get(name) or _of_setting(name, settings[name].validator)


def _of_setting(name: str, validator: Callable[..., Any]) -> str:
    if validator.__name__ not in BY_VALIDATOR:
        raise UsageError(f"what {name} takes is not known ({validator.__name__}): add it to BY_VALIDATOR in {__file__}")
    return BY_VALIDATOR[validator.__name__]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(source())
