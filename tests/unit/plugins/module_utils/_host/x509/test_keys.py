# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of private keys, compared with what openssl says."""

import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made


def block_of(data):
    """The block with a private key."""
    return next(block for block in pem.blocks((data,)) if keys.is_key(block.label))


def never(*argv, **given):
    """Stands where openssl is not to be started."""
    raise AssertionError(f"{argv!r} must not be run")


def forms():
    """(name, PEM, expected kind, format, size) of keys whose public half is in their file."""
    rsa, ec = made.key("rsa"), made.key("ec")
    dsa = made.openssl("dsaparam", "-genkey", "1024")
    dsa = dsa[dsa.index(b"-----BEGIN PRIVATE") if b"BEGIN PRIVATE" in dsa else dsa.index(b"-----BEGIN DSA PRIVATE") :]
    return (
        ("pkcs8 rsa", rsa, "rsa", "pkcs8", 2048),
        ("pkcs1", made.openssl("pkey", "-traditional", given=rsa), "rsa", "pkcs1", 2048),
        ("pkcs8 ec", ec, "ec", "pkcs8", 256),
        ("pkcs8 ec384", made.key("ec384"), "ec", "pkcs8", 384),
        ("sec1", made.openssl("ec", given=ec), "ec", "sec1", 256),
        ("sec1 behind parameters", made.openssl("ecparam", "-genkey", "-name", "prime256v1"), "ec", "sec1", 256),
        ("openssl dsa", made.openssl("pkey", "-traditional", given=dsa), "dsa", "openssl_dsa", 1024),
    )


class Keys(unittest.TestCase):
    def test_public_half(self):
        """The public half that a file holds is found without openssl, and is the one that openssl finds."""
        for name, data, kind, form, size in forms():
            with self.subTest(name=name):
                expected = keys.KeyFacts(kind, form, False, size, made.spki(data))
                self.assertEqual(keys.key_facts(block_of(data), never), expected)

    def test_openssl_is_asked(self):
        """For a key without its public half openssl is asked; without openssl the answer is that it is not known."""
        for kind in ("ed25519", "ed448"):
            with self.subTest(kind=kind):
                data = made.key(kind)
                self.assertEqual(keys.key_facts(block_of(data), run), keys.KeyFacts(kind, "pkcs8", False, None, made.spki(data)))
                self.assertIsNone(keys.key_facts(block_of(data)).spki)
        private = made.openssl("ec", "-no_public", given=made.key("ec"))
        self.assertEqual(keys.key_facts(block_of(private), run).spki, made.spki(made.key("ec")))

    def test_openssl_fails(self):
        """An openssl that fails or answers nonsense leaves the public half unknown."""
        block = block_of(made.key("ed25519"))
        for command in (["false"], ["echo", "no key"]):
            with self.subTest(command=command):
                self.assertIsNone(keys.key_facts(block, lambda _argv, seconds, command=command, **_given: run(command, seconds)).spki)

    def test_encrypted(self):
        """Encrypted keys are told to be so; nothing is tried on them."""
        rsa = made.key("rsa")
        table = (
            (made.openssl("pkcs8", "-topk8", "-passout", "pass:secret", given=rsa), "unknown", "encrypted_pkcs8"),
            (made.openssl("pkey", "-traditional", "-aes128", "-passout", "pass:secret", given=rsa), "rsa", "legacy_encrypted"),
        )
        for data, kind, form in table:
            with self.subTest(form=form):
                self.assertEqual(keys.key_facts(block_of(data), never), keys.KeyFacts(kind, form, True, None, None))

    def test_der(self):
        """Keys in DER are recognised by their shape."""
        rsa, ec = made.key("rsa"), made.key("ec")
        table = (
            (made.openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", given=rsa), "pkcs8", "rsa"),
            (made.openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", given=made.key("ed25519")), "pkcs8", "ed25519"),
            (made.openssl("ec", "-outform", "DER", given=ec), "sec1", "ec"),
            (made.openssl("pkcs8", "-topk8", "-outform", "DER", "-passout", "pass:secret", given=ec), "encrypted_pkcs8", "unknown"),
        )
        for data, form, kind in table:
            with self.subTest(form=form, kind=kind):
                facts = keys.key_facts(keys.from_der(data))
                self.assertEqual((facts.format, facts.kind), (form, kind))
        for data in (b"", b"0", made.in_der(made.certificate("self")), der.sequence(der.sequence(), der.octet_string(b"digest"))):
            self.assertIsNone(keys.from_der(data))

    def test_openssh(self):
        """OpenSSH's form names its kind in the clear, and whether it is encrypted."""

        def text(value):
            return len(value).to_bytes(4, "big") + value

        for cipher, encrypted in ((b"none", False), (b"aes256-ctr", True)):
            public = text(text(b"ssh-ed25519") + text(bytes(32)))
            content = b"openssh-key-v1\0" + text(cipher) + text(b"none") + text(b"") + b"\0\0\0\1" + public + text(b"hidden")
            with self.subTest(cipher=cipher):
                facts = keys.key_facts(block_of(pem.encode("OPENSSH PRIVATE KEY", content)), never)
                self.assertEqual(facts, keys.KeyFacts("ed25519", "openssh", encrypted, None, None))
        for content in (b"openssh-key-v1\0\0\0", b"openssh-key-v1\0" + text(b"none") * 3 + bytes(4) + b"\xff\xff\xff\xff", b"openssh-other\0\0\0"):
            with self.subTest(content=content), self.assertRaisesRegex(der.DerError, "OpenSSH key"):
                keys.key_facts(pem.Block("OPENSSH PRIVATE KEY", content, False, None))

    def test_public(self):
        """A public key alone says the kind and the size of the private one; what is none says nothing of it."""
        for kind, size in (("rsa", 2048), ("ec", 256), ("ec384", 384), ("ed25519", None), ("ed448", None)):
            public = made.openssl("pkey", "-pubout", "-outform", "DER", given=made.key(kind))
            with self.subTest(kind=kind):
                expected = keys.KeyFacts(kind.replace("ec384", "ec"), "jks", True, size, made.spki(made.key(kind)))
                self.assertEqual(keys.from_public(public, "jks", encrypted=True), expected)
        self.assertEqual(keys.from_public(b"\x30\0", "jks", encrypted=False)[:4], ("unknown", "jks", False, None))

    def test_refused(self):
        """What is no private key is refused."""
        for block in (pem.Block("CERTIFICATE", b"0", False, None), pem.Block("PRIVATE KEY", None, False, "it is not base64")):
            with self.subTest(block=block), self.assertRaisesRegex(der.DerError, "holds no private key"):
                keys.key_facts(block)

    def test_flipped_bits(self):
        """Whatever bits are flipped, the answer is facts or DerError, and no text of it has a part of the key."""
        source = random.Random(9)
        whole = [block_of(form[1]) for form in forms()]
        for _round in range(3000):
            block = source.choice(whole)
            data = bytearray(block.content)
            for _change in range(source.choice((1, 2, 20))):
                data[source.randrange(min(len(data), source.choice((60, 2000))))] ^= 1 << source.randrange(8)
            try:
                keys.key_facts(block._replace(content=bytes(data)))
            except der.DerError as exc:
                self.assertLess(len(str(exc)), 150)
                self.assertNotIn("\\x", str(exc))
            keys.from_der(bytes(data))
