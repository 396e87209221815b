# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a service: whether it is active, its validation, its reload and its start, by its own commands or by systemd."""

import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.run import Finished, run
from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import read_regular
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes

_ASK_SECONDS, _VALIDATE_SECONDS, _CHANGE_SECONDS = 15.0, 60.0, 120.0
_SETTLE_SECONDS = 30.0  # in which a unit must have reloaded or started, after its command came back
_SETTLE_POLL = 0.05
_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
_UNTOLD = "in a state that systemd does not tell"
_UNSETTLED = ("activating", "reloading", "refreshing", "deactivating")

Service = t.Dict[str, t.Any]


class Outcome(t.NamedTuple):
    """What came of it, in one sentence; `ok` is None when it cannot be known."""

    ok: t.Optional[bool]
    text: str


def is_active(service: Service) -> Outcome:
    """Whether the service runs: by its status command, its pid file or its unit, in this order; None when it has none of them."""
    if service["status_command"]:
        finished = _run(service, "status_command", _ASK_SECONDS)
        return Outcome(finished.code == 0, f"{_of(service)} is {'active' if finished.code == 0 else 'not active: ' + finished.reason()}")
    if service["pid_file"]:
        pid = _pid(service)
        return Outcome(pid is not None, f"{_of(service)} is {'active' if pid else 'not active: no process lives that ' + service['pid_file'] + ' names'}")
    if not _by_systemd(service):
        return Outcome(None, f"it is not known whether {_of(service)} is active: it has no status command, no pid file and no unit of a running systemd")
    return _in_state(service, _states([service["unit"]])[0])


def are_active(services: t.Sequence[Service]) -> t.List[t.Optional[bool]]:
    """What `is_active` says of each; systemd is asked once for all of them."""
    asked = sorted({service["unit"] for service in services if _asks_systemd(service)})
    states = dict(zip(asked, _states(asked))) if asked else {}
    return [_in_state(service, states[service["unit"]]).ok if _asks_systemd(service) else is_active(service).ok for service in services]


def _in_state(service: Service, state: str) -> Outcome:
    return Outcome(state in ("active", "reloading", "refreshing"), f"{_of(service)} is {state}")


def validate(service: Service) -> Outcome:
    """Let the service check its configuration as it lies there now."""
    if not service["validate"] or service["validates"] == "nothing":
        return Outcome(True, f"{_of(service)} has no validation")
    finished = _run(service, "validate", _VALIDATE_SECONDS)
    if finished.code == 0:
        return Outcome(True, f"{_of(service)} accepts its configuration")
    return Outcome(False, f"{_of(service)} does not accept its configuration: {finished.reason()}")


def reload(service: Service) -> Outcome:
    """Make the service read its files again, and wait until it has settled."""
    way = service["reload"]
    if way in ("by_itself", "none"):
        return Outcome(True, f"{_of(service)} {'reads changed files by itself' if way == 'by_itself' else 'is not reloaded'}")
    verb = "restart" if way == "restart" else "reload"
    return _change(service, "reload_command", verb)


def start(service: Service) -> Outcome:
    """Start the service, and wait until it has settled."""
    if not service["start_command"] and _by_systemd(service):
        run(_systemctl("reset-failed", service), _ASK_SECONDS)  # else a unit that died several times is not started
    return _change(service, "start_command", "start")


def _change(service: Service, command: str, verb: str) -> Outcome:
    if service[command]:
        finished = _run(service, command, _CHANGE_SECONDS)
    elif _by_systemd(service):
        finished = run(_systemctl(verb, service), _CHANGE_SECONDS)
    else:
        return Outcome(False, f"{_of(service)} cannot be made to {verb}: it has no {command} and no unit of a running systemd")
    if finished.code != 0:
        return Outcome(False, f"{_of(service)} did not {verb}: {finished.reason()}")
    return _settled(service, verb)


def _settled(service: Service, verb: str) -> Outcome:
    """Wait until the service is neither on its way up nor down."""
    end = time.monotonic() + _SETTLE_SECONDS
    active, settled = _now(service, verb)
    while not settled and time.monotonic() < end:
        time.sleep(_SETTLE_POLL)
        active, settled = _now(service, verb)
    if active.ok is False:
        return Outcome(False, f"after its {verb} {active.text}")
    return Outcome(True, f"{_of(service)} did {verb}")


def _now(service: Service, verb: str) -> t.Tuple[Outcome, bool]:
    """Whether the service is active, and whether it will stay so; what starts may need a moment for its pid file."""
    if _asks_systemd(service):
        state = _states([service["unit"]])[0]
        return _in_state(service, state), state not in _UNSETTLED
    active = is_active(service)
    return active, active.ok is not False or verb == "reload"


def _states(asked: t.Sequence[str]) -> t.List[str]:
    """The ActiveState of each unit, such as active, reloading, activating, failed, inactive."""
    finished = run(["systemctl", "show", "--property=ActiveState", "--", *asked], _ASK_SECONDS)
    lines = finished.output.decode("ascii", "replace").split("\n")
    told = [line.partition("=")[2].strip() or _UNTOLD for line in lines if line.startswith("ActiveState=")]
    if len(told) != len(asked) and len(asked) > 1:  # a name that systemd does not take spoils the answer for all
        return [_states([unit])[0] for unit in asked]
    return told or [_UNTOLD]


def _asks_systemd(service: Service) -> bool:
    return not service["status_command"] and not service["pid_file"] and _by_systemd(service)


def _by_systemd(service: Service) -> bool:
    return bool(service["unit"]) and os.path.isdir(_SYSTEMD)


def _systemctl(verb: str, service: Service) -> t.List[str]:
    return ["systemctl", "--no-ask-password", verb, "--", service["unit"]]


def _run(service: Service, command: str, seconds: float) -> Finished:
    argv = list(service[command])
    if any("{pid}" in word for word in argv):
        pid = _pid(service)
        if pid is None:
            return Finished(1, b"", f"no process lives that {service['pid_file']} names".encode(), False)
        argv = [word.replace("{pid}", str(pid)) for word in argv]
    return run([path_bytes(word) for word in argv], seconds)


def _pid(service: Service) -> t.Optional[int]:
    """The process that the pid file names, None when there is none or it is dead."""
    try:
        pid = int(read_regular(path_bytes(service["pid_file"] or "/"), 64))
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read(4096).rpartition(b")")[2].split()[:1]
    except (OSError, ValueError):
        return None
    return None if state == [b"Z"] or pid < 1 else pid


def _of(service: Service) -> str:
    return f"service {service['name']!r}"
