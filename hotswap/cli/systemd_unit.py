"""`hotswap systemd-unit module:app`: prints a service unit for the systemd that is there."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from hotswap.cli.exit_status import DONE
from hotswap.cli.terminal import say
from hotswap.errors import SettingError
from hotswap.restart.bootstrap import THIS_PROCESS
from hotswap.settings import Config, check, from_command_line

#: From this version on systemd sends the SIGHUP itself, and waits for READY (Type=notify-reload).
NOTIFY_RELOAD = 253
#: What is kept of the time to stop for what comes after graceful_timeout: callbacks, atexit (seconds).
SPARE = 10

HELP = """\
usage: hotswap systemd-unit [OPTIONS] MODULE:APP

Print a service unit that serves the application as this user and from this directory. It is for the systemd that is
installed here. The options are those of hotswap run, see hotswap run --help; what they ask for is checked."""

UNIT = """\
# For {systemd}. Put it into /etc/systemd/system/{name}.service, then:
# systemctl daemon-reload && systemctl enable --now {name}
[Unit]
Description={application}, served by hotswap
After=network.target

[Service]
{type}
NotifyAccess={heard}
{user}WorkingDirectory={directory}
{link}RuntimeDirectory={name}
ExecStart={start}
{reload}
KillMode=mixed
TimeoutStopSec={stop_s}
Restart=on-failure

[Install]
WantedBy=multi-user.target"""


class Command(NamedTuple):
    """How the user called this command: the words in front of `systemd-unit`, those behind it, and where that was.

    The paths are as the user wrote them, links unresolved: a deploy moves them.
    """

    hotswap: Sequence[str]
    arguments: Sequence[str]
    directory: str


def main(arguments: Sequence[str]) -> int:
    """Carry out `hotswap systemd-unit ARGUMENTS`, which are those of `hotswap run`.

    Raises SettingError, or SystemExit as argparse does.
    """
    if {"-h", "--help"} & {*arguments}:
        say(HELP)
        raise SystemExit(DONE)
    # Not what gunicorn's variables say: the unit does not have them.
    cfg, application = from_command_line(arguments, {}, "hotswap systemd-unit")
    check(cfg)
    if cfg.daemon:
        raise SettingError("leave --daemon out: systemd waits for the process that it starts")
    program = THIS_PROCESS.program
    command = Command(program.argv[: -len(arguments) - 1], arguments, program.directory)
    say(unit(cfg, application, command, version_of_systemd()))
    return DONE


def unit(cfg: Config, application: str, command: Command, version: int) -> str:
    """Return the unit's text for that version of systemd, 0 if it is not known."""
    if version >= NOTIFY_RELOAD:
        reloading = "# systemctl reload succeeds when a version serves, also the old one: hotswap restart tells which."
    else:
        # It fails if the new version does not come up.
        reloading = f"ExecReload={line(*command.hotswap, 'restart')} $MAINPID"
    return UNIT.format(
        systemd=f"systemd {version}" if version else "any systemd",
        name=unit_name(cfg, application),
        application=specifiers(application),
        type="Type=notify-reload" if version >= NOTIFY_RELOAD else "Type=notify",
        # Without a starter the pid changes, and a process speaks that is not the main one (any more).
        heard="all" if cfg.stable_pid == "off" else "main",
        user="" if os.geteuid() == 0 else f"User={user()}\n",
        directory=specifiers(command.directory),
        link=f"Environment={quoted('PWD=' + command.directory)}\n" if goes_through_a_link(command.directory) else "",
        start=line(*command.hotswap, "run", *command.arguments),
        reload=reloading,
        stop_s=round(float(cfg.graceful_timeout)) + SPARE,
    )


def unit_name(cfg: Config, application: str) -> str:
    """Return the setting `name`, else the application's package, of the characters that a unit's name may have."""
    plain = re.sub(r"[^\w.-]+", "-", str(cfg.name or application.partition(":")[0].partition(".")[0]), flags=re.ASCII)
    return plain.strip("-.") or "hotswap"


def goes_through_a_link(directory: str) -> bool:
    """Return whether a deploy may move a link in that path: then the server has to know it by that name, too."""
    return os.path.realpath(directory) != directory


def user() -> str:
    """Return the name of the user that calls this command; its number if it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def line(*words: str) -> str:
    """Return a command line as ExecStart= takes it (systemd.service(5), "Command lines")."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """Return one word of a command line, in quotes where it has blanks, quotes or backslashes."""
    escaped = specifiers(word).replace("$", "$$")
    if re.fullmatch(r"[^\s\"'\\;]+", escaped):
        return escaped
    special = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(special.get(letter, letter) for letter in escaped) + '"'


def specifiers(text: str) -> str:
    """Return text in which systemd finds no specifier (systemd.unit(5), "Specifiers")."""
    return text.replace("%", "%%")


def version_of_systemd() -> int:
    """Return the version of the systemd that is installed; 0 if there is none, or it does not say."""
    try:
        asked = ["systemctl", "--version"]
        said = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"systemd (\d+)", said)
    return int(found[1]) if found else 0
