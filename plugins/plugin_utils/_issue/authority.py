# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The internal CA as it lies on disk: a root and an issuing CA with their encrypted keys."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, fields

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.files import read_file
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import load_encrypted
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import Urls
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import InvalidSignature, UnsupportedAlgorithm, require, serialization, x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

ROOT, ROOT_KEY = "root.pem", "root.key"
ISSUING, ISSUING_KEY = "issuing.pem", "issuing.key"
URLS = "issuing.json"
KEY_FILES = (ROOT_KEY, ISSUING_KEY)


class AuthorityError(ValueError):
    """The files of a CA do not fit together, or are not what they should be."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What lies in a CA's folder; keys as they are on disk, encrypted."""

    directory: str
    root: t.Any = None
    issuing: t.Any = None
    root_key: bytes | None = None
    issuing_key: bytes | None = None
    urls: Urls | None = None

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return os.path.join(self.directory, name)


def _load_certificate(path: str) -> t.Any:
    content = read_file(path)
    if content is None:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(content)
        certificate.public_key()
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as exc:
        raise AuthorityError(f"file {path!r} is not the PEM certificate of a CA: {exc}") from exc
    if not basic.ca:
        raise AuthorityError(f"file {path!r} holds a certificate that is not a CA's")
    return certificate


def _load_urls(path: str) -> Urls | None:
    content = read_file(path)
    if content is None:
        return None
    try:
        stored = json.loads(content)
        return Urls(**{part.name: tuple(str(url) for url in stored[part.name]) for part in fields(Urls)})
    except (ValueError, KeyError, TypeError) as exc:
        raise AuthorityError(f"file {path!r} does not hold the URLs of an issuing CA as JSON") from exc


def read_authority(directory: str) -> Authority:
    """Read what there is, without any passphrase."""
    require()
    paths = {name: os.path.join(directory, name) for name in (ROOT, ISSUING, ROOT_KEY, ISSUING_KEY, URLS)}
    authority = Authority(
        directory,
        _load_certificate(paths[ROOT]),
        _load_certificate(paths[ISSUING]),
        read_file(paths[ROOT_KEY]),
        read_file(paths[ISSUING_KEY]),
        _load_urls(paths[URLS]),
    )
    _check_complete(authority)
    return authority


def _check_complete(found: Authority) -> None:
    """An unfinished creation can be finished; anything else that is missing cannot be made again."""
    if found.root is None and (found.issuing is not None or found.issuing_key is not None):
        raise AuthorityError(f"CA in {found.directory!r}: {ROOT!r} is missing although there is an issuing CA; put it back")
    if found.issuing is not None and found.issuing_key is None:
        raise AuthorityError(f"CA in {found.directory!r}: {ISSUING_KEY!r} is missing although there is {ISSUING!r}; put it back")
    if found.root is not None and found.issuing is None and found.root_key is None:
        raise AuthorityError(f"CA in {found.directory!r}: {ROOT_KEY!r} is missing, so that no issuing CA can be made")
    if found.issuing is not None:
        try:
            found.issuing.verify_directly_issued_by(found.root)
        except (ValueError, TypeError, InvalidSignature) as exc:
            raise AuthorityError(f"CA in {found.directory!r}: {ISSUING!r} was not issued by {ROOT!r}") from exc


def private_key(found: Authority, name: str, passphrase: bytes) -> t.Any:
    """Return the decrypted key of one of KEY_FILES, checked against its certificate where there is one."""
    content, certificate = (found.root_key, found.root) if name == ROOT_KEY else (found.issuing_key, found.issuing)
    if content is None:
        raise AuthorityError(f"CA in {found.directory!r}: {name!r} is missing")
    key = load_encrypted(content, passphrase, found.path(name))
    if certificate is not None and key.public_key() != certificate.public_key():
        raise AuthorityError(f"file {found.path(name)!r} is not the key of {name.replace('.key', '.pem')!r}")
    return key


def certificate_facts(certificate: t.Any) -> dict[str, t.Any] | None:
    """Return the certificate's facts for a result, None where there is no certificate yet."""
    return None if certificate is None else certificate_info(certificate.public_bytes(serialization.Encoding.DER))
