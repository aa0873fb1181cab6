"""Where a generation's listeners come from: its predecessor, systemd or Server::Starter, or bind(2)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, MutableMapping

from hotswap.lifecycle.handoff import Handoff, PassedListener
from hotswap.logs import Log
from hotswap.settings import Config
from hotswap.system import inherited, listeners
from hotswap.system.addresses import Address, keys, parse, parse_all
from hotswap.system.inherited import Inherited
from hotswap.system.listeners import Listener


def open_listeners(cfg: Config, handoff: Handoff | None, environ: MutableMapping[str, str], log: Log) -> list[Listener]:
    """One listener for every configured address, in order; at descriptors 3, 4, … where these are free.

    Where the user gave no address, whatever was passed is served. What was passed and is not wanted any more is closed
    here; the predecessor answers on it until it goes. Raises BindError, and then nothing that was made here is left.
    """
    given = "bind" in cfg.given
    passed = {item.key: item for item in handoff.listeners} if handoff else {}
    found = {} if handoff else _inherited(cfg, given, environ, log)
    wanted = _wanted(cfg, given, passed, found)
    opened = _open_all(wanted, passed, found, cfg)
    for key in passed.keys() - wanted.keys():
        os.close(passed[key].fd)
    listeners.place(opened)
    for listener in opened:
        _warn_if_unreachable(listener, log)
    return opened


def _warn_if_unreachable(listener: Listener, log: Log) -> None:
    """A restart cannot mend that: the listener is passed on as it is, and its connections with it."""
    why = listener.why_unreachable()
    if why:
        log.warning(
            "nobody can connect to %s (its file was %s by somebody else): stop this server and start it again",
            listener.bound,
            why,
        )


def _wanted(
    cfg: Config, given: bool, passed: Mapping[str, PassedListener], found: Mapping[str, Inherited]
) -> dict[str, Address]:
    if not given and passed:
        return {key: parse(key.partition("#")[0]) for key in passed}
    if not given and found:
        return {key: parse(item.bound) for key, item in found.items()}
    addresses = parse_all(cfg.settings["bind"].get())
    return dict(zip(keys(addresses), addresses, strict=True))


def _inherited(cfg: Config, given: bool, environ: MutableMapping[str, str], log: Log) -> dict[str, Inherited]:
    offered = inherited.systemd(environ, os.getpid()) + inherited.server_starter(environ)
    found = inherited.match(parse_all(cfg.settings["bind"].get()), offered, given=given)
    for item in offered:
        if item not in found.values():
            log.warning("descriptor %d (%s) was passed here, but no address asks for it: closed", item.fd, item.bound)
            os.close(item.fd)
    return found


def _open_all(
    wanted: Mapping[str, Address], passed: Mapping[str, PassedListener], found: Mapping[str, Inherited], cfg: Config
) -> list[Listener]:
    opened: list[Listener] = []
    with contextlib.ExitStack() as undo:
        for key, address in wanted.items():
            if key in passed:
                item = passed[key]
                listener = listeners.adopt(item.fd, key, address, item.identity, backlog=cfg.backlog)
            elif key in found:
                listener = listeners.adopt(found[key].fd, key, address, backlog=cfg.backlog)
            else:
                listener = _bind(key, address, cfg)
                undo.callback(listener.remove_path)
            undo.callback(listener.close)
            opened.append(listener)
        undo.pop_all()
    return opened


def _bind(key: str, address: Address, cfg: Config) -> Listener:
    owner = (cfg.uid, cfg.gid) if {"user", "group"} & cfg.given else None
    return listeners.bind(address, key, backlog=cfg.backlog, umask=cfg.umask, owner=owner)
