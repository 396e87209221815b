# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS #12 stores, made by openssl, gnutls, keytool and NSS."""

import os
import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.run import Finished
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items, pkcs12
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored

STORES = ("openssl.p12", "openssl-legacy.p12", "gnutls.p12", "nss.p12", "keytool.p12")
OPEN = ("openssl-empty.p12", "openssl-plain.p12")
UNOPENED = items.Locked("pkcs12", "no password is given that opens it, see store_passwords", lasting=True)


class Pkcs12(unittest.TestCase):
    def test_passwords(self):
        """Of several passwords the one that fits opens a store; its certificates have their names, its keys their public halves."""
        for name in STORES:
            with self.subTest(name=name):
                found = list(pkcs12.items(stored.content(name), stored.tools("wrong", "grün", stored.PASSWORD, "late")))
                self.assertIn(("leaf", stored.certificate("leaf")), stored.certificates(found))
                self.assertIn(stored.certificate("ca"), [content for _alias, content in stored.certificates(found)])
                facts = stored.keys(found)
                self.assertIn(("rsa", "pkcs12", True, 2048, stored.spki("leaf")), [tuple(one) for one in map(_facts, facts)])
                self.assertEqual(len(facts), 2 if name == "keytool.p12" else 1)

    def test_no_password(self):
        """The empty password and none are tried without being given."""
        for name in OPEN:
            with self.subTest(name=name):
                found = list(pkcs12.items(stored.content(name), stored.tools("wrong")))
                self.assertEqual([content for _alias, content in stored.certificates(found)], [stored.certificate("leaf"), stored.certificate("ca")])
                self.assertEqual([(one.encrypted, one.spki) for one in stored.keys(found)], [(False, stored.spki("leaf"))])

    def test_locked(self):
        """A store that nothing opens is locked; for one with a checksum of the usual kind no process is started."""
        for name in STORES:
            counted = []
            with self.subTest(name=name):
                self.assertEqual(list(pkcs12.items(stored.content(name), stored.tools("wrong", counted=counted))), [UNOPENED])
                if name != "nss.p12":
                    self.assertEqual(counted, [])

    def test_secrets(self):
        """Passwords are on standard input alone; no part of a key and no password is in what comes back."""
        counted = []
        found = list(pkcs12.items(stored.content("openssl-plain.p12"), stored.tools(counted=counted)))
        found += pkcs12.items(stored.content("openssl.p12"), stored.tools(stored.PASSWORD, counted=counted))
        told = repr(found)
        self.assertFalse([argv for argv, _given in counted if stored.PASSWORD in " ".join(argv)])
        self.assertTrue(any(given.startswith(stored.PASSWORD.encode()) for _argv, given in counted))
        self.assertNotIn(stored.PASSWORD, told)
        self.assertNotIn("PRIVATE", told)
        self.assertFalse([value for value in os.environ.values() if value == stored.PASSWORD])

    def test_keys_stay_encrypted(self):
        """What openssl gives back of a store's keys is encrypted for a password that nobody else has."""
        outputs = []
        whole = stored.tools(stored.PASSWORD)

        def listening(argv, *rest, **given):
            finished = whole._run(argv, *rest, **given)
            outputs.append(finished.output)
            return finished

        list(pkcs12.items(stored.content("openssl-plain.p12"), items.Tools(listening, ())))
        self.assertTrue(any(b"BEGIN ENCRYPTED PRIVATE KEY" in output for output in outputs))
        self.assertFalse(any(b"BEGIN PRIVATE KEY" in output or b"BEGIN RSA PRIVATE KEY" in output for output in outputs))

    def test_openssl_does_not_help(self):
        """Without openssl, in time, with what it does not support or at the end of the time for all, the store is locked with a reason."""
        for finished, reason in (
            (Finished(127, b"", b"cannot be run: No such file", False), "openssl cannot be run on this host"),
            (Finished(-9, b"", b"", True), "openssl did not open it in time"),
            (Finished(1, b"", b"inner_evp_generic_fetch:unsupported", False), "the host's openssl does not support how it is encrypted"),
            (Finished(1, b"", b"asn1 error in /proc/7/fd/3", False), "the host's openssl does not open it"),
            (None, "the time for opening stores is over"),
        ):
            tools = items.Tools(None if finished is None else lambda *_argv, said=finished, **_given: said, (stored.PASSWORD,))
            with self.subTest(reason=reason):
                self.assertEqual(list(pkcs12.items(stored.content("openssl.p12"), tools)), [items.Locked("pkcs12", reason)])

    def test_rounds(self):
        """A store that asks for very many rounds is not tried."""
        parts = der.members(stored.content("openssl.p12"))
        told = der.members(parts[2].raw)
        costly = der.sequence(parts[0].raw, parts[1].raw, der.sequence(told[0].raw, told[1].raw, der.integer(2**31)))
        expected = [items.Locked("pkcs12", "a password is tried in 2147483648 rounds, more than 1000000")]
        self.assertEqual(list(pkcs12.items(costly, stored.tools("a"))), expected)

    def test_time_for_all(self):
        """The time that passwords take is counted, that of processes too; when it is over nothing is tried any more."""
        counted = []
        tools = items.Tools(lambda *argv, **_given: counted.append(argv), (stored.PASSWORD,), 0.0001)
        found = [item for _round in range(3) for item in pkcs12.items(stored.content("keytool.p12"), tools)]
        self.assertEqual(found, [items.Locked("pkcs12", "the time for opening stores is over")] * 3)
        self.assertEqual(counted, [])

    def test_cut_off(self):
        """A store that is cut off or damaged is told, not opened."""
        data = stored.content("openssl.p12")
        for size in range(10, len(data), 301):
            (trouble,) = pkcs12.items(data[:size], stored.tools(stored.PASSWORD))
            self.assertRegex(trouble.reason, "PKCS #12 store cannot be read: DER ")

    def test_nested(self):
        """A store in a store in a store ends; what is inside of a bag of another kind is not looked for."""
        inner = stored.content("openssl-plain.p12")
        for _depth in range(200):
            wrapped = der.sequence(der.object_identifier("1.2.840.113549.1.7.1"), der.encode(0xA0, der.octet_string(inner)))
            inner = der.sequence(der.integer(3), wrapped)
        found = list(pkcs12.items(inner, stored.tools()))
        self.assertEqual(found, [items.Locked("pkcs12", "the host's openssl does not open it")])

    def test_random(self):
        """Damaged stores end in items."""
        chance = random.Random(4)
        for _round in range(30):
            data = bytearray(stored.content(chance.choice((*STORES, *OPEN))))
            for _damage in range(chance.choice((1, 3, 50))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            if len(data) > 10:
                for item in pkcs12.items(bytes(data), stored.tools(stored.PASSWORD)):
                    self.assertIsInstance(item, (items.Certificate, items.Key, items.Trouble, items.Locked))


def _facts(facts):
    return facts.kind, facts.format, facts.encrypted, facts.size, facts.spki
