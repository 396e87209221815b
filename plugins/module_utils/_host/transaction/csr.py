# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key made on this host, and a certificate signing request for it (PKCS #10, RFC 2986)."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.run import Finished, run
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, x509

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_DEFAULT_SIZE = 3072
_SMALLEST, _LARGEST = 2048, 8192
_SECONDS = 300  # a large RSA key on a slow host
_ATTRIBUTES = 0xA0
# RFC 4055 section 5, RFC 5758 section 3.2, RFC 8410 section 3
_ALGORITHMS = {
    "rsa": der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.null()),
    "ec": der.sequence(der.object_identifier("1.2.840.10045.4.3.2")),
    "ed25519": der.sequence(der.object_identifier("1.3.101.112")),
}


def make_key(path: bytes, wanted: t.Dict[str, t.Any]) -> None:
    """Make a private key as a PEM file (PKCS #8) that only its owner can read, before it holds anything."""
    options = _options(wanted)
    files.create(path, b"")
    _succeed(run([b"openssl", b"genpkey", *options, b"-out", path], _SECONDS), "make a key")
    if os.stat(path).st_mode & 0o077:
        raise HostError("openssl genpkey made a key file that others may read")


def public_key(path: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a private key in DER."""
    finished = _succeed(run([b"openssl", b"pkey", b"-in", path, b"-pubout", b"-outform", b"DER"], _SECONDS), "read a key")
    return finished.output


def make_request(path: bytes, spki: bytes, subject: bytes, attributes: bytes) -> bytes:
    """Return the request in DER, signed with the key at `path`; subject and attributes come from the controller and are checked for their shape only."""
    try:
        _expect(subject, der.SEQUENCE, "subject")
        _expect(attributes, _ATTRIBUTES, "attributes")
    except der.DerError as exc:
        raise HostError(f"the request's {exc}") from None
    info = der.sequence(der.integer(0), subject, spki, attributes)
    kind = x509.key_type(spki)
    return der.sequence(info, _ALGORITHMS[kind], der.bit_string(_sign(path, kind, info)))


def _options(wanted: t.Dict[str, t.Any]) -> t.List[bytes]:
    kind, size, curve = wanted.get("type"), wanted.get("size"), wanted.get("curve")
    if kind == "rsa":
        if not isinstance(size or _DEFAULT_SIZE, int) or not _SMALLEST <= (size or _DEFAULT_SIZE) <= _LARGEST:
            raise HostError(f"key size of an RSA key must be a number from {_SMALLEST} to {_LARGEST}, got {size!r}")
        return [b"-algorithm", b"RSA", b"-pkeyopt", b"rsa_keygen_bits:%d" % (size or _DEFAULT_SIZE)]
    if kind == "ec":
        name = CURVES.get(curve or "secp256r1")
        if name is None:
            raise HostError(f"key curve must be one of {', '.join(CURVES)}, got {curve!r}")
        return [b"-algorithm", b"EC", b"-pkeyopt", b"ec_paramgen_curve:" + name.encode("ascii"), b"-pkeyopt", b"ec_param_enc:named_curve"]
    if kind == "ed25519":
        return [b"-algorithm", b"ED25519"]
    raise HostError(f"key type must be one of {', '.join(_ALGORITHMS)}, got {kind!r}")


def _sign(path: bytes, kind: str, data: bytes) -> bytes:
    if kind == "ed25519":
        return _sign_raw(path, data)
    return _succeed(run([b"openssl", b"dgst", b"-sha256", b"-sign", path], _SECONDS, input=data), "sign a request").output


def _sign_raw(path: bytes, data: bytes) -> bytes:
    """Ed25519 signs the message itself, and openssl wants to know its length, so it must be a file; it holds nothing secret."""
    message = path + b".message"
    files.replace(message, data)
    try:
        return _succeed(run([b"openssl", b"pkeyutl", b"-sign", b"-rawin", b"-inkey", path, b"-in", message], _SECONDS), "sign a request").output
    finally:
        files.remove(message)


def _expect(data: bytes, tag: int, what: str) -> None:
    try:
        found = der.whole(data).tag
    except der.DerError as exc:
        raise der.DerError(f"{what} is not DER ({exc})") from None
    if found != tag:
        raise der.DerError(f"{what} must have the DER tag {tag!r}, got {found!r}")


def _succeed(finished: Finished, what: str) -> Finished:
    if finished.code == 127:
        raise HostError(f"openssl was not found on this host and is needed to {what}: install it")
    if finished.code != 0:
        raise HostError(f"openssl could not {what}: {finished.reason()}")
    return finished
