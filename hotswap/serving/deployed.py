"""What this generation was deployed with: it goes on the scoreboard when the generation begins to serve."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from hotswap.scoreboard import Deployment
from hotswap.serving.plan import Plan
from hotswap.version import VERSION


def deployment_of(plan: Plan, urls: Sequence[str]) -> Deployment:
    """Return what serves from now on, at these URLs.

    The release is what was found at the boot: a deploy may have moved the link since.
    """
    program, cfg = plan.process.program, plan.cfg
    directory = os.path.join(program.directory, cfg.chdir) if "chdir" in cfg.given else program.directory
    release = cfg.entered or plan.process.physical
    return Deployment(plan.generation, time.time(), VERSION, directory, release, tuple(urls))


def facts_of(plan: Plan, urls: Sequence[str]) -> Mapping[str, str]:
    """Return what the command of `on_event` is told of this generation; `urls` is empty before anything is bound."""
    deployed = deployment_of(plan, urls)
    first = urls[0] if urls else ""
    return {
        "HOTSWAP_GENERATION": str(plan.generation),
        "HOTSWAP_PID": str(os.getpid()),
        "HOTSWAP_NAME": plan.options.name or first.partition("://")[2] or first,
        "HOTSWAP_ADDRESS": ",".join(urls),
        "HOTSWAP_DIRECTORY": deployed.directory,
        "HOTSWAP_RELEASE": deployed.release,
    }
