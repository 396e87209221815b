# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the internal CA: a root and an issuing CA, once. What is there is never overwritten."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.authority import (
    ISSUING,
    ISSUING_KEY,
    KEY_FILES,
    ROOT,
    ROOT_KEY,
    URLS,
    Authority,
    private_key,
    read_authority,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.constraints import Constraints
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.extensions import authority_key_identifier, usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.files import (
    FOLDER_MODE,
    KEY_MODE,
    PUBLIC_MODE,
    create_file,
    make_folder,
    mode_of,
    replace_file,
    set_mode,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import encrypted_pem, generate, signature_hash
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import BACKDATE
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import AuthoritySettings, CaShape, Urls, shape_of
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.subject import subject_text, x509_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import serialization, x509

PART_NAMES = {
    "subject": "the subject",
    "key_type": "the key type",
    "lifetime_days": "the lifetime in days",
    "path_length": "the path length",
    "constraints": "the name constraint",
    "urls": "the URL",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done (or would be), in which ways the CA differs from its settings for good, the CA as it is now, and both states as text."""

    actions: tuple[str, ...]
    differences: tuple[str, ...]
    authority: Authority
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A CA that can sign: its certificate (None for a root that signs itself) and its key."""

    certificate: t.Any
    key: t.Any


def ca_certificate(shape: CaShape, public_key: t.Any, signer: Signer, now: datetime) -> t.Any:
    """Sign the certificate of a CA (RFC 5280 section 4.2.1); it ends with its issuer at the latest."""
    not_before = now.replace(microsecond=0) - BACKDATE
    not_after = not_before + timedelta(days=shape.lifetime_days, seconds=-1)
    subject = x509_name(shape.subject)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(public_key).serial_number(x509.random_serial_number())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=shape.path_length), critical=True)
    builder = builder.add_extension(usages("key_cert_sign", "crl_sign"), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    if signer.certificate is None:
        builder = builder.issuer_name(subject)
    else:
        not_after = min(not_after, signer.certificate.not_valid_after_utc)
        builder = builder.issuer_name(signer.certificate.subject).add_extension(authority_key_identifier(signer.certificate), critical=False)
    if shape.constraints:
        builder = builder.add_extension(shape.constraints.extension(), critical=True)
    for extension in shape.urls.extensions():
        builder = builder.add_extension(extension, critical=False)
    return builder.not_valid_before(not_before).not_valid_after(not_after).sign(signer.key, signature_hash(signer.key))


def certificate_pem(certificate: t.Any) -> bytes:
    """Return the certificate as a PEM file."""
    return t.cast(bytes, certificate.public_bytes(serialization.Encoding.PEM))


def _planned(settings: AuthoritySettings, found: Authority) -> list[str]:
    """Return a sentence for every file that is to be written, in the order of writing."""
    steps = []
    for role, shape, held_key, held in (("root", settings.root, found.root_key, found.root), ("issuing", settings.issuing, found.issuing_key, found.issuing)):
        if held is None and held_key is None:
            steps.append(f"make the key {role}.key ({shape.key_type})")
        if held is None:
            steps.append(f"sign {role}.pem for {subject_text(shape.subject)}, valid for {shape.lifetime_days} days")
    if (found.urls or Urls()) != settings.urls:
        steps.append(f"write the URLs of the issuing CA to {URLS}")
    return steps


def _wrong_modes(found: Authority) -> list[tuple[str, int, str]]:
    wanted = [(found.directory, FOLDER_MODE), *((found.path(name), KEY_MODE) for name in KEY_FILES)]
    modes = [(path, mode, mode_of(path)) for path, mode in wanted]
    return [(path, mode, f"set the mode of {path} to {mode:04o}, it is {is_now:04o}") for path, mode, is_now in modes if is_now not in (None, mode)]


def _shown(value: t.Any) -> str:
    if isinstance(value, (Constraints, Urls)):
        return ", ".join(f"{kind} {' '.join(texts)}" for kind, texts in asdict(value).items() if texts) or "none"
    return subject_text(value) if isinstance(value, tuple) else str(value)


def _difference(role: str, found: t.Any, wanted: CaShape, end: datetime | None) -> list[str]:
    """Return a sentence for each part in which a certificate differs; one that was cut to its issuer's end does not differ in lifetime."""
    if found is None:
        return []
    shape = shape_of(found)
    cut = end is not None and found.not_valid_after_utc == end
    differing = [part.name for part in fields(CaShape) if getattr(shape, part.name) != getattr(wanted, part.name)]
    return [
        f"{role} CA: {PART_NAMES[name]} {_shown(getattr(wanted, name))!r} is asked for, "
        f"the certificate that is there has {_shown(getattr(shape, name))!r} and is not changed in place"
        for name in differing
        if not (cut and name == "lifetime_days")
    ]


def _differences(settings: AuthoritySettings, found: Authority) -> tuple[str, ...]:
    end = found.root.not_valid_after_utc if found.root is not None else None
    return (*_difference("root", found.root, settings.root, None), *_difference("issuing", found.issuing, settings.issuing, end))


def _ensure_key(found: Authority, name: str, key_type: str, passphrase: bytes) -> t.Any:
    held = found.root_key if name == ROOT_KEY else found.issuing_key
    if held is not None:
        return private_key(found, name, passphrase)
    key = generate(key_type)
    create_file(found.path(name), encrypted_pem(key, passphrase), KEY_MODE)
    return key


def _perform(settings: AuthoritySettings, found: Authority, passphrase: bytes, now: datetime) -> None:
    make_folder(found.directory)
    root = found.root
    if root is None:
        root_key = _ensure_key(found, ROOT_KEY, settings.root.key_type, passphrase)
        root = ca_certificate(settings.root, root_key.public_key(), Signer(None, root_key), now)
        create_file(found.path(ROOT), certificate_pem(root), PUBLIC_MODE)
    elif found.issuing is None:
        root_key = private_key(found, ROOT_KEY, passphrase)
    if found.issuing is None:
        key = _ensure_key(found, ISSUING_KEY, settings.issuing.key_type, passphrase)
        certificate = ca_certificate(settings.issuing, key.public_key(), Signer(root, root_key), now)
        create_file(found.path(ISSUING), certificate_pem(certificate), PUBLIC_MODE)
    if (found.urls or Urls()) != settings.urls:
        replace_file(found.path(URLS), json.dumps(asdict(settings.urls), indent=1).encode() + b"\n", PUBLIC_MODE)


def _described(root: CaShape | None, issuing: CaShape | None, urls: Urls) -> str:
    lines = [
        f"{role}: {subject_text(shape.subject)}; {shape.key_type}; {shape.lifetime_days} days; name constraints: {_shown(shape.constraints)}\n"
        for role, shape in (("root", root), ("issuing", issuing))
        if shape is not None
    ]
    return "".join(lines) + (f"URLs in certificates: {_shown(urls)}\n" if lines else "")


def _texts(settings: AuthoritySettings, found: Authority) -> tuple[str, str]:
    """Return the CA before and after: what exists stays, what is missing is made as wanted."""
    root, issuing = (None if each is None else shape_of(each) for each in (found.root, found.issuing))
    return _described(root, issuing, found.urls or Urls()), _described(root or settings.root, issuing or settings.issuing, settings.urls)


def ensure_authority(settings: AuthoritySettings, passphrase: bytes, *, now: datetime, check: bool = False) -> Outcome:
    """Bring the CA's folder to what the settings say, or with `check` only tell what that takes.

    The passphrase is tried on every key that is there. Raises AuthorityError, CaKeyError or CaFileError; then no file was overwritten.
    """
    found = read_authority(settings.directory)
    for name, content in ((ROOT_KEY, found.root_key), (ISSUING_KEY, found.issuing_key)):
        if content is not None:
            private_key(found, name, passphrase)
    before, after = _texts(settings, found)
    modes = _wrong_modes(found)
    actions = (*_planned(settings, found), *(text for _path, _mode, text in modes))
    if actions and not check:
        _perform(settings, found, passphrase, now)
        for path, mode, _text in modes:
            set_mode(path, mode)
        found = read_authority(settings.directory)
    return Outcome(actions, _differences(settings, found), found, before, after)
