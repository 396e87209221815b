# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of NSS, made by certutil, crlutil and pk12util."""

import os
import random
import sqlite3
import sys
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items, nss
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored

UNREADABLE = [items.Trouble("NSS database cannot be read", True)]


def database(*statements):
    """A database that somebody made."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cert9.db")
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        with open(path, "rb") as file:
            return file.read()


class Nss(unittest.TestCase):
    def test_databases(self):
        """Certificates have their nicknames, lists are found."""
        leaf, authority = stored.certificate("leaf"), stored.certificate("ca")
        for name, nickname, lists in (("certutil-cert9.db", "The CA", 1), ("pk12util-cert9.db", "Store CA - Test", 0)):
            with self.subTest(name=name):
                found = list(nss.items(stored.content(name)))
                self.assertEqual(sorted(stored.certificates(found)), sorted([(nickname, authority), ("leaf", leaf)]))
                self.assertEqual([item.facts["entries"] for item in found if isinstance(item, items.Record)], [1] * lists)

    def test_copy(self):
        """Also where Python opens no database in memory the same is found, and nothing stays behind."""
        # In a folder of its own: others use /dev/shm, too, the same test under another Python among them.
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            with mock.patch.object(nss, "_MEMORY", folder), mock.patch.object(nss, "_can_deserialize", return_value=False):
                found = list(nss.items(stored.content("certutil-cert9.db")))
            self.assertEqual(len(stored.certificates(found)), 2)
            self.assertEqual(os.listdir(folder), [])

    def test_write_ahead_log(self):
        """A database in the mode of a write-ahead log is read as it lies there."""
        data = bytearray(stored.content("certutil-cert9.db"))
        data[18:20] = b"\2\2"
        self.assertEqual(len(stored.certificates(nss.items(bytes(data)))), 2)

    def test_without_sqlite3(self):
        """An interpreter without sqlite3 says so."""
        with mock.patch.dict(sys.modules, sqlite3=None):
            self.assertEqual(list(nss.items(stored.content("certutil-cert9.db"))), [items.Locked("nss", "the host's Python has no sqlite3")])

    def test_hostile(self):
        """A view that never ends is ended; other schemas, types and sizes are told or passed over."""
        endless = "CREATE VIEW nssPublic AS WITH RECURSIVE n(a0) AS (SELECT 1 UNION ALL SELECT a0 + 1 FROM n) SELECT a0, a0 a3, a0 a11 FROM n"
        started = time.monotonic()
        with mock.patch.object(nss, "_SECONDS", 0.5):
            self.assertEqual(list(nss.items(database(endless))), UNREADABLE)
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(list(nss.items(database("CREATE TABLE nssPublic (id)"))), UNREADABLE)
        table = "CREATE TABLE nssPublic (a0, a3, a11)"
        odd = database(table, "INSERT INTO nssPublic VALUES (1, 2, 3), (x'00000001', 7, zeroblob(2000000)), (x'ce534351', NULL, x'3000')")
        (trouble,) = nss.items(odd)
        self.assertRegex(trouble.reason, "a revocation list cannot be read: DER ")

    def test_random(self):
        """Damaged and cut off databases end in items."""
        chance = random.Random(6)
        whole = stored.content("certutil-cert9.db")
        for _round in range(150):
            data = bytearray(whole[: chance.choice((len(whole), chance.randrange(100, len(whole))))])
            for _damage in range(chance.choice((0, 1, 30, 1000))):
                data[chance.randrange(16, len(data))] = chance.randrange(256)
            for item in nss.items(bytes(data)):
                self.assertIsInstance(item, (items.Certificate, items.Record, items.Trouble))
