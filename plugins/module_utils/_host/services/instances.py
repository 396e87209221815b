# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which configurations of an entry of the table there are: those that its processes were started with, and those that lie at the usual places."""

import glob
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes

Entry = t.Dict[str, t.Any]


class Instance(t.NamedTuple):
    """One configuration of an entry with the processes that run with it; `arguments` are those of the first of them."""

    configurations: t.Tuple[bytes, ...]
    processes: t.Tuple[Process, ...]
    arguments: t.Tuple[bytes, ...]


def instances(entry: Entry, processes: t.Sequence[Process]) -> t.List[Instance]:
    """One for each configuration that runs, and those at the usual places that do not run."""
    usual = {os.path.realpath(path): path for path in _usual(entry["configurations"])}
    found: t.Dict[t.Tuple[bytes, ...], Instance] = {}
    for group in _groups(processes):
        arguments = _arguments(group[0])
        named = _NAMED.get(entry["syntax"], _by_entry)(arguments, entry) or tuple(usual.values())[:1]
        configurations = tuple(usual.get(os.path.realpath(path), path) for path in named)
        before = found.get(configurations, Instance(configurations, (), arguments))
        found[configurations] = before._replace(processes=before.processes + group)
    known = {path for configurations in found for path in configurations[:1]}
    found.update(((path,), Instance((path,), (), ())) for path in usual.values() if path not in known)
    return list(found.values())


def _usual(patterns: t.Sequence[str]) -> t.List[bytes]:
    """The configurations that lie at the usual places: the first that is there, and of a pattern all. What is not there costs one look."""
    for pattern in map(path_bytes, patterns):
        fixed, star, _rest = pattern.partition(b"*")
        if not star:
            if os.path.exists(pattern):
                return [pattern]
        elif os.path.isdir(os.path.dirname(fixed)):
            found = sorted(glob.glob(pattern))
            if found:
                return found
    return []


def instance_name(entry: Entry, configuration: t.Optional[str]) -> str:
    """What tells an instance from others of its entry: nothing, what a `*` of the entry's patterns stands for, or its configuration."""
    for pattern in entry["configurations"]:
        if configuration is None or configuration == pattern:
            return ""
        if "*" in pattern:
            match = re.fullmatch("([^/]*)".join(map(re.escape, pattern.split("*"))), configuration)
            if match:
                return "-".join(match.groups())
    return configuration if configuration is not None else ""


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


def _nginx_configuration(arguments: t.Sequence[bytes], _entry: Entry) -> t.Tuple[bytes, ...]:
    prefix = (_options(arguments, b"-p") or [b""])[-1]
    named = _options(arguments, b"-c")
    if not named and prefix:
        usual = os.path.join(prefix, b"conf/nginx.conf")
        named = [usual] if os.path.isfile(usual) else []
    return _known([os.path.join(prefix, path) for path in named[-1:]])


def _apache_configuration(arguments: t.Sequence[bytes], _entry: Entry) -> t.Tuple[bytes, ...]:
    root = (_options(arguments, b"-d") or [b""])[-1]
    return _known([os.path.join(root, path) for path in _options(arguments, b"-f")[-1:]])


def _haproxy_configurations(arguments: t.Sequence[bytes], _entry: Entry) -> t.Tuple[bytes, ...]:
    folder = (_options(arguments, b"-C") or [b""])[-1]
    behind = list(arguments[arguments.index(b"--") + 1 :]) if b"--" in arguments else []
    return _known([os.path.join(folder, path) for path in _options(arguments, b"-f") + behind])


def _by_entry(arguments: t.Sequence[bytes], entry: Entry) -> t.Tuple[bytes, ...]:
    """The configuration behind one of the options of the entry, `-c FILE`, `--config=FILE` or `FILE` alone; in a folder, the file that the entry says."""
    for option, file in entry["configuration_arguments"].items():
        for path in _values(arguments, option.encode()):
            if path.startswith(b"/"):
                return (os.path.join(path, file.encode()) if file else path,)
    return ()


def _values(arguments: t.Sequence[bytes], option: bytes) -> t.Iterator[bytes]:
    for argument, following in zip(arguments, [*arguments[1:], b""]):
        if option in (b"", argument):
            yield argument if not option else following
        elif argument.startswith(option if option.endswith(b"=") else option + b"="):
            yield argument[len(option) + (not option.endswith(b"=")) :]


def _known(paths: t.Sequence[bytes]) -> t.Tuple[bytes, ...]:
    """The paths; none of them when one is relative to a folder that is not known."""
    return tuple(paths) if all(path.startswith(b"/") for path in paths) else ()


_NAMED: t.Dict[str, t.Callable[[t.Sequence[bytes], Entry], t.Tuple[bytes, ...]]] = {
    "nginx": _nginx_configuration,
    "apache": _apache_configuration,
    "haproxy": _haproxy_configurations,
}
