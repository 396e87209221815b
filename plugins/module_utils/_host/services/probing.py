# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the listeners of this host serve, beside what lies on its disk: the same, not loaded (renewed, but never reloaded), or unknown to the disk."""

import binascii
import hashlib
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host import tls
from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import connectable
from ansible_collections.certops.fleet.plugins.module_utils._host.services.hello import shown
from ansible_collections.certops.fleet.plugins.module_utils._host.services.look import LookError, NoAnswer, Place, connect, look, server_name
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process, listening
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import x509
from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import DerError

PROBES = ("none", "services", "all")
_SECONDS, _ALL_SECONDS = 2.0, 15.0  # for one listener, for all
_LIMIT = 500  # questions

Row = t.Dict[str, t.Any]
Held = t.Callable[[bytes], t.Set[str]]  # the SHA-256 of the certificates in a file


class Probe:
    """Looks at listeners on loopback, each question once, until the time for all is over."""

    def __init__(self, held: Held, anywhere: t.Container[str]) -> None:
        """`held` tells what a file holds, `anywhere` which certificates were found in any."""
        self._held = held
        self._anywhere = anywhere
        self._end = time.monotonic() + _ALL_SECONDS
        self._asked: t.Dict[t.Tuple[Place, str], t.Tuple[t.Optional[bytes], t.Optional[str]]] = {}
        self._silent: t.Dict[Place, str] = {}

    def services(self, services: t.Iterable[Row], running: t.Sequence[Process]) -> None:
        """Give every service that runs its rows `served`: {"address", "port", "protocol", "name", "sha256", "not_after", "state", "error"}."""
        bound = {process.pid: process.listeners for process in running}
        for service in services:
            seen = [bound.get(pid) for pid in service["pids"]]
            ports = None if not seen or None in seen else {port for each in seen for _address, port in each or ()}
            service["served"] = list(self._service(service, ports)) if service["pids"] and service["active"] else []

    def _service(self, service: Row, ports: t.Optional[t.Set[int]]) -> t.Iterator[Row]:
        known = {digest for use in service["uses"] for digest in self._of(use)}
        asked: t.Set[t.Tuple[int, str]] = set()
        for use in service["uses"]:
            name = next(iter(use["names"]), "")
            for index in use["listeners"]:
                listener = service["listeners"][index]
                # Where none of its processes listens, another one may.
                if (index, name) in asked or (ports is not None and listener["port"] not in ports):
                    continue
                asked.add((index, name))
                yield self._row(Place(listener["address"], listener["port"], listener["protocol"]), name, known, bool(self._of(use)))

    def _of(self, use: Row) -> t.Set[str]:
        return {digest for role in ("certificate", "store") if use.get(role) for digest in self._held(path_bytes(use[role]))}

    def others(self, services: t.Sequence[Row]) -> t.List[Row]:
        """Processes that no entry of the table knows and that serve TLS, as services without a configuration."""
        taken = {pid for service in services for pid in service["pids"]}
        found: t.Dict[str, Row] = {}
        for process in listening(None).processes:
            if process.pid in taken:
                continue
            for address, port in process.listeners or ():
                row = self._row(Place(connectable(address), port, tls.STARTTLS_PORTS.get(port, "tls")), "", set(), False)
                if row["sha256"] is not None:
                    service = found.setdefault(process.name, _unknown(process))
                    service["pids"] = sorted({*service["pids"], process.pid})
                    service["served"].append(row)
                    service["listeners"].append({"address": row["address"], "port": port, "protocol": row["protocol"], "names": []})
        return list(found.values())

    def _row(self, place: Place, name: str, known: t.Container[str], named: bool) -> Row:
        der, error = self._seen(place, name)
        digest = None if der is None else hashlib.sha256(der).hexdigest()
        state = None
        if digest is not None:
            state = "same" if digest in known or (not named and digest in self._anywhere) else "not_loaded" if named else "unknown"
        return dict(place._asdict(), name=name, sha256=digest, not_after=_not_after(der), state=state, error=error)

    def _seen(self, place: Place, name: str) -> t.Tuple[t.Optional[bytes], t.Optional[str]]:
        if (place, name) not in self._asked:
            self._asked[(place, name)] = self._look(place, name)
        return self._asked[(place, name)]

    def _look(self, place: Place, name: str) -> t.Tuple[t.Optional[bytes], t.Optional[str]]:
        if place in self._silent:
            return None, self._silent[place]
        left = min(_SECONDS, self._end - time.monotonic())
        if left <= 0 or len(self._asked) >= _LIMIT:
            return None, f"{place} was not looked at, because the time for looking at listeners was over"
        try:
            return _served(place, server_name(name), left), None
        except NoAnswer as exc:
            self._silent[place] = f"{place} {exc}"
            return None, self._silent[place]
        except LookError as exc:
            return None, f"{place} {exc}"


def _served(place: Place, name: t.Optional[str], seconds: float) -> bytes:
    """The certificate: read from the answer to a greeting where that shows it, else seen in a whole handshake."""
    end = time.monotonic() + seconds
    with connect(place, name, end) as connected:
        try:
            der = shown(connected, name, lambda: max(0.001, end - time.monotonic()))
        except OSError:
            der = None
    if der is not None:
        return der
    seen = look(place.address, place.port, name or "", seconds=max(0.001, end - time.monotonic()), protocol=place.protocol)
    if seen["error"] is not None:
        raise LookError(seen["error"].partition(" ")[2])
    return binascii.a2b_base64(seen["der"])


def _not_after(der: t.Optional[bytes]) -> t.Optional[int]:
    try:
        return None if der is None else x509.facts(der).not_after
    except DerError:
        return None


def _unknown(process: Process) -> Row:
    nothing = dict.fromkeys(("configuration", "validate", "reload_command", "start_command", "status_command", "pid_file"))
    told = {"name": process.name, "entry": None, "unit": process.unit, "active": True, "validates": "nothing", "reload": "none", "reads_as": "root"}
    return dict(nothing, **told, loads_folder=False, uses=[], listeners=[], problems=[], pids=[], served=[])


def checked(probe: str) -> str:
    """The option, as it is accepted."""
    if probe not in PROBES:
        raise HostError(f"probe must be one of {', '.join(PROBES)}, got {probe!r}")
    return probe


def counts(services: t.Iterable[Row]) -> t.Dict[str, int]:
    """For the summary: how many looks there were, and how many listeners have not loaded what lies on the disk."""
    states = [row["state"] for service in services for row in service.get("served", ())]
    return {"listeners": len(states), "not_loaded": states.count("not_loaded")}
