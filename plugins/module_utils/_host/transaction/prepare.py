# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every changing verb does first: wait for the lock, end what was left open, refuse what must not be touched, take the baseline."""

import contextlib
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import user_name
from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.program import uninterrupted
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import attributes, baseline, commit, installed, layout, owners, staged
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.files import real_path
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found, certificates_in, key_block
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock


class Held(t.NamedTuple):
    """The lock of this host: its descriptor, and the transactions that were open and have been brought to an end."""

    lock: int
    recovered: t.List[t.Dict[str, t.Any]]


@contextlib.contextmanager
def changing(context: Context) -> t.Iterator[Held]:
    """Hold the lock of this host, with every earlier transaction at its end. What the system refuses becomes a sentence."""
    try:
        with uninterrupted(), host_lock(context.state) as lock:
            yield Held(lock, staged.heal(context))
    except OSError as exc:
        raise HostError(f"this host refused: {commit.sentence(exc)}") from exc


def baseline_for(declared: Declared, services: t.Sequence[t.Dict[str, t.Any]], found: Found, context: Context) -> t.List[baseline.Watched]:
    """Return the services of a certificate with what their validation says, or raise HostError for what makes it wrong to touch anything."""
    owner = owners.owner_of([role.path for role in declared.roles], installed.installed(context.state, declared.name) is not None)
    if owner is not None and not declared.takeover:
        raise HostError(f"certificate {declared.name!r}: its files belong to {owner}; with takeover they are taken from it")
    _check_paths(declared)
    _check_content(declared, found)
    attributes.check_declared(declared.owner, declared.group)
    watched, absent = baseline.watched(declared, services)
    if absent:
        raise HostError("; ".join(absent))
    taken = [dict(item, validation=baseline.validation(item["service"])) for item in watched]
    if baseline.usable(found, context.now()):  # a broken pair may be the reason why a validation fails, and a new one mends it
        baseline.check_valid(declared, taken)
    return taken


def _check_paths(declared: Declared) -> None:
    foreign = layout.foreign_link(declared)
    if foreign is not None and not declared.takeover:
        target = path_text(os.readlink(foreign))
        raise HostError(f"certificate {declared.name!r}: {path_text(foreign)!r} is a link of somebody else's to {target!r}; with takeover it is replaced")
    for role in declared.roles:
        folder = os.path.dirname(real_path(role.path))
        if not os.path.isdir(folder):
            raise HostError(f"certificate {declared.name!r}: folder {path_text(folder)!r} does not exist; make it first, or correct {role.name}_path")
        if not os.access(folder, os.W_OK | os.X_OK):
            user = user_name(os.geteuid())
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            why = "lies on a file system that is mounted read-only" if read_only else f"cannot be written to by user {user!r}; set become for this host"
            raise HostError(f"certificate {declared.name!r}: folder {path_text(folder)!r} {why}")
        if os.path.isdir(role.path):
            raise HostError(f"certificate {declared.name!r}: {path_text(role.path)!r} is a folder and must be a file")


def _check_content(declared: Declared, found: Found) -> None:
    """A file of another kind is somebody's, or the paths are exchanged: it would be lost."""
    for file in found.files:
        if file.role.name == "key" and file.key is None and certificates_in(file.content):
            told = f"key_path {path_text(file.role.path)!r} holds certificates and no private key"
        elif file.role.name == "certificate" and not file.certificates and key_block(file.content):
            told = f"certificate_path {path_text(file.role.path)!r} holds a private key and no certificate"
        else:
            continue
        raise HostError(f"certificate {declared.name!r}: {told}; correct the paths, or remove the file")
