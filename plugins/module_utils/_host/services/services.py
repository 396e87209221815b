# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a host: entries of the table, joined with the configurations that lie there and the processes that run."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import user_name
from ansible_collections.certops.fleet.plugins.module_utils._host.services import units
from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader, Use
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_apache import read_apache
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_haproxy import read_haproxy
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_nginx import read_nginx
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text

Service = t.Dict[str, t.Any]
Entry = t.Dict[str, t.Any]
_COPIED = ("unit", "validate", "validates", "reload", "reload_command", "start_command", "status_command", "pid_file", "reads_as", "loads_folder")


class _Instance(t.NamedTuple):
    """One configuration of an entry with the processes that run with it; `arguments` are those of the first of them."""

    configurations: t.Tuple[bytes, ...]
    processes: t.Tuple[Process, ...]
    arguments: t.Tuple[bytes, ...]


def process_names(entries: t.Sequence[Entry]) -> t.List[str]:
    """The names of all processes that the entries know."""
    return sorted({name for entry in entries for name in entry["processes"]})


def find_services(entries: t.Sequence[Entry], processes: t.Sequence[Process]) -> t.List[Service]:
    """The services of this host, as JSON takes them. `entries` are complete (service_table.check_entries), `processes` come from processes.listening.

    A service that lies where its entry says has the entry's name, another configuration that a process was started with is `name@path`.
    """
    found: t.List[Service] = []
    for entry in entries:
        own = [process for process in processes if process.name in entry["processes"]]
        if entry["syntax"] == "declared":
            found.append(_declared(entry, own))
        else:
            found.extend(_configured(entry, instance) for instance in _instances(entry, own))
    return found


def _declared(entry: Entry, processes: t.Sequence[Process]) -> Service:
    service = _service(entry, entry["name"], processes)
    service["uses"] = [dict(use) for use in entry["uses"]]
    service["listeners"] = [dict(listener) for listener in entry["listeners"]]
    configuration = next((path for path in entry["configurations"] if os.path.exists(path_bytes(path))), None)
    service["configuration"] = configuration
    service["validate"] = _with_configurations(entry["validate"], [configuration] if configuration else entry["configurations"][:1])
    service["active"] = _active(service)
    return service


def _configured(entry: Entry, instance: _Instance) -> Service:
    shown = [path_text(path) for path in instance.configurations]
    usual = not shown or shown[0] in entry["configurations"]
    service = _service(entry, entry["name"] if usual else f"{entry['name']}@{shown[0]}", instance.processes)
    service["configuration"] = shown[0] if shown else None
    service["validate"] = _with_configurations(entry["validate"], shown)
    findings = Findings()
    if shown:
        _READERS[entry["syntax"]](instance, Reader(findings))
    else:
        findings.problem(f"{entry['name']} runs as process {instance.processes[0].pid}, but where its configuration lies is not known")
    service["listeners"], service["uses"] = _numbered(findings.uses)
    service["problems"] += findings.problems + list(_not_listening(service["listeners"], instance.processes))
    service["active"] = _active(service)
    return service


_READERS: t.Dict[str, t.Callable[[_Instance, Reader], None]] = {
    "nginx": lambda instance, reader: read_nginx(instance.configurations[0], reader),
    "apache": lambda instance, reader: read_apache(instance.configurations[0], reader, instance.arguments),
    "haproxy": lambda instance, reader: read_haproxy(instance.configurations, reader),
}


def _service(entry: Entry, name: str, processes: t.Sequence[Process]) -> Service:
    """What every service has, before its configuration is read."""
    service: Service = {"name": name, "entry": entry["name"], "active": None, "configuration": None, "uses": [], "listeners": [], "problems": []}
    service.update((key, entry[key]) for key in _COPIED)
    service["pids"] = sorted(process.pid for process in processes)
    if processes and entry["syntax"] != "declared":
        service["unit"] = next((process.unit for process in processes if process.unit), None)
        if service["unit"] is None and not entry["reload_command"] and entry["reload"] not in ("none", "by_itself"):
            service["problems"].append(f"{name} runs outside of any unit of systemd, and no reload_command is given")
        master = processes[0].uid
        if entry["reads_as"] == "root" and master > 0:
            service["reads_as"] = user_name(master)
    return service


def _active(service: Service) -> t.Optional[bool]:
    if service["pids"] and not service["status_command"] and not service["pid_file"]:
        return True
    return units.is_active(service).ok


def _with_configurations(argv: t.Optional[t.Sequence[str]], configurations: t.Sequence[str]) -> t.Optional[t.List[str]]:
    """The command for these configurations; with several of them the word `{configuration}` is repeated together with the option before it."""
    if argv is None:
        return None
    words: t.List[str] = []
    for index, word in enumerate(argv):
        if word == "{configuration}":
            option = [argv[index - 1]] if index > 1 and argv[index - 1].startswith("-") else []
            for number, path in enumerate(configurations):
                words.extend((option if number else []) + [path])
        else:
            words.append(word.replace("{configuration}", configurations[0] if configurations else ""))
    return words


def _numbered(uses: t.Sequence[Use]) -> t.Tuple[t.List[t.Dict[str, t.Any]], t.List[t.Dict[str, t.Any]]]:
    """The listeners of the uses with the names they are to be asked for, and the uses, which name listeners by number."""
    listeners: t.Dict[Listener, t.Dict[str, t.Any]] = {}
    numbers: t.Dict[Listener, int] = {}
    shown = []
    for use in uses:
        for listener in use.listeners:
            numbers.setdefault(listener, len(numbers))
            told = listeners.setdefault(listener, {"address": listener.address, "port": listener.port, "names": [], "protocol": "tls"})
            told["names"].extend(name for name in use.names if name not in told["names"])
        files = {field: path and path_text(path) for field, path in zip(use._fields[:4], use[:4])}
        shown.append(dict(files, names=list(use.names), listeners=[numbers[listener] for listener in use.listeners]))
    return list(listeners.values()), shown


def _not_listening(listeners: t.Sequence[t.Dict[str, t.Any]], processes: t.Sequence[Process]) -> t.Iterator[str]:
    """Ports of the configuration that its processes do not listen on: they run with another configuration than the one that lies there."""
    seen = [process.listeners for process in processes]
    if not seen or None in seen:
        return
    ports = {port for each in seen for _address, port in each or ()}
    for port in sorted({listener["port"] for listener in listeners} - ports):
        yield f"the configuration has a listener on port {port}, but no process of the service listens there"


def _instances(entry: Entry, processes: t.Sequence[Process]) -> t.List[_Instance]:
    """One for each configuration that runs, and the usual one when it lies there and does not run."""
    usual = next(((path,) for path in map(path_bytes, entry["configurations"]) if os.path.isfile(path)), ())
    found: t.Dict[t.Tuple[bytes, ...], _Instance] = {}
    for group in _groups(processes):
        arguments = _arguments(group[0])
        configurations = _NAMED[entry["syntax"]](arguments) or usual
        before = found.get(configurations, _Instance(configurations, (), arguments))
        found[configurations] = before._replace(processes=before.processes + group)
    if usual and not any(instance.configurations[:1] == usual for instance in found.values()):
        found[usual] = _Instance(usual, (), ())
    return list(found.values())


def _groups(processes: t.Sequence[Process]) -> t.List[t.Tuple[Process, ...]]:
    """The processes as groups of a first one (whose parent is not of them) and its descendants."""
    by_pid = {process.pid: process for process in processes}
    groups: t.Dict[int, t.List[Process]] = {}
    for process in processes:
        first = process
        for _generation in range(len(by_pid)):
            if first.parent not in by_pid:
                break
            first = by_pid[first.parent]
        groups.setdefault(first.pid, []).append(process)
    return [tuple(sorted(group, key=lambda process: process.pid != first)) for first, group in groups.items()]


def _arguments(process: Process) -> t.Tuple[bytes, ...]:
    """The arguments behind the program's name; nginx's first process shows them in its title."""
    if process.argv[0].startswith(b"nginx: "):
        return tuple(b" ".join(process.argv).split()[3:])
    return process.argv[1:]


def _options(arguments: t.Sequence[bytes], letter: bytes) -> t.List[bytes]:
    """The values of an option such as `-c FILE` or `-cFILE`."""
    following = zip(arguments, [*arguments[1:], b""])
    return [value if argument == letter else argument[2:] for argument, value in following if argument[:2] == letter and (argument != letter or value)]


def _nginx_configuration(arguments: t.Sequence[bytes]) -> t.Tuple[bytes, ...]:
    prefix = (_options(arguments, b"-p") or [b""])[-1]
    named = _options(arguments, b"-c")
    if not named and prefix:
        usual = os.path.join(prefix, b"conf/nginx.conf")
        named = [usual] if os.path.isfile(usual) else []
    return _known([os.path.join(prefix, path) for path in named[-1:]])


def _apache_configuration(arguments: t.Sequence[bytes]) -> t.Tuple[bytes, ...]:
    root = (_options(arguments, b"-d") or [b""])[-1]
    return _known([os.path.join(root, path) for path in _options(arguments, b"-f")[-1:]])


def _haproxy_configurations(arguments: t.Sequence[bytes]) -> t.Tuple[bytes, ...]:
    folder = (_options(arguments, b"-C") or [b""])[-1]
    behind = list(arguments[arguments.index(b"--") + 1 :]) if b"--" in arguments else []
    return _known([os.path.join(folder, path) for path in _options(arguments, b"-f") + behind])


def _known(paths: t.Sequence[bytes]) -> t.Tuple[bytes, ...]:
    """The paths; none of them when one is relative to a folder that is not known."""
    return tuple(paths) if all(path.startswith(b"/") for path in paths) else ()


_NAMED: t.Dict[str, t.Callable[[t.Sequence[bytes]], t.Tuple[bytes, ...]]] = {
    "nginx": _nginx_configuration,
    "apache": _apache_configuration,
    "haproxy": _haproxy_configurations,
}
