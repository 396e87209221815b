# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of certificates, compared with what openssl says."""

import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, x509
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

TIMES = (
    (der.UTC_TIME, b"700101000000Z", 0),
    (der.UTC_TIME, b"491231235959Z", 2524607999),
    (der.UTC_TIME, b"500101000000Z", -631152000),
    (der.UTC_TIME, b"2602280930Z", 1772271000),
    (der.GENERALIZED_TIME, b"20240229120000Z", 1709208000),
    (der.GENERALIZED_TIME, b"99991231235959Z", 253402300799),
    (der.UTC_TIME, b"260228093000+0100", None),
    (der.UTC_TIME, b"261328093000Z", None),
    (der.UTC_TIME, b"20260228093000Z", None),
    (der.GENERALIZED_TIME, b"20260228093000.5Z", None),
    (der.GENERALIZED_TIME, b"", None),
    (der.OCTET_STRING, b"700101000000Z", None),
    (der.UTC_TIME, b"\xb2\xb2\xb2\xb2\xb2\xb2\xb2\xb2\xb2\xb2Z", None),
)
NAME = der.sequence()
SPKI = der.sequence(der.sequence(der.object_identifier("1.3.101.112")), der.bit_string(bytes(32)))
ALGORITHM = der.sequence(der.object_identifier("1.3.101.112"))
VALIDITY = der.sequence(der.encode(der.UTC_TIME, b"260101000000Z"), der.encode(der.UTC_TIME, b"270101000000Z"))


def assembled(*, version=b"", validity=VALIDITY, subject=NAME, key=SPKI, extensions=b""):
    """A certificate of these parts, signed by nobody."""
    body = der.sequence(version, der.integer(5), ALGORITHM, NAME, validity, subject, key, extensions)
    return der.sequence(body, ALGORITHM, der.bit_string(bytes(64)))


def constraints(*parts):
    """The extensions with these basicConstraints."""
    value = der.octet_string(b"".join(parts))
    return der.encode(0xA3, der.sequence(der.sequence(der.object_identifier("2.5.29.19"), der.encode(1, b"\xff"), value)))


class Facts(unittest.TestCase):
    def test_against_openssl(self):
        """Digests, names and the kind of key are those that openssl finds, for every kind of key."""
        for kind in ("rsa", "ec", "ec384", "ed25519", "ed448"):
            with self.subTest(kind=kind):
                pem = made.certificate("facts", kind)
                facts = x509.facts(made.in_der(pem))
                self.assertEqual(facts.key_type, kind[:2] if kind.startswith("ec") else kind)
                self.assertEqual((facts.sha256, facts.spki), (made.digest(pem), made.spki(made.key(kind, "facts"))))
                said = made.openssl("x509", "-noout", "-serial", given=pem).decode().strip()
                self.assertEqual(said, f"serial={facts.serial:X}".replace("=", "=0") if len(f"{facts.serial:X}") % 2 else f"serial={facts.serial:X}")
                self.assertEqual(facts.not_after - facts.not_before, 30 * 86400)
                self.assertTrue(facts.self_issued)

    def test_ca(self):
        """A CA, a certificate that it issued and a self-signed one are told apart."""
        table = (
            (made.certificate("root", ca=True), (True, True, True)),
            (made.certificate("leaf", issuer="root"), (False, False, False)),
            (made.certificate("intermediate", ca=True, issuer="root"), (True, False, True)),
            (made.certificate("self"), (False, True, False)),
        )
        for pem, expected in table:
            with self.subTest(expected=expected):
                facts = x509.facts(made.in_der(pem))
                self.assertEqual((facts.is_ca, facts.self_issued, facts.is_anchor), expected)

    def test_issuer(self):
        """The issuer of a certificate is the subject of its CA, byte by byte."""
        leaf, root = (x509.facts(made.in_der(pem)) for pem in (made.certificate("leaf", issuer="root"), made.certificate("root", ca=True)))
        self.assertEqual(leaf.issuer, root.subject)

    def test_times(self):
        """Both forms of time are read up to the year 9999; others give None."""
        for tag, content, expected in TIMES:
            with self.subTest(content=content):
                self.assertEqual(x509.epoch(der.Element(tag, content, b"")), expected)

    def test_odd_certificates(self):
        """What is odd but has the shape of a certificate is read as far as it goes."""
        table = (
            (assembled(), {"is_anchor": True, "is_ca": False, "key_type": "ed25519", "serial": 5}),
            (assembled(validity=der.sequence()), {"not_before": None, "not_after": None}),
            (assembled(validity=b"\x30\x01\xff"), {"not_before": None}),
            (assembled(key=der.sequence()), {"key_type": "unknown"}),
            (assembled(extensions=constraints(der.sequence())), {"is_ca": False, "is_anchor": False}),
            (assembled(extensions=constraints(der.sequence(der.encode(1, b"\xff")))), {"is_ca": True, "is_anchor": True}),
            (assembled(extensions=constraints(b"\xff")), {"is_ca": False, "is_anchor": True}),
            (assembled(extensions=der.encode(0xA3, b"\x55\x1d\x13")), {"is_ca": False}),
            (assembled(subject=der.sequence(der.null())), {"self_issued": False, "is_anchor": False}),
            (assembled(version=der.encode(0xA0, der.integer(99))), {"serial": 5}),
        )
        for certificate, expected in table:
            with self.subTest(expected=expected):
                facts = x509.facts(certificate)._asdict()
                self.assertEqual({name: facts[name] for name in expected}, expected)

    def test_refused(self):
        """Keys, requests, cut off and other DER are no certificates."""
        whole = assembled()
        for data in (b"", whole[:-1], whole + b"\0", der.sequence(), SPKI, der.sequence(der.sequence(der.integer(0)), ALGORITHM, der.bit_string(b""))):
            with self.subTest(data=data), self.assertRaises(der.DerError):
                x509.facts(data)

    def test_flipped_bits(self):
        """Whatever bits are flipped, the answer is facts or DerError."""
        source = random.Random(3)
        whole = made.in_der(made.certificate("root", ca=True))
        for _round in range(5000):
            data = bytearray(whole)
            for _change in range(source.choice((1, 1, 2, 20))):
                data[source.randrange(len(data))] ^= 1 << source.randrange(8)
            try:
                size = source.choice((len(data), source.randrange(len(data))))
                facts = x509.facts(bytes(data[:size]))
            except der.DerError:
                continue
            self.assertEqual(len(facts.sha256), 64)
