# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be told of a private key: its kind, form and public half. Nothing that is returned or raised here holds a part of the private one.

Forms: PKCS #1 (RFC 8017 appendix A.1.2), SEC 1 (RFC 5915), PKCS #8 (RFC 5958), its encrypted kind, OpenSSL's own for DSA, and OpenSSH's.
"""

import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem, x509

Run = t.Callable[..., t.Any]  # as _host/run.py has it: run(argv, seconds, input=b"") with .code and .output

_RSA = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.null())
_EC = der.object_identifier("1.2.840.10045.2.1")
_DSA = der.object_identifier("1.2.840.10040.4.1")
_PKCS = b"\x2a\x86\x48\x86\xf7\x0d\x01"  # 1.2.840.113549.1, below which all password based encryption of PKCS #5 and #12 lies
_CURVE_SIZES = {
    "1.2.840.10045.3.1.1": 192,
    "1.3.132.0.33": 224,
    "1.2.840.10045.3.1.7": 256,
    "1.3.132.0.10": 256,
    "1.3.132.0.34": 384,
    "1.3.132.0.35": 521,
    "1.3.36.3.3.2.8.1.1.7": 256,
    "1.3.36.3.3.2.8.1.1.11": 384,
    "1.3.36.3.3.2.8.1.1.13": 512,
}
_LABELS = {  # label: (form, kind)
    "RSA PRIVATE KEY": ("pkcs1", "rsa"),
    "EC PRIVATE KEY": ("sec1", "ec"),
    "DSA PRIVATE KEY": ("openssl_dsa", "dsa"),
    "PRIVATE KEY": ("pkcs8", "unknown"),
    "ENCRYPTED PRIVATE KEY": ("encrypted_pkcs8", "unknown"),
    "OPENSSH PRIVATE KEY": ("openssh", "unknown"),
}
_SHAPES = {  # the tags that a key of this label begins with; longer ones first
    "RSA PRIVATE KEY": (der.INTEGER,) * 9,
    "DSA PRIVATE KEY": (der.INTEGER,) * 6,
    "PRIVATE KEY": (der.INTEGER, der.SEQUENCE, der.OCTET_STRING),
    "EC PRIVATE KEY": (der.INTEGER, der.OCTET_STRING),
    "ENCRYPTED PRIVATE KEY": (der.SEQUENCE, der.OCTET_STRING),
}
_OPENSSH_KINDS = {
    b"ssh-rsa": "rsa",
    b"ssh-dss": "dsa",
    b"ssh-ed25519": "ed25519",
    b"ecdsa-sha2-nistp256": "ec",
    b"ecdsa-sha2-nistp384": "ec",
    b"ecdsa-sha2-nistp521": "ec",
}
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_PUBLIC_KEY_TAG = 0x81  # [1] IMPLICIT BIT STRING of a OneAsymmetricKey (RFC 5958 section 2)
_SECONDS = 10


class KeyFacts(t.NamedTuple):
    """A private key as it may be told: `spki` is the hexadecimal SHA-256 of the SubjectPublicKeyInfo, None when it cannot be had without a passphrase."""

    kind: str  # 'rsa', 'ec', 'dsa', 'ed25519', 'ed448', 'unknown'
    format: str  # 'pkcs1', 'sec1', 'openssl_dsa', 'pkcs8', 'encrypted_pkcs8', 'legacy_encrypted', 'openssh', or that of the store it is in
    encrypted: bool
    size: t.Optional[int]  # bits, for rsa, ec and dsa
    spki: t.Optional[str]


class _Public(t.NamedTuple):
    kind: str
    size: t.Optional[int] = None
    spki: t.Optional[bytes] = None  # None: openssl has to say it


def is_key(label: str) -> bool:
    """Whether a PEM block with this label holds a private key."""
    return label in _LABELS


def key_facts(block: pem.Block, run: t.Optional[Run] = None) -> KeyFacts:
    """Return the facts of the private key in a PEM block; raise DerError when it is none.

    `run` starts openssl for the few keys whose public half is not in their file; without it their `spki` is None.
    """
    if block.content is None or not is_key(block.label):
        raise der.DerError(f"PEM block {block.label!r} holds no private key")
    form, kind = _LABELS[block.label]
    if block.encrypted:
        return KeyFacts(kind, "legacy_encrypted", True, None, None)
    if form == "encrypted_pkcs8":
        der.members(block.content, der.SEQUENCE, der.OCTET_STRING)
        return KeyFacts(kind, form, True, None, None)
    if form == "openssh":
        return _openssh(block.content)
    public = _READERS[form](block.content)
    spki = public.spki or _asked(block, run)
    if spki is None:
        return KeyFacts(public.kind, form, False, public.size, None)
    return KeyFacts(public.kind, form, False, public.size, hashlib.sha256(spki).hexdigest())


def from_public(spki: bytes, form: str, *, encrypted: bool) -> KeyFacts:
    """Return the facts of the private key to a SubjectPublicKeyInfo."""
    kind = x509.key_type(spki)
    try:
        size = _public_size(kind, spki)
    except der.DerError:
        size = None
    return KeyFacts(kind, form, encrypted, size, hashlib.sha256(spki).hexdigest())


def _public_size(kind: str, spki: bytes) -> t.Optional[int]:
    algorithm, content = der.members(spki, der.SEQUENCE, der.BIT_STRING)[:2]
    if kind == "rsa":
        return der.unsigned(der.members(content.content[1:], der.INTEGER)[0].content).bit_length()
    if kind not in ("ec", "dsa"):
        return None
    parameters = algorithm.content[len(der.read(algorithm.content)[0].raw) :]
    return _curve_size(parameters) if kind == "ec" else _dsa_size(parameters)


def from_der(content: bytes) -> t.Optional[pem.Block]:
    """Return a private key in DER as the PEM block it would be, None when these bytes are none."""
    try:
        parts = der.members(content)
    except der.DerError:
        return None
    tags = tuple(part.tag for part in parts)
    for label, shape in _SHAPES.items():
        if tags[: len(shape)] == shape and (label != "ENCRYPTED PRIVATE KEY" or _PKCS in content[:40]):
            return pem.Block(label, content, False, None)
    return None


def _pkcs1(content: bytes, algorithm: bytes = _RSA) -> _Public:
    parts = der.members(content, der.INTEGER, der.INTEGER, der.INTEGER)
    modulus, exponent = parts[1], parts[2]
    spki = der.sequence(algorithm, der.bit_string(der.sequence(modulus.raw, exponent.raw)))
    return _Public("rsa", der.unsigned(modulus.content).bit_length(), spki)


def _sec1(content: bytes, parameters: bytes = b"") -> _Public:
    parts = der.members(content, der.INTEGER, der.OCTET_STRING)
    own = {part.tag: part.content for part in parts[2:]}
    parameters = own.get(0xA0, parameters)
    size = _curve_size(parameters)
    if 0xA1 not in own or not parameters:
        return _Public("ec", size)
    return _Public("ec", size, der.sequence(der.sequence(_EC, parameters), own[0xA1]))


def _curve_size(parameters: bytes) -> t.Optional[int]:
    try:
        name = der.whole(parameters)
        return _CURVE_SIZES.get(der.dotted(name.content)) if name.tag == der.OBJECT_IDENTIFIER else None
    except der.DerError:
        return None


def _openssl_dsa(content: bytes) -> _Public:
    parts = der.members(content, *[der.INTEGER] * 6)
    parameters = der.sequence(*(part.raw for part in parts[1:4]))
    spki = der.sequence(der.sequence(_DSA, parameters), der.bit_string(parts[4].raw))
    return _Public("dsa", der.unsigned(parts[1].content).bit_length(), spki)


def _pkcs8(content: bytes) -> _Public:
    parts = der.members(content, der.INTEGER, der.SEQUENCE, der.OCTET_STRING)
    algorithm = parts[1]
    identifier = der.members(algorithm.raw, der.OBJECT_IDENTIFIER)[0]
    kind = x509.KEY_TYPES.get(der.dotted(identifier.content), "unknown")
    if kind == "rsa":
        return _pkcs1(parts[2].content, algorithm.raw)
    if kind == "ec":
        return _sec1(parts[2].content, algorithm.content[len(identifier.raw) :])
    for part in parts[3:]:
        if part.tag == _PUBLIC_KEY_TAG:
            return _Public(kind, None, der.sequence(algorithm.raw, der.encode(der.BIT_STRING, part.content)))
    return _Public(kind, _dsa_size(algorithm.content[len(identifier.raw) :]) if kind == "dsa" else None)


def _dsa_size(parameters: bytes) -> int:
    return der.unsigned(der.members(parameters, der.INTEGER)[0].content).bit_length()


_READERS: t.Dict[str, t.Callable[[bytes], _Public]] = {"pkcs1": _pkcs1, "sec1": _sec1, "openssl_dsa": _openssl_dsa, "pkcs8": _pkcs8}


def _openssh(content: bytes) -> KeyFacts:
    """PROTOCOL.key of OpenSSH: magic, cipher, KDF and its options, the number of keys, the public key, then what may be encrypted."""
    if not content.startswith(_OPENSSH_MAGIC):
        raise der.DerError(f"OpenSSH key must begin with {_OPENSSH_MAGIC!r}")
    cipher, at = ssh_string(content, len(_OPENSSH_MAGIC))
    for _text in range(2):
        _content, at = ssh_string(content, at)
    public, _end = ssh_string(content, at + 4)
    kind, _end = ssh_string(public, 0)
    return KeyFacts(_OPENSSH_KINDS.get(kind, "unknown"), "openssh", cipher != b"none", None, None)


def ssh_string(data: bytes, at: int) -> t.Tuple[bytes, int]:
    """Return the string of RFC 4251 section 5 at `at` and the offset behind it; raise DerError when it is cut off."""
    stop = at + 4 + int.from_bytes(data[at : at + 4], "big")
    if at + 4 > len(data) or stop > len(data):
        raise der.DerError(f"OpenSSH key of {len(data)!r} bytes is cut off")
    return data[at + 4 : stop], stop


def _asked(block: pem.Block, run: t.Optional[Run]) -> t.Optional[bytes]:
    """The public half by openssl, the key on its standard input."""
    if run is None or block.content is None:
        return None
    finished = run(["openssl", "pkey", "-pubout", "-outform", "DER"], _SECONDS, input=pem.encode(block.label, block.content))
    if finished.code != 0 or x509.key_type(finished.output) == "unknown":
        return None
    return bytes(finished.output)
