"""What a generation opens first: the main loop, the log, and those who are told of each step of its life."""

from __future__ import annotations

import contextlib

from hotswap.dev import developer_terminal
from hotswap.dev.file_watch import FileWatch
from hotswap.gunicorn_compat.server_hooks import ArbiterView
from hotswap.log import Log
from hotswap.serving.callback_runner import CallbackRunner
from hotswap.serving.deployed import facts_of
from hotswap.serving.plan import Foundation, Plan, ServerEvents
from hotswap.system.main_loop import MainLoop


def lay_foundation(stack: contextlib.ExitStack, plan: Plan, events: ServerEvents) -> Foundation:
    """Open them; `stack` gives them back. Raises SettingError."""
    loop = stack.enter_context(contextlib.closing(MainLoop()))
    developer_terminal.show_requests(plan.cfg)
    log = Log(plan.cfg, plan.generation)
    if plan.process.predecessor is None:
        log.log_uncaught()
    for sentence in (*plan.process.find_link([plan.cfg.chdir, plan.cfg.config]), plan.warning):
        if sentence:
            log.warning("%s", sentence)
    arbiter = ArbiterView(plan.cfg, log, plan.apps)
    file_watch = FileWatch(plan.cfg, log, events.restart)
    told = [arbiter.call, file_watch.at]
    commands = None
    # Imported here: most servers are told of a deploy by a signal, and tell the program alone.
    if plan.cfg.watch is not None:
        from hotswap.serving.path_watch import PathWatch

        path_watch = PathWatch(plan.cfg.watch, plan.process, loop, log, events.restart)
        stack.callback(path_watch.close)
        told.append(path_watch.at)
    if plan.cfg.on_event:
        from hotswap.serving.event_commands import EventCommands

        event_commands = EventCommands(plan.cfg.on_event, loop, log, lambda: facts_of(plan, events.urls()))
        stack.callback(event_commands.close)
        commands = event_commands.at
    return Foundation(loop, log, arbiter, file_watch, CallbackRunner(log, *told, commands=commands))
