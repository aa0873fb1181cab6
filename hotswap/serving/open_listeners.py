"""Where a generation's listeners come from: its predecessor, systemd or Server::Starter, or bind(2)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence

from hotswap.errors import BindError
from hotswap.log import Log
from hotswap.restart.handoff import Handoff, PassedListener
from hotswap.settings import Config
from hotswap.system import inherited, listeners
from hotswap.system.addresses import Address, keys, parse, parse_all
from hotswap.system.bind_errors import bind_error
from hotswap.system.fork_guard import no_fork
from hotswap.system.inherited import Inherited
from hotswap.system.listeners import Listener


def open_listeners(
    cfg: Config,
    handoff: Handoff | None,
    environ: MutableMapping[str, str],
    log: Log,
    own: Callable[[Sequence[Listener]], object],
) -> None:
    """One listener for every configured address, in order; at descriptors 3, 4, … where these are free.

    Where the user gave no address, whatever was passed is served. What was passed and is not wanted any more is closed
    here; the predecessor answers on it until it goes. `own(listeners)` is called before any thread can fork. Raises
    BindError; then nothing that was made here is left, and what the predecessor passed is open as before. A unix path
    whose file is gone is bound anew.
    """
    given = "bind" in cfg.given
    passed = {item.key: item for item in handoff.listeners} if handoff else {}
    # A starter gives generation 1 what systemd gave to it, and no listeners.
    found = {} if passed else _inherited(cfg, given, environ, log)
    wanted = _wanted(cfg, given, passed, found)
    if handoff is not None:
        _must_not_be_tried_again(wanted, handoff)
    with no_fork():
        opened = _open_all(wanted, passed, found, cfg)
        kept = {listener.fileno() for listener in opened}
        anew = [each for each in opened if each.key in passed and passed[each.key].fd != each.fileno()]
        for item in passed.values():
            if item.fd not in kept:
                os.close(item.fd)
        listeners.place(opened)
        own(opened)
    for listener in anew:
        log.warning("the file of %s was gone: it is bound anew", listener.bound)
    for listener in opened:
        _warn_if_unreachable(listener, log)


def _warn_if_unreachable(listener: Listener, log: Log) -> None:
    """What stands in its place is another program's, or cannot be replaced: the listener is passed on as it is, and its
    connections with it."""
    why = listener.why_unreachable()
    if why:
        log.warning(
            "no client can connect to %s (another program has %s its file): stop this server and start it again",
            listener.bound,
            why,
        )


def _must_not_be_tried_again(wanted: Mapping[str, Address], handoff: Handoff) -> None:
    """Raise BindError for an address that an earlier generation has tried in vain before it found its own.

    A program that tries one address after the other does so in every generation. Should the first one be free by now,
    it must not take clients' server away from where it is.
    """
    passed = [item.key for item in handoff.listeners]
    for key, address in wanted.items():
        if key in handoff.tried and key not in passed:
            where = ", ".join(passed)
            remedy = "to move it there, stop this server and start it again"
            raise bind_error(address, errno.EADDRINUSE, f"it could not be bound before, and {where} is served", remedy)


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
                listener = _take_over(passed[key], address, cfg)
            elif key in found:
                listener = listeners.adopt(found[key].fd, key, address, backlog=cfg.backlog)
            else:
                listener = _bind(key, address, cfg)
            if key in passed and passed[key].fd == listener.fileno():
                undo.callback(listener.sock.detach)
            else:
                undo.callback(listener.close)
                undo.callback(listener.remove_path)
            opened.append(listener)
        undo.pop_all()
    return opened


def _take_over(item: PassedListener, address: Address, cfg: Config) -> Listener:
    """The predecessor's listener; if its file is gone, another one at the same path, if that can be bound.

    No new client finds the old one. Its connections move here as ever, because they are known by the address; and the
    predecessor empties its queue when it leaves.
    """
    listener = listeners.adopt(item.fd, item.key, address, item.identity, backlog=cfg.backlog, ours=item.ours)
    if listener.why_unreachable():
        with contextlib.suppress(BindError):
            anew = _bind(item.key, address, cfg)
            listener.sock.detach()
            return anew
    return listener


def _bind(key: str, address: Address, cfg: Config) -> Listener:
    owner = (cfg.uid, cfg.gid) if {"user", "group"} & cfg.given else None
    try:
        return listeners.bind(address, key, backlog=cfg.backlog, umask=cfg.umask, owner=owner)
    except BindError as error:
        if cfg.host_from:
            error.args = (f"{error} (the address is from {cfg.host_from}: give serve() another one)",)
        raise
