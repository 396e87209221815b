# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking through folders: every regular file is shown to a reader once, links are collected, and whatever is left out is counted."""

import contextlib
import errno
import functools
import itertools
import os
import sys
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, paths_table, patterns, reading
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_MOST_PROBLEMS = 1000
_MOST_UNSEEN = 10000
_AT_ONCE = 1000  # entries of a folder
_REFUSALS = tuple(os.strerror(number) for number in (errno.EACCES, errno.EPERM, errno.EIO))
_LISTS_DESCRIPTORS = sys.version_info >= (3, 7)  # os.scandir
_OURS = paths_table.OUR_PREFIX.decode() if _LISTS_DESCRIPTORS else paths_table.OUR_PREFIX  # as names are listed
_MOST_NAMED = 8
MANY = 2000  # files to be read before other processes help
EXCLUDED = "excluded"
NO_HOME = "home folders, looked into on request"
TWICE = "folder that was looked at under another path"
VANISHED = "it vanished while it was looked at"


class OutOfTimeError(ValueError):
    """The time that a scan may take is over."""


class Ledger:
    """What went wrong and what was left out, counted so that it stays short."""

    def __init__(self) -> None:
        self.noted = 0  # problems and decisions
        self._problems: t.Set[t.Tuple[bytes, str]] = set()
        self._more_problems = 0
        self._skipped: t.Dict[t.Tuple[str, bytes, bool], t.Dict[bytes, int]] = {}
        self._gathered: t.Set[t.Tuple[str, bytes, bool]] = set()  # what is one row because it would be many
        self._unseen: t.Set[bytes] = set()

    def problem(self, path: bytes, reason: str) -> None:
        """Note that `path` could not be looked at, or not wholly."""
        self.noted += 1
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.add((path, reason))
        elif (path, reason) not in self._problems:
            self._more_problems += 1

    def skip(self, path: bytes, reason: str, top: bytes = b"/", *, count: int = 1, folder: bool = False) -> None:
        """Note that `path` was left out; those with one reason below one top folder become one row with what is common to them, of folders only many do."""
        key = (reason, top, folder)
        rows = self._skipped.setdefault(key, {})
        if not folder or key in self._gathered or (path not in rows and len(rows) == _MOST_NAMED):
            self._gathered.add(key)
            common, total = os.path.commonpath((*rows, path)), sum(rows.values()) + count
            rows.clear()
            rows[common] = total
        else:
            rows[path] = rows.get(path, 0) + count
        self.noted += 1
        self.hide(path)

    def hide(self, path: bytes) -> None:
        """Note that nobody knows what `path` holds now, which is neither a problem nor a decision."""
        if len(self._unseen) <= _MOST_UNSEEN:
            self._unseen.add(path)

    def refused(self) -> bool:
        """Tell whether the system refused to show something: then nobody knows what lies there."""
        return self._more_problems > 0 or any(reason.endswith(_REFUSALS) for _path, reason in self._problems)

    def problems(self) -> t.List[t.Dict[str, t.Any]]:
        """Rows {path, reason}."""
        rows = [{"path": path_text(path), "reason": reason} for path, reason in sorted(self._problems)]
        if self._more_problems:
            rows.append({"path": "/", "reason": f"{self._more_problems} more problems"})
        return rows

    def skipped(self) -> t.List[t.Dict[str, t.Any]]:
        """Rows {path, reason, count}."""
        found = sorted((path, reason, count) for (reason, _top, _folder), rows in self._skipped.items() for path, count in rows.items())
        return [{"path": path_text(path), "reason": reason, "count": count} for path, reason, count in found]

    def unseen(self) -> t.List[str]:
        """Return each path that was left out, or the root when they are too many: nothing below them may be taken for gone."""
        paths = self._unseen if len(self._unseen) <= _MOST_UNSEEN else {b"/"}
        return [path_text(path) for path in sorted(paths)]


class Rules:
    """What the walk keeps out of: the tables, the mounts, the user's patterns and the folders of our own."""

    def __init__(self, mounted: mounts.Mounts, exclude: t.Iterable[bytes], own: t.Iterable[bytes], *, home: bool) -> None:
        self.exclude = patterns.Patterns(exclude)
        self._reasons = list(paths_table.OUT_FOLDERS.values())
        self._folders = patterns.Patterns(paths_table.OUT_FOLDERS)
        self._exact: t.Dict[bytes, str] = dict(mounted.untouched)
        self._exact.update(mounted.out)
        self._exact.update(dict.fromkeys(own, paths_table.OUR_REASON))
        if not home:
            self._exact[paths_table.HOME] = NO_HOME

    def out(self, path: bytes, name: bytes) -> t.Optional[str]:
        """Return why the folder is not walked into, None when it is."""
        reason = paths_table.OUT_NAMES.get(name) or self._exact.get(path)
        if reason is not None:
            return reason
        if name.startswith(paths_table.OUR_PREFIX):
            return paths_table.OUR_REASON
        index = self._folders.index(path)
        if index is not None:
            return self._reasons[index]
        return EXCLUDED if self.exclude and self.exclude.index(path) is not None else None


class Walker:
    """Walks top folders one after the other; `found(path, seen)` is called for every file that may hold certificates or keys."""

    def __init__(self, rules: Rules, reader: reading.Reader, ledger: Ledger, found: t.Callable[[bytes, reading.Seen], None], deadline: float) -> None:
        self.folders: t.Set[bytes] = set()
        self.links: t.List[bytes] = []
        self._rules = rules
        self._reader = reader
        self._ledger = ledger
        self._found = found
        self._deadline = deadline
        self._identities: t.Set[t.Tuple[int, int]] = set()
        self.start: t.Optional[t.Callable[[Walker], t.Any]] = None  # starts processes that read (elsewhere.py), for many files; None where it does not
        self._unread = 0
        self._elsewhere: t.Any = None  # where files are read by other processes
        self._given_up: t.Set[bytes] = set()
        self._stack: t.List[bytes] = []

    def walk(self, top: bytes, *, deep: bool = True) -> None:
        """Walk the folder `top`, a canonical path; raise OutOfTimeError with the rest of it in `unfinished`."""
        self._stack = [top]
        try:
            while self._stack:
                self.check_time()
                path = self._stack.pop()
                try:
                    self._folder(path, top, deep)
                except OutOfTimeError:
                    self._stack.append(path)
                    raise
                except OSError as exc:
                    self._then(self._ledger.problem, path, mounts.reason_of(exc))
            if self._elsewhere is not None:
                self._elsewhere.finish()
        except OutOfTimeError:
            if self._elsewhere is not None:
                self._elsewhere.drop()
            self._stack.extend(self._given_up)
            raise

    def unfinished(self, top: bytes) -> t.List[bytes]:
        """Return what is left of `top`: its folders of the first level that are not done, or itself."""
        depth = top.rstrip(b"/").count(b"/") + 2
        return sorted({b"/".join(path.split(b"/")[:depth]) for path in self._stack} or {top})

    def check_time(self) -> None:
        """Raise OutOfTime when it is over."""
        if time.monotonic() > self._deadline:
            raise OutOfTimeError

    def left(self) -> float:
        """Return the seconds that are left, or raise OutOfTime."""
        self.check_time()
        return self._deadline - time.monotonic()

    def close(self) -> None:
        """End the processes that read."""
        if self._elsewhere is not None:
            self._elsewhere.close()

    def take_given_up(self) -> t.Set[bytes]:
        """Return the folders that were not read to their end though there was time, since this was last asked."""
        given_up, self._given_up = self._given_up, set()
        return given_up

    def give_up(self, path: bytes, reason: str) -> None:
        """Note that nobody has read a folder to its end, and why, unless it is for lack of time."""
        if reason:
            self._ledger.problem(path, reason)
        self.folders.discard(path)
        self._given_up.add(path)

    def _then(self, action: t.Callable[..., None], *given: t.Any, **named: t.Any) -> None:
        """Do this when what comes before it is done."""
        if self._elsewhere is None:
            action(*given, **named)
        else:
            self._elsewhere.then(functools.partial(action, *given, **named))

    def _folder(self, path: bytes, top: bytes, deep: bool) -> None:
        descriptor = reading.open_folder(path)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) in self._identities:
                if path not in self.folders:
                    self._then(self._ledger.skip, path, TWICE, top, folder=True)
                return
            below = self._listed(path, top, descriptor, status)
            self._identities.add((status.st_dev, status.st_ino))
            self.folders.add(path)
        finally:
            os.close(descriptor)
        if deep:
            self._stack.extend(self._wanted(path, top, below))

    def _listed(self, path: bytes, top: bytes, descriptor: int, status: os.stat_result) -> t.List[bytes]:
        """Look at the files of a folder and return the names of its folders."""
        new = None if self._reader.knows(status) else status
        self._then(self._reader.enter, status)
        whole = False
        try:
            with contextlib.closing(_entries(descriptor, path)) as entries:
                below = self._entries(path, top, descriptor, new, entries)
            whole = True
        finally:
            self._then(self._reader.leave, whole=whole)
        return below

    def _entries(self, path: bytes, top: bytes, descriptor: int, new: t.Optional[os.stat_result], entries: t.Iterator["os.DirEntry[t.Any]"]) -> t.List[bytes]:
        """Do so part by part; `new` is the status of a folder of which nothing is known."""
        below: t.List[bytes] = []
        while True:
            some = list(itertools.islice(entries, _AT_ONCE))
            if not some:
                return below
            files = [entry for entry in some if entry.is_file(follow_symlinks=False)]
            if len(files) < len(some):
                below.extend(self._others(path, top, some))
            filtered = bool(self._rules.exclude)
            files = [entry for entry in files if not ((filtered or entry.name.startswith(_OURS)) and self._left_out(path, entry.name, top))]
            self.check_time()
            if new is not None and self._reads_elsewhere(len(files)):
                if files:
                    self._elsewhere.look(path, new, top, [os.fsencode(entry.name) for entry in files])
                continue
            if self._elsewhere is not None:
                self._elsewhere.finish()  # from here on nothing waits for its turn
            unchanged = self._reader.unchanged_ones(files)
            if unchanged is None:
                self._look(path, top, descriptor, files)
            else:
                for entry, known in unchanged:
                    self.met(path, entry.name, known, top)

    def _reads_elsewhere(self, count: int) -> bool:
        """Whether other processes read so many files more: not before there are very many."""
        self._unread += count
        if self._elsewhere is None and self.start is not None and self._unread > MANY:
            self._elsewhere, self.start = self.start(self), None
        return bool(self._elsewhere)

    def met(self, path: bytes, name: t.Union[str, bytes], seen: t.Union[reading.Seen, reading.UnusableError], top: bytes) -> None:
        """Take what there is to be said of a file of a folder."""
        if isinstance(seen, reading.Seen):
            self._found(_join(path, name), seen)
        else:
            self.refused(_join(path, name), seen, top)

    def read(self, path: bytes, top: bytes, names: t.Iterable[bytes]) -> None:
        """Look at files of a folder that may be another one by now."""
        for name in names:
            try:
                self.check_time()
                seen = self._reader.look(_join(path, name), None)
            except OutOfTimeError:
                self.give_up(path, "")
                raise
            except (OSError, reading.UnusableError) as exc:
                self.refused(_join(path, name), exc, top)
                continue
            if seen is not None:
                self._found(_join(path, name), seen)

    def _look(self, path: bytes, top: bytes, descriptor: int, files: t.Iterable["os.DirEntry[t.Any]"]) -> None:
        """Look at files one by one."""
        look, deadline, monotonic = self._reader.look, self._deadline, time.monotonic
        for entry in files:
            if monotonic() > deadline:
                raise OutOfTimeError
            try:
                seen = look(entry.name, descriptor)
            except (OSError, reading.UnusableError) as exc:
                self.refused(_join(path, entry.name), exc, top)
                continue
            if seen is not None:
                self._found(_join(path, entry.name), seen)

    def _others(self, path: bytes, top: bytes, entries: t.Iterable["os.DirEntry[t.Any]"]) -> t.Iterator[bytes]:
        """Note what is no file, and yield the names of folders."""
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield os.fsencode(entry.name)
            elif entry.is_symlink():
                self.links.append(_join(path, entry.name))
            elif not entry.is_file(follow_symlinks=False):
                self._then(self._ledger.skip, _join(path, entry.name), "FIFO, socket or device", top)

    def _left_out(self, path: bytes, name: t.Union[str, bytes], top: bytes) -> bool:
        full = _join(path, name)
        if os.fsencode(name).startswith(paths_table.OUR_PREFIX):
            self._then(self._ledger.skip, full, paths_table.OUR_REASON, top)
        elif self._rules.exclude.index(full) is not None:
            self._then(self._ledger.skip, full, EXCLUDED, top)
        else:
            return False
        return True

    def _wanted(self, path: bytes, top: bytes, names: t.Iterable[bytes]) -> t.Iterator[bytes]:
        for name in names:
            full = _join(path, name)
            reason = self._rules.out(full, name)
            if reason is None:
                yield full
            else:
                self._then(self._ledger.skip, full, reason, top, folder=True)

    def refused(self, path: bytes, error: Exception, top: bytes) -> None:
        """Note why a file was not looked at."""
        if isinstance(error, reading.UnusableError):
            if error.failure:
                self._ledger.problem(path, error.reason)
            else:
                self._ledger.skip(path, error.reason, top)
        elif isinstance(error, FileNotFoundError):
            self._ledger.problem(path, VANISHED)
        elif isinstance(error, OSError):
            self._ledger.problem(path, mounts.reason_of(error))


def _entries(descriptor: int, path: bytes) -> t.Any:
    """List an open folder; Python 3.6 lists by path alone."""
    return os.scandir(descriptor) if _LISTS_DESCRIPTORS else os.scandir(path)


def _join(folder: bytes, name: t.Union[str, bytes]) -> bytes:
    return folder.rstrip(b"/") + b"/" + os.fsencode(name)  # os.path.join takes five times as long
