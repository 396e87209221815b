# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc tells of running services: their command lines, units and listening sockets, and the files that processes and units name."""

import glob
import os
import re
import socket
import stat
import struct
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import read_regular

_PROC = b"/proc"
_COMM_LENGTH = 15  # TASK_COMM_LEN - 1
_LISTEN = b"0A"  # TCP_LISTEN in /proc/net/tcp
_FILE_LIMIT = 1 << 20
_PIECE = 1 << 15
_STATUS_LINE = re.compile(rb"^(Name|PPid|Uid|NSpid):\t(.*)$", re.MULTILINE)
_UNIT_FOLDERS = (b"/etc/systemd/system", b"/run/systemd/system", b"/usr/local/lib/systemd/system", b"/usr/lib/systemd/system", b"/lib/systemd/system")
_UNIT_LINE = re.compile(rb"^\s*(Exec\w+|Environment|EnvironmentFile|LoadCredential)\s*=\s*(.*)$", re.MULTILINE)
_PROGRAM_FOLDERS = tuple(b"/" + name + b"/" for name in b"bin sbin lib lib64 usr/bin usr/sbin usr/lib usr/lib64 usr/libexec proc sys dev".split())
_SEPARATORS = re.compile(rb"[\s\"'=,;:]+")
_KEY_MATERIAL = re.compile(rb"\.(?:pem|crt|cer|der|key|p12|pfx|jks|p7b)$", re.IGNORECASE)
_TLS_WORD = re.compile(rb"cert|tls|ssl|pki|crt", re.IGNORECASE)


class Process(t.NamedTuple):
    """A running process; `listeners` are (address, port) as bound, None when its sockets cannot be seen."""

    pid: int
    parent: int
    uid: int
    name: str
    argv: t.Tuple[bytes, ...]
    unit: t.Optional[str]
    listeners: t.Optional[t.Tuple[t.Tuple[str, int], ...]]


class Running(t.NamedTuple):
    """The processes found, and what could not be seen of them."""

    processes: t.List[Process]
    problems: t.List[str]


def listening(names: t.Optional[t.Iterable[str]]) -> Running:
    """The processes of these names (comm or the last part of argv[0]; None: all) with what they listen on; those in containers are told and left out."""
    wanted = {name.encode() for name in names or ()}
    wanted_comms = {name[:_COMM_LENGTH] for name in wanted}
    prefix = _own_prefix()
    sockets: t.Optional[t.Dict[bytes, t.Tuple[str, int]]] = None
    running = Running([], [])
    first: t.Set[t.Tuple[int, str]] = set()
    elsewhere: t.Dict[str, int] = {}  # how many of each name run in containers
    for pid in _pids():
        argv, status = _argv(pid), _status(pid)
        name = status.get(b"Name", b"")
        called = argv[0].split(b"/")[-1] if argv else b""
        if not argv or not (names is None or name in wanted_comms or called in wanted):
            continue
        shown = (called if called in wanted else name).decode("utf-8", "backslashreplace")
        if len(status.get(b"NSpid", b"").split()) > 1:
            elsewhere[shown] = elsewhere.get(shown, 0) + 1
            continue
        sockets = _listening_sockets() if sockets is None else sockets
        parent = _number(status, b"PPid")
        # Hundreds of workers have nothing but the sockets of their first process.
        listeners = () if (parent, shown) in first else _listeners(pid, sockets)
        if listeners:
            first.add((pid, shown))
        unit = unit_of(_read(pid, "cgroup"), prefix)
        running.processes.append(Process(pid, parent, _number(status, b"Uid"), shown, argv, unit, listeners))
    running.problems.extend(f"{count} of the processes {name!r} run in containers and were not looked at" for name, count in sorted(elsewhere.items()))
    running.problems.extend(_hidden(running.processes))
    return running


def _hidden(found: t.Sequence[Process]) -> t.Iterator[str]:
    """Yield what to say of processes whose sockets cannot be seen; a worker has those of its parent."""
    seen = {process.pid for process in found if process.listeners is not None}
    for process in found:
        if process.listeners is None and process.parent not in seen:
            yield f"the sockets of process {process.pid} ({process.name}) cannot be seen: that needs root, in a container CAP_SYS_PTRACE, too"


def unit_of(cgroup: bytes, prefix: str = "") -> t.Optional[str]:
    """The systemd unit in the text of /proc/<pid>/cgroup, as systemctl wants it (escapes such as `\\x2d` are part of its name).

    `prefix` is where the system's own root group lies, as a container may see it. None for what no unit of the system runs: sessions, the users' own
    units, containers.
    """
    path = _group(cgroup)
    if path is None or not path.startswith(prefix + "/"):
        return None
    parts = path[len(prefix) :].split("/")[1:]
    if parts[0] == "user.slice" or any(part.endswith(".scope") for part in parts):
        return None
    # cg_escape() of systemd puts an underscore before names that the kernel might take for its own.
    units = [part[1:] if part.startswith("_") else part for part in parts if part.endswith(".service")]
    return units[0] if units else None


def _group(cgroup: bytes) -> t.Optional[str]:
    """The group that systemd has put a process into: in the hierarchy of its own in version 1, in the only one in version 2."""
    found: t.Dict[str, str] = {}
    for line in cgroup.decode("utf-8", "surrogateescape").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and parts[1] in ("", "name=systemd"):
            found[parts[1]] = parts[2]
    return found.get("name=systemd", found.get(""))


def _own_prefix() -> str:
    group = _group(_read(1, "cgroup")) or ""
    return group[: -len("/init.scope")] if group.endswith("/init.scope") else ""


def _pids() -> t.List[int]:
    try:
        return sorted(int(name) for name in os.listdir(_PROC) if name.isdigit())
    except OSError:
        return []


def _read(pid: int, name: str) -> bytes:
    """A file of /proc/<pid>; empty when the process is gone or hidden."""
    try:
        descriptor = os.open(b"%s/%d/%s" % (_PROC, pid, name.encode()), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:  # without the file object, which takes longer than all the rest
        content = piece = os.read(descriptor, _PIECE)
        while piece and len(content) < _FILE_LIMIT:
            piece = os.read(descriptor, _PIECE)
            content += piece
        return content
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _argv(pid: int) -> t.Tuple[bytes, ...]:
    """The command line; empty for kernel threads, zombies and ourselves."""
    line = b"" if pid == os.getpid() else _read(pid, "cmdline").rstrip(b"\0")
    return tuple(line.split(b"\0")) if line else ()


def _status(pid: int) -> t.Dict[bytes, bytes]:
    return dict(_STATUS_LINE.findall(_read(pid, "status")))


def _number(status: t.Dict[bytes, bytes], key: bytes) -> int:
    first = status.get(key, b"").split()[:1]
    return int(first[0]) if first else -1


def _listening_sockets() -> t.Dict[bytes, t.Tuple[str, int]]:
    """By inode: the address and port of each listening TCP socket."""
    found: t.Dict[bytes, t.Tuple[str, int]] = {}
    for table in (b"net/tcp", b"net/tcp6"):
        try:
            with open(os.path.join(_PROC, table), "rb") as file:
                next(file, None)
                for line in file:
                    fields = line.split()
                    if len(fields) < 10 or fields[3] != _LISTEN:
                        break  # listening sockets come first, and a busy host has very many others
                    found[fields[9]] = bound(fields[1])
        except OSError:
            continue
    return found


def bound(field: bytes) -> t.Tuple[str, int]:
    """The address and port of a field such as `0100007F:01BB`: words of the host's own byte order (Documentation/networking/proc_net_tcp.rst)."""
    address, _colon, port = field.partition(b":")
    packed = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed), int(port, 16)


def _listeners(pid: int, sockets: t.Dict[bytes, t.Tuple[str, int]]) -> t.Optional[t.Tuple[t.Tuple[str, int], ...]]:
    folder = os.path.join(_PROC, str(pid).encode(), b"fd")
    found = set()
    try:
        for name in os.listdir(folder):
            try:
                target = os.readlink(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            if target.startswith(b"socket:[") and target[8:-1] in sockets:
                found.add(sockets[target[8:-1]])
    except FileNotFoundError:  # the process has ended
        return ()
    except OSError:
        return None
    return tuple(sorted(found))


def process_paths() -> t.List[bytes]:
    """Files that command lines of running processes name, and folders that they name for certificates; processes in containers are left out."""
    found: t.Dict[bytes, None] = {}
    for pid in _pids():
        argv = _argv(pid)[1:]
        named = list(_named(argv, pid))
        if named and len(_status(pid).get(b"NSpid", b"").split()) <= 1:
            found.update(dict.fromkeys(named))
    return list(found)


def unit_paths() -> t.List[bytes]:
    """Files that systemd's service units, their drop-ins and their environment files name, and folders that they name for certificates."""
    found: t.Dict[bytes, None] = {}
    for path in _unit_files():
        for name, value in _UNIT_LINE.findall(_text(path).replace(b"\\\n", b" ")):
            words = value.lstrip(b"-@:+!").split()  # prefixes of systemd.service(5)
            found.update(dict.fromkeys(_named(words)))
            if name == b"EnvironmentFile":
                found.update(dict.fromkeys(_named([word for file in words for word in _text(file).split()])))
    return list(found)


def _unit_files() -> t.Iterator[bytes]:
    """Each file once: /lib often is /usr/lib, and a unit that is enabled is a link to one that lies there."""
    seen: t.Set[t.Tuple[int, int]] = set()
    for folder in _UNIT_FOLDERS:
        if not _is_new(folder, seen):
            continue
        for path in sorted(glob.glob(folder + b"/*.service") + glob.glob(folder + b"/*.service.d/*.conf")):
            if _is_new(path, seen):
                yield path


def _is_new(path: bytes, seen: t.Set[t.Tuple[int, int]]) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    new = identity not in seen
    seen.add(identity)
    return new


def _text(path: bytes) -> bytes:
    try:
        return read_regular(path, _FILE_LIMIT)
    except (OSError, ValueError):
        return b""


def _named(arguments: t.Sequence[bytes], pid: t.Optional[int] = None) -> t.Iterator[bytes]:
    """The paths in these arguments that exist: files, and folders that speak of TLS. Relative ones only if they look like key material."""
    for option, argument in zip([b"", *arguments], arguments):
        for word in {argument, *_SEPARATORS.split(argument)}:
            path = word
            if not word.startswith(b"/"):
                if pid is None or not _KEY_MATERIAL.search(word):
                    continue
                path = os.path.join(_cwd(pid), word)
            kind = 0 if path.startswith(_PROGRAM_FOLDERS) else _kind(path)
            if stat.S_ISREG(kind) or (stat.S_ISDIR(kind) and path.rstrip(b"/").count(b"/") > 1 and _speaks_of_tls(option, argument, word)):
                yield os.path.normpath(path)


def _speaks_of_tls(option: bytes, argument: bytes, word: bytes) -> bool:
    """Whether a folder is for certificates: by its own name, or by that of the option that it is the value of."""
    own = argument if argument.startswith(b"-") and not re.search(rb"\s", argument) else word
    return bool(_TLS_WORD.search(own) or (option.startswith(b"-") and argument == word and _TLS_WORD.search(option)))


def _cwd(pid: int) -> bytes:
    try:
        return os.readlink(os.path.join(_PROC, str(pid).encode(), b"cwd"))
    except OSError:
        return b"/nowhere"


def _kind(path: bytes) -> int:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0
