# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a host: entries of the table, joined with the configurations that lie there and the processes that run."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import user_name
from ansible_collections.certops.fleet.plugins.module_utils._host.services import entries, units
from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader, Use
from ansible_collections.certops.fleet.plugins.module_utils._host.services.instances import Instance, instance_name, instances
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process, Running, listening
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text

Service = t.Dict[str, t.Any]
Entry = t.Dict[str, t.Any]
_TWINS = ("mariadb", "mysql")  # one configuration may be of either: it is of the one that runs
_BY_ARGUMENTS = ("arguments", "lines", "yaml", "xml")  # the options of the running program may say everything
_COPIED = ("unit", "validate", "validates", "reload", "reload_command", "start_command", "status_command", "pid_file", "reads_as", "loads_folder")


def services_here(user_entries: t.Sequence[Entry]) -> t.Tuple[t.List[Service], Running]:
    """The services of this host, with the processes that were looked at. Raises ServiceEntryError for a wrong entry of the user's.

    Only what is present is read: the rest of the table costs one look for each place where a configuration may lie.
    """
    names = entries.process_names().union(*(_texts(entry.get("processes")) for entry in user_entries))
    running = listening(names)
    if user_entries:
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries

        table = check_entries(list(user_entries))
    else:
        table = entries.present({process.name for process in running.processes})
    return find_services(table, running.processes), running


def _texts(value: t.Any) -> t.List[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def find_services(table: t.Sequence[Entry], running: t.Sequence[Process]) -> t.List[Service]:
    """The services of this host, as JSON takes them. The entries are complete (service_table.check_entries), the processes are those of processes.py.

    A service that lies where its entry says has the entry's name; what a pattern of the entry found is `name@instance`, and another configuration that a
    process was started with `name@path`.
    """
    found: t.List[Service] = []
    for entry in table:
        own = [process for process in running if process.name in entry["processes"] and _is_meant(entry, process)]
        if entry["syntax"] == "declared":
            found.append(_declared(entry, own))
        else:
            found.extend(filter(None, (_configured(entry, instance) for instance in instances(entry, own))))
    active = {service["configuration"] for service in found if service["pids"]}
    kept = [service for service in found if service["pids"] or service["entry"] not in _TWINS or service["configuration"] not in active]
    asked = [service for service in kept if not service["pids"] or service["status_command"] or service["pid_file"]]
    for service in kept:
        service["active"] = True
    for service, is_active in zip(asked, units.are_active(asked)):
        service["active"] = is_active
    return kept


def _is_meant(entry: Entry, process: Process) -> bool:
    """Whether a process is of this entry, where its name alone does not say that (java, beam.smp)."""
    return entry["argument"] is None or entry["argument"].encode() in b" ".join(process.argv)


def _declared(entry: Entry, processes: t.Sequence[Process]) -> Service:
    service = _service(entry, entry["name"], processes)
    service["uses"] = [dict(use) for use in entry["uses"]]
    service["listeners"] = [dict(listener) for listener in entry["listeners"]]
    configuration = next((path for path in entry["configurations"] if os.path.exists(path_bytes(path))), None)
    service["configuration"] = configuration
    service["validate"] = _with_configurations(entry["validate"], [configuration] if configuration else entry["configurations"][:1])
    return service


def _configured(entry: Entry, instance: Instance) -> t.Optional[Service]:
    """One configuration as a service; None for a process without a configuration whose options name no file either."""
    shown = [path_text(path) for path in instance.configurations]
    number = instance_name(entry, shown[0] if shown else None)
    service = _service(_of_instance(entry, number), f"{entry['name']}@{number}" if number else entry["name"], instance.processes)
    service["configuration"] = shown[0] if shown else None
    service["validate"] = _with_configurations(service["validate"], shown)
    findings = Findings()
    if shown or entry["syntax"] in _BY_ARGUMENTS:
        _reader(entry["syntax"])(entry, instance, Reader(findings))
    else:
        findings.problem(f"{entry['name']} runs as process {instance.processes[0].pid}, but where its configuration lies is not known")
    if not shown and not findings.uses and entry["syntax"] in _BY_ARGUMENTS:
        return None
    service["listeners"], service["uses"] = _numbered(findings.uses)
    service["problems"] += findings.problems + list(_not_listening(service["listeners"], instance.processes))
    return service


def _of_instance(entry: Entry, number: str) -> Entry:
    """The entry with the number of an instance in its unit and commands; without one, `@{instance}` is left out."""
    if not any("{instance}" in str(entry[key]) for key in _COPIED):
        return entry
    told = {key: _replaced(entry[key], number) for key in _COPIED}
    return dict(entry, **told)


def _replaced(value: t.Any, number: str) -> t.Any:
    if isinstance(value, list):
        return [_replaced(each, number) for each in value]
    if not isinstance(value, str):
        return value
    return value.replace("{instance}", number) if number else value.replace("@{instance}", "").replace("{instance}", "")


def _bound(processes: t.Sequence[Process]) -> t.Optional[t.Set[t.Tuple[str, int]]]:
    """What the processes listen on; None when that cannot be seen."""
    if any(process.listeners is None for process in processes):
        return None
    return {place for process in processes for place in process.listeners or ()}


Read = t.Callable[[Entry, Instance, Reader], None]


def _reader(syntax: str) -> Read:
    """The reader of a configuration language, imported where it is needed: most hosts have few of the services."""
    # ruff: noqa: PLC0415
    if syntax == "nginx":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_nginx import read_nginx

        return lambda _entry, instance, reader: read_nginx(instance.configurations[0], reader)
    if syntax == "apache":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_apache import read_apache

        return lambda _entry, instance, reader: read_apache(instance.configurations[0], reader, instance.arguments)
    if syntax == "haproxy":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_haproxy import read_haproxy

        return lambda _entry, instance, reader: read_haproxy(instance.configurations, reader)
    return _reader_by_rows(syntax)


def _reader_by_rows(syntax: str) -> Read:
    read: t.Callable[[Entry, t.Optional[bytes], Reader, t.Sequence[bytes], t.Optional[t.Set[t.Tuple[str, int]]]], None]
    if syntax == "exim":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_exim import read_exim

        read = read_exim
    elif syntax == "prosody":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_prosody import read_prosody

        read = read_prosody
    elif syntax == "folder":
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_settings import read_folder

        read = read_folder
    else:
        from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_settings import read_settings

        read = read_settings
    return lambda entry, instance, reader: read(entry, next(iter(instance.configurations), None), reader, instance.arguments, _bound(instance.processes))


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
            told = listeners.setdefault(listener, dict(listener._asdict(), names=[]))
            told["names"].extend(name for name in use.names if name not in told["names"])
        files = {field: path and path_text(path) for field, path in zip(use._fields, use.files())}
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
