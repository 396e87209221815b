# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers of the servers' configuration languages share: bounded reading of files, and what they find in them.

A configuration is read as its server reads it, but nothing in it is executed, and only regular files are opened.
"""

import errno
import glob
import ipaddress
import os
import re
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_FILE_LIMIT = 8 << 20  # bytes of one file
_TOTAL_LIMIT = 32 << 20  # bytes of one service's configuration
_COUNT_LIMIT = 5000  # files read for one service; a file counts each time
_DEPTH_LIMIT = 30  # files that include each other
_PROBLEM_LIMIT, _PROBLEM_LENGTH = 50, 500
VALUE_LIMIT = 4096  # bytes of a variable; they may hold each other
_ASSIGNMENT = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#;]*))", re.MULTILINE)
_SHELL_VARIABLE = re.compile(rb"\$(?:\{(\w+)\}|(\w+))")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")


class Listener(t.NamedTuple):
    """Where a service listens with TLS, as to be connected to."""

    address: str
    port: int
    protocol: str = "tls"


class Use(t.NamedTuple):
    """Files that a configuration names together, the names they are served for and where; a file of anchors alone is a chain, a keystore a store."""

    certificate: t.Optional[bytes] = None
    key: t.Optional[bytes] = None
    chain: t.Optional[bytes] = None
    folder: t.Optional[bytes] = None
    store: t.Optional[bytes] = None
    names: t.Tuple[str, ...] = ()
    listeners: t.Tuple[Listener, ...] = ()

    def files(self) -> t.Tuple[t.Optional[bytes], ...]:
        """The files and folders, in the order of the fields."""
        return (self.certificate, self.key, self.chain, self.folder, self.store)


class Findings:
    """Uses, problems, and the listeners in the order in which they were met; uses of the same files are one."""

    def __init__(self) -> None:
        self.problems: t.List[str] = []
        self._uses: t.Dict[t.Tuple[t.Optional[bytes], ...], Use] = {}

    def add(self, use: Use) -> None:
        """Note a use."""
        files = use.files()
        before = self._uses.get(files, use)
        names = before.names + tuple(name for name in use.names if name not in before.names)
        listeners = before.listeners + tuple(each for each in use.listeners if each not in before.listeners)
        self._uses[files] = before._replace(names=names, listeners=listeners)

    def problem(self, text: str) -> None:
        """Note what could not be followed, once, and no endless list of it."""
        text = text[:_PROBLEM_LENGTH]
        if text in self.problems or len(self.problems) > _PROBLEM_LIMIT:
            return
        self.problems.append(text if len(self.problems) < _PROBLEM_LIMIT else "there are more problems than these")

    def names(self, path: bytes) -> bool:
        """Whether a use of this file or folder is known."""
        return any(path in files for files in self._uses)

    @property
    def uses(self) -> t.List[Use]:
        """The uses in the order of the configuration."""
        return list(self._uses.values())


class Reader:
    """Reads the files of one service's configuration within bounds; what it cannot read is told to the findings."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._open: t.List[bytes] = []  # the files that are being read, each included by the one before
        self._count = self._total = 0

    def enter(self, path: bytes) -> t.Optional[bytes]:
        """The content of a file that includes may lead away from, None when there is none; `leave` it afterwards."""
        real = os.path.realpath(path)
        content = None
        if real in self._open:
            self.findings.problem(f"{path_text(path)} includes itself")
        elif len(self._open) >= _DEPTH_LIMIT:
            self.findings.problem(f"{path_text(path)} was not read, because more than {_DEPTH_LIMIT} files include each other")
        else:
            content = self.read(path)
        self._open.append(real)
        return content

    def leave(self) -> None:
        """The file entered last is done."""
        self._open.pop()

    @property
    def exhausted(self) -> bool:
        """Whether nothing more is read."""
        return self._count > _COUNT_LIMIT or self._total > _TOTAL_LIMIT

    def read(self, path: bytes) -> t.Optional[bytes]:
        """The content of a regular file; None when it cannot be read, which is told."""
        self._count += 1
        if self.exhausted:
            self.findings.problem(f"not all was read, the configuration has more than {_COUNT_LIMIT} files or {_TOTAL_LIMIT >> 20} MiB")
            return None
        try:
            content = read_regular(path, _FILE_LIMIT)
        except OSError as exc:
            self.findings.problem(f"{path_text(path)} cannot be read: {exc.strerror}")
            return None
        self._total += len(content)
        text, nul, _rest = content.partition(b"\0")
        if nul:
            self.findings.problem(f"{path_text(path)} is not a text, what follows its first NUL byte was left out")
        return text

    def matching(self, pattern: bytes) -> t.List[bytes]:
        """The paths that an include names, sorted; wildcards as in glob(3)."""
        if not glob.has_magic(os.fsdecode(pattern)):
            return [pattern]
        return sorted(glob.glob(pattern))


def read_regular(path: bytes, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes. OSError for everything else; a FIFO, socket or device is not opened."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit} bytes")
    return content


def shell_variables(content: bytes) -> t.Dict[bytes, bytes]:
    """Variables that a file for a shell sets by plain assignments; nothing is executed, and what would have to be is left out."""
    known: t.Dict[bytes, bytes] = {}
    for name, double, single, plain in _ASSIGNMENT.findall(content):
        if len(double or plain) > VALUE_LIMIT:
            continue
        value = _SHELL_VARIABLE.sub(lambda match: known.get(match.group(1) or match.group(2), b""), double or plain)
        if single or not re.search(rb"[`$]", value):
            known[name] = (single or value)[:VALUE_LIMIT]
    return known


def absolute(folder: bytes, path: bytes) -> bytes:
    """The path seen from the folder; a `..` is resolved as the system does it, behind links."""
    joined = os.path.join(folder, path)
    if b".." not in joined.split(b"/"):
        return os.path.normpath(joined)
    head, tail = os.path.split(joined)
    return os.path.join(os.path.realpath(head), tail)


def look_names(values: t.Iterable[bytes]) -> t.Tuple[str, ...]:
    """The names that a handshake can ask for: DNS names; of wildcards, regular expressions, addresses and `_` there is none to ask for."""
    names = (value.decode("ascii", "replace").lower().rstrip(".") for value in values)
    return tuple(name for name in names if _DNS_NAME.fullmatch(name) and name.strip("_") and not _is_address(name))


def connectable(address: str) -> str:
    """The address to connect to for one that a configuration listens on."""
    bare = address.strip("[]").lower()
    if bare in ("", "*", "0.0.0.0", "_default_"):  # noqa: S104 (it is read, not bound)
        return "127.0.0.1"
    return "::1" if bare == "::" else bare


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
