# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places, keys and bundles as the rows of an answer.

Trust anchors are bundles, stored once by a hash and referenced. Two things are one:
- A file of at least two different certificates, no key, every one an anchor (a CA, or self-issued by the rules of version 1) and most of them
  self-issued; of a file with many, one in ten may be none, unless its private key lies on the host. Its hash is that of its bytes. A chain of an
  intermediate and its root is not one, nor is a short file that a service names; a file of more than BULK certificates always is.
- A folder of the system's trust store (paths_table.TRUST_FOLDERS), or of many files: those of its files that hold nothing but anchors, together. Its hash
  is that of the anchors' sorted hexadecimal SHA-256 digests joined by line feeds, so that names and links in the folder do not matter. Other certificates
  in such a folder, and anchors whose private key lies on the host (a self-signed server certificate), are ordinary places.
"""

import hashlib
import os
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import group_name, user_name
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings, paths_table, patterns
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import keys

BULK = 500
_SHORT = 20
Row = t.Dict[str, t.Any]
_T = t.TypeVar("_T")


class Classes:
    """What paths say of the certificates at them; asked once a folder, a table of names answers for the rest."""

    def __init__(self) -> None:
        self._names = patterns.Table(paths_table.FILE_CLASSES, below=False)
        self._anchors = patterns.Table(paths_table.ANCHOR_CLASSES, below=True)
        self._folders = patterns.Table(paths_table.CLASSES, below=True)
        self._checkouts = patterns.Table(paths_table.CHECKOUT_CLASSES, below=True)
        exact = (*paths_table.ANCHOR_CLASSES, *paths_table.CLASSES)
        self._exact = {pattern for pattern, _class in exact if pattern.startswith(b"/") and b"*" not in pattern}
        self._known: t.Dict[t.Tuple[bytes, bool], str] = {}

    def of(self, path: bytes, *, anchors: bool) -> str:
        """Return the class of the file at one path; `anchors` says that it holds nothing but anchors whose keys are elsewhere."""
        kind = self._names.word(b"/" + os.path.basename(path))
        return kind or self.of_folder(path if path in self._exact else os.path.dirname(path), anchors=anchors)

    def of_folder(self, folder: bytes, *, anchors: bool) -> str:
        """Return the class of what lies in a folder."""
        key = (folder, anchors)
        if key not in self._known:
            kind = (self._anchors.word(folder) if anchors else None) or self._folders.word(folder)
            self._known[key] = kind or self._in_checkout(folder) or "installed"
        return self._known[key]

    def best(self, file: findings.File, *, anchors: bool) -> str:
        """Return the best class that one of the paths of a file has; what lies in a trust store stays there, whoever links to it."""
        kinds = [self.of(path, anchors=anchors) for path in (file.path, *file.links)]
        return kinds[0] if kinds[0] == "trust_store" else min(kinds, key=paths_table.BEST_CLASSES.index)

    def _in_checkout(self, folder: bytes) -> t.Optional[str]:
        """Return the class of a folder of tests and the like, when a checkout begins above it."""
        above = folder if self._checkouts.word(folder) else b"/"
        while len(above) > 1:
            above = os.path.dirname(above)
            kind = self._checkouts.word(folder[len(above) :])
            if kind is not None and above not in paths_table.NO_CHECKOUTS and _is_checkout(above):
                return kind
        return None


class Places:
    """Turns findings into rows; `used` says which canonical paths are named on the host, and by which services."""

    def __init__(self, found: findings.Findings, used: t.Dict[bytes, t.Set[str]], classes: Classes) -> None:
        self._found = found
        self._used = used
        self._classes = classes
        self._names: t.Dict[t.Tuple[str, int], str] = {}
        self._keys: t.Dict[str, t.List[t.Tuple[findings.File, keys.KeyFacts]]] = {}
        self._holders: t.Dict[str, t.List[str]] = {}
        self._bundles: t.Dict[str, Row] = {}
        self._readers: t.Any = None

    def rows(self, known_bundles: t.Container[str]) -> t.Iterator[t.Tuple[str, Row]]:
        """Yield each row with the name of its list (parts.NAMES), once; there may be hundreds of thousands. Bundles that are known lack their certificates."""
        files = [self._found.files[path] for path in sorted(self._found.files)]
        for file in files:
            for key in file.keys:
                if key.facts.spki is not None:
                    self._keys.setdefault(key.facts.spki, []).append((file, key.facts))
        for file in self._without_bundles(files):
            for row in self._file_places(file):
                yield "places", row
        for file in files:
            for row in self._file_keys(file):
                yield "keys", row
            yield from self._file_others(file)
        for digest, row in sorted(self._bundles.items()):
            yield "bundles", dict(row, certificates=None) if digest in known_bundles else row

    def class_of(self, file: findings.File) -> str:
        """Return the class of what lies in a file that is no bundle."""
        return "in_use" if file.path in self._used else self._classes.best(file, anchors=self._holds_anchors(file))

    def _without_bundles(self, files: t.Iterable[findings.File]) -> t.List[findings.File]:
        """Take the files and folders that are bundles, and return the other files."""
        rest: t.List[findings.File] = []
        folders: t.Dict[t.Tuple[bytes, str], t.List[findings.File]] = {}
        for file in files:
            if self._is_bundle(file):
                self._file_bundle(file)
            elif self._is_anchor(file):
                folders.setdefault((os.path.dirname(file.path), self.class_of(file)), []).append(file)
            else:
                rest.append(file)
        for (folder, kind), members in sorted(folders.items()):
            if kind == "trust_store" or len(members) > _SHORT:
                self._folder_bundle(folder, "trust_copy" if kind == "installed" else kind, members)
            else:
                rest.extend(members)
        return sorted(rest, key=_path_of)

    def _holds_anchors(self, file: findings.File) -> bool:
        """Whether there is nothing in a file but anchors, all of them without a private key on this host."""
        if file.keys or file.locked:
            return False
        marks = [self._found.marks[held.sha256] for held in file.certificates]
        return all(mark.is_anchor and mark.spki not in self._keys for mark in marks)

    def _is_bundle(self, file: findings.File) -> bool:
        digests = {held.sha256 for held in file.certificates}
        count = len(digests)
        if count > BULK:
            return True
        if count < 2 or file.keys or (self._used.get(file.path) and count <= _SHORT):
            return False
        marks = [self._found.marks[digest] for digest in digests]
        others = [mark for mark in marks if not mark.is_anchor]
        if others and (count <= _SHORT or 10 * len(others) > count or any(mark.spki in self._keys for mark in others)):
            return False
        return 2 * sum(mark.self_issued for mark in marks) > count

    def _is_anchor(self, file: findings.File) -> bool:
        """Whether a file may be one of a folder of anchors."""
        return bool(file.certificates) and file.path not in self._used and self._holds_anchors(file)

    def _file_bundle(self, file: findings.File) -> None:
        kind = self._classes.best(file, anchors=True)
        row = dict(self._common(file.path, file.status), links=_texts(file.links), **{"class": "trust_copy" if kind == "installed" else kind})
        self._add_bundle(file.digest, _unique(held.sha256 for held in file.certificates), row)

    def _folder_bundle(self, folder: bytes, kind: str, members: t.Iterable[findings.File]) -> None:
        anchors: t.Set[str] = set()
        links: t.Set[bytes] = set()
        for file in members:
            anchors.update(held.sha256 for held in file.certificates)
            links.update(os.path.dirname(link) for link in file.links)
        status: t.Union[os.stat_result, findings.Status]
        try:
            status = os.lstat(folder)
        except OSError:
            status = next(iter(members)).status
        digest = hashlib.sha256("\n".join(sorted(anchors)).encode()).hexdigest()
        row = dict(self._common(folder, status), links=_texts(links - {folder}), **{"class": kind})
        self._add_bundle(digest, sorted(anchors), row)

    def _add_bundle(self, digest: str, certificates: t.List[str], place: Row) -> None:
        bundle = self._bundles.setdefault(digest, {"sha256": digest, "count": len(certificates), "certificates": certificates, "places": []})
        bundle["places"].append(place)

    def _file_places(self, file: findings.File) -> t.Iterator[Row]:
        common = self._in_file(file)
        common.update(hard_links=file.status.st_nlink, size=file.status.st_size, ctime=file.status.st_ctime)
        for entry, held in enumerate(file.certificates):
            spki = self._found.marks[held.sha256].spki
            if spki is not None:
                self._holders.setdefault(spki, []).append(held.sha256)
            own = {"certificate": held.sha256, "entry": entry, "alias": held.alias, "format": held.format, "key": self._key_of(file, spki)}
            yield dict(common, **own)

    def _key_of(self, file: findings.File, spki: t.Optional[str]) -> t.Optional[Row]:
        """Return the key of a certificate: in the same file, else in the same folder, else anywhere."""
        held = self._keys.get(spki or "", [])
        if not held:
            return None
        folder = os.path.dirname(file.path)
        key_file, facts = min(held, key=lambda pair: (pair[0] is not file, os.path.dirname(pair[0].path) != folder, pair[0].path))
        return {"path": path_text(key_file.path), "spki": facts.spki, "encrypted": facts.encrypted}

    def _file_keys(self, file: findings.File) -> t.Iterator[Row]:
        if not file.keys:
            return
        common = dict(self._common(file.path, file.status), links=_texts(file.links), **self._who_reads(file))
        for entry, key in enumerate(file.keys):
            matches = _unique(self._holders.get(key.facts.spki or "", []))
            yield dict(common, entry=entry, alias=key.alias, matches=matches, **key.facts._asdict())

    def _who_reads(self, file: findings.File) -> Row:
        if self._readers is None:
            from ansible_collections.certops.fleet.plugins.module_utils._host.scan import readers  # noqa: PLC0415 - only where there are keys

            self._readers = readers.Readers()
        return t.cast(Row, self._readers.of(file.path, file.status))

    def _file_others(self, file: findings.File) -> t.Iterator[t.Tuple[str, Row]]:
        if file.locked is not None:  # a place, too
            yield "locked", dict(self._in_file(file), format=file.locked.format, state="locked", reason=file.locked.reason)
        for entry, record in enumerate(file.records):
            yield "crls" if record.kind == "crl" else "requests", dict(self._in_file(file), entry=entry, format=record.format, **record.facts)

    def _in_file(self, file: findings.File) -> Row:
        """What everything in a file that is no bundle has in common."""
        services = sorted(self._used.get(file.path, ()))
        return dict(self._common(file.path, file.status), links=_texts(file.links), services=services, **{"class": self.class_of(file)})

    def _common(self, path: bytes, status: t.Union[os.stat_result, findings.Status]) -> Row:
        return {
            "path": path_text(path),
            "owner": self._name("user", status.st_uid),
            "group": self._name("group", status.st_gid),
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "mtime": status.st_mtime,
        }

    def _name(self, kind: str, number: int) -> str:
        """Return the name of a user or group, asked for once; its number where it has none."""
        if (kind, number) not in self._names:
            self._names[(kind, number)] = user_name(number) if kind == "user" else group_name(number)
        return self._names[(kind, number)]


def _texts(paths: t.Iterable[bytes]) -> t.List[str]:
    return [path_text(path) for path in sorted(paths)]


def _is_checkout(folder: bytes) -> bool:
    return any(os.path.lexists(os.path.join(folder, mark)) for mark in paths_table.CHECKOUT_MARKS)


def _path_of(file: findings.File) -> bytes:
    return file.path


def _unique(values: t.Iterable[_T]) -> t.List[_T]:
    return list(dict.fromkeys(values))
