# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounted file systems a scan keeps out of, and where a path really leads without asking any of them."""

import os
import re
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import paths_table

_MOUNTS = b"/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")
LOOP = "too many links"
_MOST_LINKS = 40  # as the kernel has it (path_resolution(7))


class Mounts(t.NamedTuple):
    """Mount points and why they are left alone: `untouched` are not even asked about a file, `out` are not walked into."""

    untouched: t.Dict[bytes, str]
    out: t.Dict[bytes, str]


class Target(t.NamedTuple):
    """Where a path leads: its canonical path and status; without status the reason why it leads nowhere."""

    path: bytes
    status: t.Optional[os.stat_result]
    reason: str


def read_mounts() -> Mounts:
    """Return the mounts of this process; none where there is no /proc."""
    try:
        with open(_MOUNTS, "rb") as table:
            return parse_mounts(table.read())
    except OSError:
        return Mounts({}, {})


def parse_mounts(table: bytes) -> Mounts:
    """Return what the text of /proc/self/mountinfo says (proc_pid_mountinfo(5)); the last mount on a point is the one in sight."""
    mounts = Mounts({}, {})
    for line in table.splitlines():
        before, found, after = line.partition(b" - ")
        fields = before.split(b" ")
        if not found or len(fields) < 5:
            continue
        point, kind = _ESCAPED.sub(_byte, fields[4]), after.split(b" ")[0]
        mounts.untouched.pop(point, None)
        mounts.out.pop(point, None)
        if point != b"/":
            _sort(mounts, point, kind)
    return mounts


def _byte(match: t.Match[bytes]) -> bytes:
    return bytes((int(match.group(1), 8) & 0xFF,))


def _sort(mounts: Mounts, point: bytes, kind: bytes) -> None:
    reason = paths_table.UNTOUCHED_FILE_SYSTEMS.get(kind)
    if reason is None and kind.startswith(paths_table.FUSE_PREFIX):
        reason = paths_table.FUSE_REASON
    if reason is not None:
        mounts.untouched[point] = f"{reason} ({kind.decode('ascii', 'replace')})"
    elif kind in paths_table.OUT_FILE_SYSTEMS:
        mounts.out[point] = paths_table.OUT_FILE_SYSTEMS[kind]


def allow(mounts: Mounts, path: bytes) -> Mounts:
    """Return the mounts without those that `path` lies on: who gives a path wants it looked at."""

    def without(table: t.Dict[bytes, str]) -> t.Dict[bytes, str]:
        return {point: reason for point, reason in table.items() if not (path + b"/").startswith(point + b"/")}

    return Mounts(without(mounts.untouched), without(mounts.out))


class Resolver:
    """Follows links one by one, so that no step is made into a mount that is to be left alone; remembers the folders it came by."""

    def __init__(self, mounts: Mounts) -> None:
        self._untouched = mounts.untouched
        self._folders: t.Set[bytes] = {b"/"}

    def resolve(self, path: bytes) -> Target:
        """Return where an absolute path leads."""
        folder, _slash, name = path.rpartition(b"/")
        done, pending, links = (folder, [name], 0) if folder in self._folders else (b"/", path.split(b"/")[::-1], 0)
        status: t.Optional[os.stat_result] = None
        while pending:
            name = pending.pop()
            if name in (b"", b"."):
                continue
            done = os.path.dirname(done) if name == b".." else (done if done != b"/" else b"") + b"/" + name
            status = None
            if name == b".." or (done in self._folders and pending):
                continue
            if done in self._untouched:
                return Target(done, None, self._untouched[done])
            try:
                status = os.lstat(done)
                if stat.S_ISLNK(status.st_mode):
                    links += 1
                    done, pending, status = _step(done, pending)
                elif stat.S_ISDIR(status.st_mode):
                    self._folders.add(done)
            except OSError as exc:
                return Target(done, None, reason_of(exc))
            if links > _MOST_LINKS:
                return Target(done, None, LOOP)
        return self._ended(done, status)

    def _ended(self, path: bytes, status: t.Optional[os.stat_result]) -> Target:
        try:
            return Target(path, status or os.lstat(path), "")
        except OSError as exc:
            return Target(path, None, reason_of(exc))


def _step(link: bytes, pending: t.List[bytes]) -> t.Tuple[bytes, t.List[bytes], None]:
    """Return from where and how to go on behind a link."""
    target = os.readlink(link)
    return (b"/" if target.startswith(b"/") else os.path.dirname(link)), pending + target.split(b"/")[::-1], None


def reason_of(error: OSError) -> str:
    """Return why the system refused, in its words."""
    return os.strerror(error.errno) if error.errno else "unreadable"
