# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java's keystores, made by keytool and pyjks."""

import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items, java
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored


class Java(unittest.TestCase):
    def test_keystores(self):
        """Chains and trusted certificates have the alias of their entry; a key is known by the first certificate of its chain, without any password."""
        leaf, second, authority = map(stored.certificate, ("leaf", "second", "ca"))
        chain = [("leaf", leaf), ("leaf", authority), ("the ca", authority)]
        for name, expected, count in (
            ("pyjks.jks", chain, 1),
            ("keytool.jks", [*chain, ("second", second), ("second", authority)], 2),
            ("keytool.jceks", [*chain, ("second", second), ("second", authority)], 2),
        ):
            with self.subTest(name=name):
                found = list(java.items(stored.content(name)))
                self.assertEqual(sorted(stored.certificates(found)), sorted(expected))
                facts = [(key.kind, key.format, key.encrypted, key.size, key.spki) for key in stored.keys(found)]
                form = name.rpartition(".")[2]
                both = [("rsa", form, True, 2048, stored.spki("leaf")), ("ec", form, True, 256, stored.spki("second"))]
                self.assertEqual(sorted(facts), sorted(both[:count]))
                self.assertEqual([item for item in found if isinstance(item, items.Trouble)], [])

    def test_trust_store(self):
        """Trusted certificates alone."""
        found = list(java.items(stored.content("cacerts")))
        self.assertEqual(sorted(alias for alias, _content in stored.certificates(found)), ["a", "b", "ca"])
        self.assertEqual(len(found), 3)

    def test_cut_off(self):
        """What stands before the cut is found, and the cut is told."""
        data = stored.content("cacerts")
        for size in range(4, len(data) - 20, 37):
            found = list(java.items(data[:size]))
            self.assertIsInstance(found[-1], items.Trouble)
            self.assertTrue(found[-1].failure)
            self.assertEqual(found[-1].reason, f"Java keystore cannot be read beyond its first {len(found) - 1} entries: it is cut off")

    def test_refused(self):
        """Versions, kinds and counts that make no sense end in a sentence, at once."""
        start, entry = b"\xfe\xed\xfe\xed\0\0\0\2", b"\0\0" + bytes(8)
        for data, reason in (
            (b"\xfe\xed\xfe\xed\0\0\0\7\0\0\0\1", "its version must be 1 or 2, got 7"),
            (start + b"\xff\xff\xff\xff", "it is cut off"),
            (start + b"\0\0\0\1\0\0\0\5" + entry, "the kind of the next must be 1, 2 or 3, got 5"),
            (start + b"\0\0\0\1\0\0\0\1" + entry + b"\0\0\0\0\xff\xff\xff\xff", "it is cut off"),
            (start + b"\0\0\0\1\0\0\0\3" + entry, "the kind of the next must be 1, 2 or 3, got 3"),
        ):
            with self.subTest(reason=reason):
                expected = f"Java keystore cannot be read beyond its first 0 entries: {reason}"
                self.assertEqual(list(java.items(data)), [items.Trouble(expected, True)])

    def test_random(self):
        """Damaged keystores end in items."""
        chance = random.Random(3)
        for name in ("keytool.jks", "keytool.jceks", "cacerts"):
            for _round in range(300):
                data = bytearray(stored.content(name))
                for _damage in range(chance.choice((1, 3, 50))):
                    data[chance.randrange(4, len(data))] = chance.choice((0, 255, chance.randrange(256)))
                for item in java.items(bytes(data)):
                    self.assertIsInstance(item, (items.Certificate, items.Key, items.Trouble))

    def test_aliases(self):
        """An alias is text of one line, whatever bytes it has."""
        data = stored.content("pyjks.jks").replace(b"the ca", b"\xff\n{{}}")
        self.assertIn("\\xff\\x0a{{}}", [alias for alias, _content in stored.certificates(java.items(data))])
