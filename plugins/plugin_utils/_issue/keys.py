# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of a CA: made, encrypted for a file, loaded again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import encode, integer, object_identifier
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import UnsupportedAlgorithm, ciphers, ec, hashes, rsa, serialization
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import OCTET_STRING, SEQUENCE, DerError, children, read

KEY_TYPES = ("ecdsa_p256", "ecdsa_p384", "ecdsa_p521", "rsa_3072", "rsa_4096")
# OpenSSL refuses longer ones.
MAX_PASSPHRASE = 1023
MIN_PASSPHRASE = 8

# Cost, block size, parallelism: 16 MiB and some 50 ms for each guess at the passphrase.
SCRYPT = (1 << 14, 8, 1)
_SCRYPT, _PBES2, _AES256_CBC = "1.3.6.1.4.1.11591.4.11", "1.2.840.113549.1.5.13", "2.16.840.1.101.3.4.1.42"

_CURVES = {"p256": "SECP256R1", "p384": "SECP384R1", "p521": "SECP521R1"}
_PEM = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----\s+(.+?)-----END ENCRYPTED PRIVATE KEY-----", re.DOTALL)


class CaKeyError(ValueError):
    """A CA's key cannot be made or used."""


def checked_passphrase(passphrase: str | bytes | None) -> bytes:
    """Return the passphrase as bytes. The error never quotes it."""
    octets = passphrase.encode() if isinstance(passphrase, str) else passphrase
    if not octets:
        raise CaKeyError("the CA needs a passphrase for its key files, got none: give passphrase to its item of certops_issuers")
    if not MIN_PASSPHRASE <= len(octets) <= MAX_PASSPHRASE:
        raise CaKeyError(f"the CA's passphrase must have {MIN_PASSPHRASE} to {MAX_PASSPHRASE} bytes, got {len(octets)}")
    return octets


def generate(key_type: str) -> t.Any:
    """Make a private key of one of KEY_TYPES."""
    family, _sign, size = key_type.partition("_")
    if family == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    return ec.generate_private_key(getattr(ec, _CURVES[size])())


def key_type_of(public_key: t.Any) -> str:
    """Return the type in the words of KEY_TYPES, also for a key that is none of them."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa_{public_key.key_size}"
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        curves = {curve.lower(): f"ecdsa_{short}" for short, curve in _CURVES.items()}
        return curves.get(public_key.curve.name, f"ecdsa_{public_key.curve.name}")
    return type(public_key).__name__


def signature_hash(private_key: t.Any) -> t.Any:
    """Return the hash of a strength that fits the key (NIST SP 800-57 part 1, table 3)."""
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return getattr(hashes, {256: "SHA256", 384: "SHA384", 521: "SHA512"}[private_key.key_size])()
    return hashes.SHA256()


def encrypted_pem(private_key: t.Any, passphrase: bytes) -> bytes:
    """Return the key as an encrypted PKCS#8 file: PBES2 with scrypt (RFC 7914 section 7) and AES-256-CBC.

    cryptography's own encryption derives the key by 2048 rounds of PBKDF2, which a stolen file does not withstand.
    """
    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    cost, block, parallel = SCRYPT
    secret = hashlib.scrypt(passphrase, salt=salt, n=cost, r=block, p=parallel, dklen=32, maxmem=2 * 128 * cost * block)
    plain = private_key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    padding = 16 - len(plain) % 16
    encryptor = ciphers.Cipher(ciphers.algorithms.AES(secret), ciphers.modes.CBC(vector)).encryptor()
    sealed = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    derivation = encode(SEQUENCE, object_identifier(_SCRYPT), encode(SEQUENCE, encode(OCTET_STRING, salt), *map(integer, SCRYPT)))
    scheme = encode(SEQUENCE, object_identifier(_AES256_CBC), encode(OCTET_STRING, vector))
    algorithm = encode(SEQUENCE, object_identifier(_PBES2), encode(SEQUENCE, derivation, scheme))
    text = base64.b64encode(encode(SEQUENCE, algorithm, encode(OCTET_STRING, sealed))).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{lines}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode()


def _is_encrypted_key(content: bytes) -> bool:
    """Tell whether it is one whole EncryptedPrivateKeyInfo (RFC 5958 section 3): what is whole and does not open has another passphrase."""
    found = _PEM.search(content)
    if not found:
        return False
    try:
        der = base64.b64decode(b"".join(found.group(1).split()), validate=True)
        outer = read(der)
        parts = children(outer.content)
    except (binascii.Error, DerError):
        return False
    return outer.raw == der and [part.tag for part in parts] == [SEQUENCE, OCTET_STRING]


def load_encrypted(content: bytes, passphrase: bytes, path: str) -> t.Any:
    """Return the private key of an encrypted PKCS#8 file; `path` is for messages."""
    if not _is_encrypted_key(content):
        raise CaKeyError(f"file {path!r} is not a complete encrypted private key (PKCS#8, PEM)")
    try:
        return serialization.load_pem_private_key(content, passphrase)
    except (ValueError, TypeError) as exc:
        raise CaKeyError(f"file {path!r} cannot be decrypted with the passphrase given") from exc
    except UnsupportedAlgorithm as exc:
        raise CaKeyError(f"file {path!r} is encrypted in a way that is not supported: {exc}") from exc
