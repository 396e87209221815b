# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declarations for the certificates that a discovery found on one host. Pure: rows of the inventory in, items of C(certops_certificates) out.

Whatever stands in a certificate or on a host is text of others: it becomes a value of a declaration, or the certificate is not adopted.
"""

from __future__ import annotations

import collections
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.file import File, files_of
from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.leaf import AdoptionError, leaf_fields
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import OPTIONS, PATHS, declared_certificate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.seen import Seen

Item = dict[str, t.Any]
_TEMPLATE = re.compile(r"\{[{%#]")
_MODE = re.compile("0[0-7]{3}")


@dataclass(frozen=True, slots=True)
class NotAdopted:
    """A file whose certificate is not declared, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class Adoption:
    """What becomes of the certificates of one host; what is declared already is in neither."""

    declarations: list[Item] = field(default_factory=list)
    not_adopted: list[NotAdopted] = field(default_factory=list)


def adopt(seen: Seen, declared: Sequence[Mapping[str, t.Any]], *, now: int, takeover: bool = False) -> Adoption:
    """Declarations for what is not declared yet, those that exist in C(declared); C(takeover) also for what another renewer keeps."""
    taken = _Taken(declared)
    adoption = Adoption()
    groups: dict[tuple[str | None, str | None], list[File]] = collections.defaultdict(list)
    for file in files_of(seen):
        if file.paths & taken.files:
            taken.declare(file)
        elif file.is_trust:
            continue
        elif reason := file.refused(now, takeover=takeover):
            adoption.not_adopted.append(NotAdopted(file.path, reason))
        else:
            groups[file.sha256, file.key_path].append(file)
    for group in groups.values():
        _adopt_group(group, seen, taken, adoption)
    adoption.not_adopted.sort(key=lambda one: one.path)
    return adoption


class _Taken:
    """Names and files that a declaration has already."""

    def __init__(self, declared: Sequence[Mapping[str, t.Any]]) -> None:
        self.names = {str(item.get("name")) for item in declared}
        self.files = {str(item[path]) for item in declared for path in PATHS if item.get(path)}
        self.keys: dict[str, str] = {}
        for item in declared:
            if item.get("key_path"):
                self.keys[str(item["key_path"])] = str(item.get("name"))

    def declare(self, file: File) -> None:
        """Note the key of a file that is declared: the host finds it by itself where the declaration does not name it."""
        if file.key_path:
            self.keys.setdefault(file.key_path, file.path)

    def add(self, item: Item) -> None:
        self.names.add(item["name"])
        self.files |= {item[path] for path in PATHS if path in item}
        self.keys[item["key_path"]] = item["name"]

    def name_for(self, file: File, names: Sequence[str]) -> str:
        """A name of the certificate's own: its first host name, where that is taken with the file's, then with a number."""
        base, stem = _legible(names[0]), _legible(re.sub(r"\.[^.]*$", "", file.path.rpartition("/")[2]))
        wanted = [base, f"{base}-{stem}"[:95].rstrip("-_.")]
        return next(name for name in (*wanted, *(f"{wanted[1]}-{number}" for number in range(2, len(self.names) + 3))) if name not in self.names)


def _legible(text: str) -> str:
    return re.sub("[^A-Za-z0-9_.-]+", "-", text)[:60].strip("-_.") or "certificate"


def _adopt_group(group: list[File], seen: Seen, taken: _Taken, adoption: Adoption) -> None:
    """Files with one certificate and one key: one declaration; a copy that has no role in it is told."""
    files = sorted(group, key=lambda file: (file.path != file.key_path, file.kind != "in_use", file.path))
    main, fullchain = _roles(files)
    try:
        item = _declaration(main, fullchain, seen, taken)
    except ValueError as exc:
        adoption.not_adopted += [NotAdopted(file.path, str(exc)) for file in files]
        return
    taken.add(item)
    adoption.declarations.append(item)
    left = [file for file in files if file not in (main, fullchain)]
    adoption.not_adopted += [NotAdopted(file.path, f"it is a copy of {main.path}, which is declared as {item['name']!r}") for file in left]


def _roles(files: list[File]) -> tuple[File, File | None]:
    """The certificate's own file, and beside it that of certificate and chain, where there are just these two in one folder."""
    alone, full = [file for file in files if file.length == 1], [file for file in files if file.length > 1]
    folders = {file.path.rpartition("/")[0] for file in files}
    if len(files) == 2 and alone and full and len(folders) == 1 and files[0].path != files[0].key_path:
        return alone[0], full[0]
    return files[0], None


def _declaration(main: File, fullchain: File | None, seen: Seen, taken: _Taken) -> Item:
    """One item of C(certops_certificates). Raises ValueError with the reason where none can be made that is accepted."""
    key = main.key
    if key is None or main.key_path in taken.keys:
        raise AdoptionError(f"its private key is in {main.key_path}, which belongs to {taken.keys.get(str(main.key_path))!r} already")
    services = sorted({service for file in (main, fullchain) if file for service in file.services})
    leaf = leaf_fields(main.der, listens=bool(services))
    certificate_path, key_path = main.declared_path, key["declared_path"]
    item: Item = {"name": taken.name_for(main, leaf["names"]), **leaf, "certificate_path": certificate_path, "key_path": key_path}
    if fullchain is not None:
        item["fullchain_path"] = fullchain.declared_path
    elif (chain := main.chain_of(seen)) and chain not in taken.files:
        item["chain_path"] = chain
    item |= _attributes(main, fullchain)
    if services:
        item["services"] = services
    if main.renewed_by:
        item["takeover"] = True
    item["managed"] = False
    _check(item)
    return item


def _attributes(main: File, fullchain: File | None) -> Item:
    """Owner, group and mode as they are; where the files differ in one of them nothing is declared of it, and each keeps its own."""
    key = t.cast("dict[str, t.Any]", main.key)
    rows = [main.row, *([fullchain.row] if fullchain else [])]
    every = rows if main.path == main.key_path else [*rows, key]
    item = {name: every[0][name] for name in ("owner", "group") if every[0][name] and len({row[name] for row in every}) == 1}
    modes = {} if main.path == main.key_path else {"mode": {row["mode"] for row in rows}}
    modes["key_mode"] = {key["mode"]}
    for name, values in modes.items():
        mode = values.pop()
        if not values and _MODE.fullmatch(mode or ""):
            item[name] = mode
    return item


def _check(item: Item) -> None:
    """Raises ValueError for what C(certificate) would refuse, and for text that Ansible would take for a template."""
    for text in _texts(item):
        if _TEMPLATE.search(text):
            raise AdoptionError(f"{text!r} looks like a template to Ansible")
    declared_certificate({**{name: option.get("default") for name, option in OPTIONS.items()}, **item}, "its declaration")


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
