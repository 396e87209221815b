# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scan: what is named on the host first, then the folders, then where links lead; at last the answer."""

import base64
import errno
import math
import os
import stat
import sys
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache, findings, mounts, parts, paths_table, places, reading, walk
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import keys

_MOST_FILE_SIZE = 1 << 30
_MOST_NAMED = 10000
_MOST_PROCESSES = 64
_NICEST = 19  # nice(2)
_LONGEST_PASSWORD = 1000  # openssl reads 1024 bytes of a line
_SECOND_STEP = "link that leads out of the paths a second time"
_NOTHING = (*(os.strerror(number) for number in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)), mounts.LOOP)
_REFUSALS = tuple(os.strerror(number) for number in (errno.EACCES, errno.EPERM, errno.EIO))
_ROLES = ("certificate", "key", "chain", "folder", "store")
Used = t.Dict[bytes, t.Set[str]]


class Options(t.NamedTuple):
    """What was asked for, paths as bytes."""

    paths: t.Optional[t.List[bytes]]  # None: those of the table
    exclude: t.List[bytes]
    max_file_size: int
    max_seconds: t.Optional[float]
    home: bool
    store_passwords: t.List[str]
    sought: findings.Sought
    processes: int = 1  # that read

    @classmethod
    def from_args(cls, args: t.Dict[str, t.Any]) -> "Options":
        """Check the arguments of the verb."""
        size = args["max_file_size"]
        if not reading.SMALLEST <= size <= _MOST_FILE_SIZE:
            raise HostError(f"max_file_size must be between {reading.SMALLEST!r} and {_MOST_FILE_SIZE!r} bytes, got {size!r}")
        if (args["max_seconds"] or 0) < 0:
            raise HostError(f"max_seconds must be a number of seconds, or 0 for no limit, got {args['max_seconds']!r}")
        if not 0 <= args.get("nice", 0) <= _NICEST:
            raise HostError(f"nice must be between 0 and {_NICEST!r}, got {args['nice']!r}")
        if args["cache_days"] < 0:
            raise HostError(f"cache_days must be a number of days, or 0 for none, got {args['cache_days']!r}")
        processes = args.get("max_processes", 1)
        if not 1 <= processes <= _MOST_PROCESSES:
            raise HostError(f"max_processes must be between 1 and {_MOST_PROCESSES!r}, got {processes!r}")
        paths = None if args["paths"] is None else [path_bytes(text) for text in args["paths"]]
        for path in paths or ():
            if not path.startswith(b"/") or b"\0" in path:
                raise HostError(f"paths must be absolute, got {path_text(path)!r}")
        _check_passwords(args["store_passwords"])
        exclude = [path_bytes(text) for text in args["exclude"]]
        return cls(paths, exclude, size, args["max_seconds"], bool(args["home"]), list(args["store_passwords"]), _sought(args), processes)


def _sought(args: t.Dict[str, t.Any]) -> findings.Sought:
    only, known, digits = args.get("certificates"), args.get("known_certificates") or "", findings.KNOWN_DIGITS
    starts = frozenset(known[at : at + digits] for at in range(0, len(known), digits))
    return findings.Sought(None if only is None else frozenset(only), starts)


def _check_passwords(passwords: t.Iterable[str]) -> None:
    """Refuse what openssl cannot take as the first line of its standard input; what is wrong is not shown."""
    for password in passwords:
        if not password.isprintable() or len(password.encode("utf-8")) > _LONGEST_PASSWORD:
            raise HostError(f"store_passwords must be printable texts of at most {_LONGEST_PASSWORD} bytes; one is not")


class Scan:
    """Looks at one host; every method may be called once, in the order in which they stand here."""

    def __init__(
        self, options: Options, mounted: mounts.Mounts, own: t.Iterable[bytes], run: t.Optional[keys.Run], known: t.Optional[cache.Cache] = None
    ) -> None:
        """`own` are folders of ours, `run` starts openssl (`_host/run.py`), `known` is what an earlier scan has left."""
        self._started = time.monotonic()
        self._options = options
        self._before = [] if known is None else [path_bytes(path) for path in known.left_over]
        self._deadline = math.inf if options.max_seconds is None else self._started + options.max_seconds
        for path in options.paths or ():
            mounted = mounts.allow(mounted, path)
        self._ledger = walk.Ledger()
        self._reader = reading.Reader(options.max_file_size, known)
        tools = items.Tools(run, options.store_passwords, options.max_seconds)
        self._found = findings.Findings(self._reader, self._ledger, run, tools, known, sought=options.sought)
        rules = walk.Rules(mounted, options.exclude, own, home=options.home)
        self._walker = walk.Walker(rules, self._reader, self._ledger, self._found.add, self._deadline)
        self._walker.start = self._processes
        self._rules = rules
        self._resolver = mounts.Resolver(mounted)
        self._classes = places.Classes()
        self._used: Used = {}
        self._links: t.Set[bytes] = set()
        self._alone: t.Set[bytes] = set()  # files that were looked at outside of any walk
        self._read_alone: t.Set[bytes] = set()  # those of them that were not refused
        self._left_over: t.Set[bytes] = set()
        self._counts: t.Dict[str, int] = {}
        self._wanted: t.Set[str] = set()  # certificates of the rows
        self._done: t.Set[bytes] = set()  # the paths that were asked for and walked to their end, or are not there

    def _processes(self, walker: walk.Walker) -> t.Any:
        """Start processes that read, as many as are allowed and of use; None where one is enough or the system does not let us."""
        number = min(self._options.processes, _processors())
        if number < 2:
            return None
        from ansible_collections.certops.fleet.plugins.module_utils._host.scan import elsewhere  # noqa: PLC0415 - only for large trees

        helper = elsewhere.Helper(self._options.max_file_size, self._options.store_passwords, self._options.sought)
        try:
            return elsewhere.started(number, helper, walker, self._reader)
        except OSError:
            return None

    def named(self, services: t.Iterable[t.Dict[str, t.Any]], others: t.Iterable[bytes]) -> None:
        """Look at the files and folders that services use, and at those that units and processes (`others`) name, wherever they lie."""
        named: Used = {}
        for service in services:
            for path in _used_by(service):
                named.setdefault(path, set()).add(service["name"])
        more = sorted(set(others))
        for path in more[:_MOST_NAMED]:
            named.setdefault(path, set())
        if len(more) > _MOST_NAMED:
            self._ledger.skip(b"/", "paths that units and processes name, beyond the most that are looked at", count=len(more) - _MOST_NAMED)
        for path, names in sorted(named.items()):
            if not self._is_over(path):
                self._named(path, names)

    def _named(self, path: bytes, services: t.Set[str]) -> None:
        target = self._resolver.resolve(path)
        if target.status is None:
            if services:
                self._ledger.problem(path, f"named by {', '.join(sorted(services))}: {target.reason}")
        elif stat.S_ISREG(target.status.st_mode):
            if services or not _is_program(target):
                self._name(path, target.path, services)
        elif stat.S_ISDIR(target.status.st_mode):
            self._named_folder(target.path, services)

    def _name(self, path: bytes, canonical: bytes, services: t.Set[str]) -> None:
        self._used.setdefault(canonical, set()).update(services)
        if path != canonical:
            self._links.add(path)
        self._look(canonical)

    def _named_folder(self, folder: bytes, services: t.Set[str]) -> None:
        """Look at the files of a folder that a service loads; what lies deeper it does not load. The system's trust store is not in use by being named."""
        try:
            names = os.listdir(folder)
        except OSError as exc:
            self._ledger.problem(folder, mounts.reason_of(exc))
            return
        for name in sorted(names):
            target = self._resolver.resolve(os.path.join(folder, name))
            if target.status is None or not stat.S_ISREG(target.status.st_mode):
                continue
            if services and self._classes.of_folder(folder, anchors=True) != "trust_store":
                self._name(os.path.join(folder, name), target.path, services)
            else:
                self._links.add(os.path.join(folder, name))

    def problem(self, path: bytes, reason: str) -> None:
        """Note what somebody else could not look at."""
        self._ledger.problem(path, reason)

    def walk(self) -> None:
        """Walk the folders and follow the links."""
        self.folders()
        self.links()
        self._walker.close()

    def folders(self) -> None:
        """Walk the paths that were given, or those of the table."""
        given = self._options.paths is not None
        paths = list(self._options.paths if self._options.paths is not None else paths_table.DEFAULT_PATHS)
        if self._options.home and not given:
            paths.append(paths_table.HOME)
        elif not given and self._resolver.resolve(paths_table.HOME).status is not None:
            self._ledger.skip(paths_table.HOME, walk.NO_HOME, folder=True)
        self._resume(paths)
        for path in paths:
            if self._is_over(path):
                continue
            target = self._resolver.resolve(path)
            if target.status is None:
                self._not_there(path, target, given=given)
            elif stat.S_ISDIR(target.status.st_mode):
                if self._walk(target.path):
                    self._done.add(target.path)
            elif stat.S_ISREG(target.status.st_mode):
                self._look(target.path)
                self._links.update({path} - {target.path})
                self._done.add(target.path)

    def _resume(self, paths: t.Sequence[bytes]) -> None:
        """Begin with what the last scan had no time for, as far as it lies in the paths: what lies before it would take the time of this one as well."""
        for path in self._before:
            inside = any((path + b"/").startswith(top.rstrip(b"/") + b"/") for top in paths)
            target = self._resolver.resolve(path)
            is_folder = target.status is not None and stat.S_ISDIR(target.status.st_mode)
            if inside and is_folder and target.path == path and self._rules.out(path, os.path.basename(path)) is None and not self._is_over(path):
                self._walk(path)

    def _not_there(self, path: bytes, target: mounts.Target, *, given: bool) -> None:
        if given:
            self._ledger.problem(path, target.reason)
        elif target.reason != os.strerror(2):
            self._ledger.skip(path, target.reason)
        else:
            self._done.add(path)

    def _walk(self, folder: bytes) -> bool:
        """Return whether the folder has been walked to its end."""
        try:
            if folder not in self._walker.folders:
                self._walker.walk(folder)
        except walk.OutOfTimeError:
            self._left_over.update(self._walker.unfinished(folder))
            return False
        given_up = self._walker.take_given_up()
        self._left_over.update(given_up)
        return not given_up

    def _look(self, path: bytes) -> None:
        """Look at one file, once, unless a walk has done so."""
        if path in self._alone or os.path.dirname(path) in self._walker.folders:
            return
        self._alone.add(path)
        if self._rules.exclude and self._rules.exclude.index(path) is not None:
            self._ledger.skip(path, walk.EXCLUDED)
            return
        try:
            seen = self._reader.look(path, None)
        except (OSError, reading.UnusableError) as exc:
            self._walker.refused(path, exc, path)
            return
        self._read_alone.add(path)
        if seen is not None:
            self._found.add(path, seen)

    def links(self) -> None:
        """Follow the links that were met: one step out of the paths and no further, and nowhere twice."""
        met = sorted(self._links.union(self._walker.links))
        self._walker.links = []
        for link in met:
            self._follow(link, outside=False)
        for link in sorted(self._walker.links):  # met outside of the paths
            self._follow(link, outside=True)

    def _follow(self, link: bytes, *, outside: bool) -> None:
        if self._is_over(link):
            return
        target = self._resolver.resolve(link)
        if target.status is None:
            self._no_target(link, target.reason)
        elif stat.S_ISREG(target.status.st_mode):
            self._follow_to_file(link, target, outside=outside)
        elif stat.S_ISDIR(target.status.st_mode) and target.path not in self._walker.folders:
            self._follow_to_folder(link, target.path, outside=outside)

    def _no_target(self, link: bytes, reason: str) -> None:
        """Say why nobody knows what a link leads to; where there is nothing, nothing is to be said."""
        if reason in _REFUSALS:
            self._ledger.problem(link, reason)
        elif reason not in _NOTHING and not reason.startswith(paths_table.KERNEL_REASON):
            self._ledger.skip(link, reason)

    def _follow_to_file(self, link: bytes, target: mounts.Target, *, outside: bool) -> None:
        if target.path.startswith(paths_table.BINARY_FOLDERS):
            self._ledger.skip(link, "link to a program")
            return
        known = self._found.known(target.path, t.cast(os.stat_result, target.status))
        if known is None and outside and target.path not in self._alone and os.path.dirname(target.path) not in self._walker.folders:
            self._ledger.skip(link, _SECOND_STEP)
        elif known is None:
            self._look(target.path)
            known = self._found.files.get(target.path)
        if known is not None and known.path != link:
            known.link(link)

    def _follow_to_folder(self, link: bytes, folder: bytes, *, outside: bool) -> None:
        reason = self._rules.out(folder, os.path.basename(folder))
        if outside:
            reason = _SECOND_STEP
        elif folder == b"/" or any(done.startswith(folder + b"/") for done in self._walker.folders):
            reason = "link to a folder that the paths lie in"
        if reason is None:
            self._walk(folder)
        else:
            self._ledger.skip(link, reason, folder=True)

    def _is_over(self, path: bytes) -> bool:
        """Whether the time is over; then the folder of the first level of `path` is left over."""
        if time.monotonic() <= self._deadline:
            return False
        self._left_over.add(b"/".join(path.split(b"/")[:3]))
        return True

    def held(self, path: bytes) -> t.Set[str]:
        """Return the SHA-256 of the certificates that were found in a file."""
        file = self._found.files.get(os.path.realpath(path))
        return set() if file is None else {each.sha256 for each in file.certificates}

    @property
    def found(self) -> findings.Findings:
        """What was found in files."""
        return self._found

    @property
    def certificates(self) -> t.Container[str]:
        """The SHA-256 of all certificates that were found."""
        return self._found.marks

    @property
    def left_over(self) -> t.List[str]:
        """The folders that there was no time for."""
        return [path_text(path) for path in sorted(self._left_over)]

    def content(self, wanted: t.Container[str]) -> t.Dict[str, str]:
        """Return the bytes of those certificates that are wanted, were asked for, and have room in one answer."""
        return {digest: base64.b64encode(der).decode() for digest, der in self._found.certificates.items() if digest in wanted}

    def rows(self, known_bundles: t.Container[str]) -> t.Iterator[t.Tuple[str, t.Dict[str, t.Any]]]:
        """Yield the rows of what was found in files, each with the name of its list, and count them."""
        self._counts = dict.fromkeys(parts.NAMES, 0)
        for name, row in places.Places(self._found, self._used, self._classes).rows(known_bundles):
            self._counts[name] += 1
            if name == "places":
                self._wanted.add(row["certificate"])
            elif name == "bundles":
                self._wanted.update(row["certificates"] or ())
            yield name, row

    def answer(self, known_bundles: t.Container[str]) -> t.Dict[str, t.Any]:
        """Return everything that was found and left out, in one."""
        (rows,) = parts.split(self.rows(known_bundles), sys.maxsize)
        return dict(self.rest(), **rows)

    def may_have_trust_store(self, formats: t.Container[str]) -> bool:
        """Whether a bundle was found, or a store of one of these formats."""
        return self._counts["bundles"] > 0 or any(held.format in formats for file in self._found.files.values() for held in file.certificates)

    def rest(self) -> t.Dict[str, t.Any]:
        """Return what there is to be said behind the last of the rows."""
        return {
            "certificates": self.content(self._wanted),
            "summary": self._summary(),
            "problems": self._ledger.problems(),
            "skipped": self._ledger.skipped(),
            "unseen": self._ledger.unseen(),
            "done": [path_text(path) for path in sorted(self._done)],
            "left_over": self.left_over,
            "complete": not self._left_over and not self._ledger.refused(),
            "privileged": os.geteuid() == 0,
        }

    def _summary(self) -> t.Dict[str, t.Any]:
        twice = sum(os.path.dirname(path) in self._walker.folders for path in self._read_alone)
        return {
            "files": self._reader.files - twice,
            "unchanged": self._reader.unchanged,
            "folders": len(self._walker.folders),
            "bytes": self._reader.bytes,
            "seconds": round(time.monotonic() - self._started, 3),
            "certificates": len(self._wanted),
            **self._counts,
            "ssh_host_certificates": self._found.ssh_host_certificates,
        }


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _is_program(target: mounts.Target) -> bool:
    return target.path.startswith(paths_table.PROGRAM_FOLDERS) and t.cast(os.stat_result, target.status).st_mode & 0o111 != 0


def _used_by(service: t.Dict[str, t.Any]) -> t.Iterator[bytes]:
    return (path_bytes(use[role]) for use in service["uses"] for role in _ROLES if use.get(role))
