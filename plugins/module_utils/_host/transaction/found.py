# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies at the paths of a declared certificate; always read, since size and time prove nothing."""

import hashlib
import os
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import group_name, user_name
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared, Role
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, pem, x509

CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_OTHERS_READ = 0o004


class FoundFile(t.NamedTuple):
    """One file as it is. `content` may hold a private key: it is never to be shown."""

    role: Role
    state: str  # present, missing, unreadable or malformed
    content: bytes
    status: t.Optional[os.stat_result]
    certificates: t.Tuple[bytes, ...]  # DER
    key: t.Optional[keys.KeyFacts]


class Found(t.NamedTuple):
    """The files of one declared certificate and what they are together."""

    files: t.Tuple[FoundFile, ...]
    leaf: t.Optional[bytes]
    chain: t.Tuple[bytes, ...]
    key: t.Optional[keys.KeyFacts]
    key_status: t.Optional[os.stat_result]

    def file(self, *names: str) -> t.Optional[FoundFile]:
        """Return the file of one of these roles."""
        return next((file for file in self.files if file.role.name in names), None)

    @property
    def sha256(self) -> t.Optional[str]:
        """Digest of the certificate."""
        return None if self.leaf is None else hashlib.sha256(self.leaf).hexdigest()

    @property
    def spki(self) -> t.Optional[str]:
        """Digest of the certificate's public key, None also where the certificate cannot be read."""
        return None if self.leaf is None else facts_or_none(self.leaf, "spki")

    @property
    def key_type(self) -> t.Optional[str]:
        """Kind of the certificate's key."""
        return None if self.leaf is None else facts_or_none(self.leaf, "key_type")

    @property
    def pair(self) -> t.Optional[bool]:
        """Do certificate and key belong together? None when one is missing or cannot be told."""
        if self.key is None or self.key.spki is None or self.spki is None:
            return None
        return self.key.spki == self.spki


def look_at(declared: Declared) -> Found:
    """Read every file of a declared certificate."""
    found = tuple(_file(role) for role in declared.roles)
    by_role = {file.role.name: file for file in found}
    main = by_role.get("combined") or by_role["certificate"]
    key_file = by_role.get("combined") or by_role["key"]
    leaf = main.certificates[0] if main.certificates else None
    chain = main.certificates[1:]
    for role in ("fullchain", "chain"):
        if not chain and role in by_role:
            chain = tuple(certificate for certificate in by_role[role].certificates if certificate != leaf)
    return Found(found, leaf, chain, key_file.key, key_file.status)


def file_result(file: FoundFile) -> t.Dict[str, t.Any]:
    """Return one file as `inspect` answers it."""
    status, path = file.status, file.role.path
    result = {
        "role": file.role.name,
        "path": path_text(path),
        "canonical": path_text(os.path.realpath(path)),
        "state": file.state,
        "link": path_text(os.readlink(path)) if os.path.islink(path) else None,
        "digest": _digest(file),
        "certificates": [hashlib.sha256(certificate).hexdigest() for certificate in file.certificates],
    }  # type: t.Dict[str, t.Any]
    result.update(dict.fromkeys(("owner", "group", "mode", "mtime", "ctime", "size")))
    if status is not None:
        result.update(
            owner=user_name(status.st_uid),
            group=group_name(status.st_gid),
            mode=f"{stat.S_IMODE(status.st_mode):04o}",
            mtime=status.st_mtime,
            ctime=status.st_ctime,
            size=status.st_size,
        )
    return result


def key_result(found: Found) -> t.Optional[t.Dict[str, t.Any]]:
    """Return the key as `inspect` answers it; where the file has an access control list, its entry for others is these bits, too."""
    if found.key is None or found.key_status is None:
        return None
    mode = stat.S_IMODE(found.key_status.st_mode)
    return {
        "kind": found.key.kind,
        "size": found.key.size,
        "spki": found.key.spki,
        "encrypted": found.key.encrypted,
        "mode": f"{mode:04o}",
        "readable_by_others": bool(mode & _OTHERS_READ),
    }


def facts_or_none(certificate: bytes, name: str) -> t.Any:
    """Return one fact of a certificate, None when it cannot be read."""
    try:
        return getattr(x509.facts(certificate), name)
    except der.DerError:
        return None


def certificates_in(content: bytes) -> t.Tuple[bytes, ...]:
    """Return the certificates of a file in DER, in order."""
    blocks = [block.content for block in pem.blocks((content,)) if block.label in CERTIFICATE_LABELS and block.content]
    if blocks or pem.BEGIN in content:
        return tuple(_untrusted(block) for block in blocks)
    return (content,) if facts_or_none(content, "sha256") else ()


def key_block(content: bytes) -> t.Optional[pem.Block]:
    """Return the first private key of a file; it is never to be shown."""
    if pem.BEGIN not in content:
        return keys.from_der(content)
    return next((block for block in pem.blocks((content,)) if keys.is_key(block.label)), None)


def key_in(content: bytes) -> t.Optional[keys.KeyFacts]:
    """Return what may be told of the first private key of a file, None when there is none that can be read."""
    block = key_block(content)
    try:
        return None if block is None else keys.key_facts(block, run)
    except der.DerError:
        return None


def _untrusted(content: bytes) -> bytes:
    """Cut off what OpenSSL appends to a TRUSTED CERTIFICATE."""
    try:
        return der.read(content)[0].raw
    except der.DerError:
        return content


def _file(role: Role) -> FoundFile:
    try:
        content, status = files.read(role.path), os.stat(role.path)
    except (FileNotFoundError, NotADirectoryError):
        return FoundFile(role, "missing", b"", None, (), None)
    except OSError:
        return FoundFile(role, "unreadable", b"", _status(role.path), (), None)
    certificates = () if role.name == "key" else certificates_in(content)
    key = key_in(content) if role.secret else None
    complete = (role.name == "key" or certificates) and (key is not None or not role.secret)
    return FoundFile(role, "present" if complete else "malformed", content, status, certificates, key)


def _status(path: bytes) -> t.Optional[os.stat_result]:
    try:
        return os.stat(path)
    except OSError:
        return None


def _digest(file: FoundFile) -> t.Optional[str]:
    """Digest of the content; where a key is in it, of what is public of it."""
    if file.state not in ("present", "malformed"):
        return None
    if not file.role.secret:
        return hashlib.sha256(file.content).hexdigest()
    public = (file.key.spki or "") if file.key is not None else ""
    return hashlib.sha256(b"".join(file.certificates) + public.encode("ascii")).hexdigest()
