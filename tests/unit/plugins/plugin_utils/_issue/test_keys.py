# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import (
    KEY_TYPES,
    CaKeyError,
    checked_passphrase,
    encrypted_pem,
    generate,
    key_type_of,
    load_encrypted,
)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_survives_its_file(key_type: str, openssl: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    """Encrypted with scrypt; openssl opens it, too."""
    key = generate(key_type)
    assert key_type_of(key.public_key()) == key_type
    content = encrypted_pem(key, b"pass phrase")
    assert load_encrypted(content, b"pass phrase", "x.key").public_key() == key.public_key()
    (tmp_path / "x.key").write_bytes(content)
    assert openssl("pkey", "-in", "x.key", "-passin", "pass:pass phrase", "-noout", "-check").startswith("Key is valid")
    assert ":scrypt" in openssl("asn1parse", "-in", "x.key")
    assert max(len(line) for line in content.splitlines()) == 64


def test_a_key_that_is_not_encrypted_is_refused() -> None:
    """Neither an open PKCS#8 file nor anything else."""
    open_key = generate("ecdsa_p256").private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for content in (open_key, b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n!\n-----END ENCRYPTED PRIVATE KEY-----\n"):
        with pytest.raises(CaKeyError) as caught:
            load_encrypted(content, b"pass phrase", "x.key")
        assert str(caught.value) == "file 'x.key' is not a complete encrypted private key (PKCS#8, PEM)"


@pytest.mark.parametrize(
    ("passphrase", "message"),
    [
        (None, "the CA needs a passphrase for its key files, got none"),
        ("", "the CA needs a passphrase for its key files, got none"),
        ("short", "the CA's passphrase must have 8 to 1023 bytes, got 5"),
        (b"x" * 1024, "the CA's passphrase must have 8 to 1023 bytes, got 1024"),
    ],
)
def test_a_passphrase_that_protects_nothing_is_refused(passphrase: t.Any, message: str) -> None:
    """The text does not quote it."""
    with pytest.raises(CaKeyError, match=re.escape(message)):
        checked_passphrase(passphrase)


def test_a_passphrase_of_other_letters_is_utf_8() -> None:
    """As openssl takes it on a UTF-8 terminal."""
    assert checked_passphrase("schlüssel") == "schlüssel".encode()


def test_a_key_of_no_known_type_has_a_name() -> None:
    """For the difference that is told."""
    assert key_type_of(ec.generate_private_key(ec.SECP256K1()).public_key()) == "ecdsa_secp256k1"
