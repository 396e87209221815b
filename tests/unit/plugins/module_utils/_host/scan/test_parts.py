# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows beyond one answer: every one is told once and in its order, nobody else reads what is kept, and nothing of it stays."""

import os
import shutil
import stat
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import parts

NOW = 1000.0
GONE = "part .* of the scan .* is not kept any more, or never was: scan the host again"


class Parts(unittest.TestCase):
    def setUp(self):
        """A state folder that is not there yet."""
        top = os.fsencode(os.path.realpath(tempfile.mkdtemp()))
        self.addCleanup(shutil.rmtree, top)
        self.state = os.path.join(top, b"state")

    def keep(self, count, now=None):
        """Keep parts of one place each."""
        return parts.keep(self.state, parts.split((("places", {"path": str(number)}) for number in range(count)), 1), now or time.time())

    def test_split(self):
        """Each part has every list, is as large as it may be, and begins where the one before ended; a bundle weighs what it holds."""
        rows = [("places", {"path": "/1"}), ("keys", {"path": "/2"}), ("bundles", {"certificates": ["x"] * 30}), ("crls", {"path": "/3"})]
        found = list(parts.split(iter(rows), 3))
        self.assertEqual([[name for name in parts.NAMES if part[name]] for part in found], [["places", "keys", "bundles"], ["crls"]])
        self.assertEqual([tuple(part) for part in found], [parts.NAMES] * 2)
        self.assertEqual(list(parts.split(iter(()))), [{name: [] for name in parts.NAMES}])

    def test_kept(self):
        """Every part comes back, more than once if need be; the last one takes the file with it. Only its owner reads it."""
        more = self.keep(3)
        self.assertEqual(more["count"], 3)
        (name,) = os.listdir(self.state)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.state, name)).st_mode), 0o600)
        for number in (0, 1, 1, 2):
            self.assertEqual(parts.part_of(self.state, more["token"], number, time.time())["places"], [{"path": str(number)}])
        self.assertEqual(os.listdir(self.state), [])
        self.assertIsNone(parts.keep(self.state, iter(()), NOW))

    def test_not_kept(self):
        """What was taken, is too old, was cut off, is not ours or was never there is a sentence; so is what is no token, and no path is made of it."""
        more = self.keep(2)
        path = os.path.join(self.state, os.listdir(self.state)[0])
        for token, number, now in ((more["token"], 9, NOW), (more["token"], 0, time.time() + 2 * parts.SECONDS), ("0" * 32, 0, NOW)):
            with self.assertRaisesRegex(HostError, GONE):
                parts.part_of(self.state, token, number, now)
        with self.assertRaisesRegex(HostError, "parts of a scan are asked for by 32 lower-case hexadecimal digits, got '../x'"):
            parts.part_of(self.state, "../x", 0, NOW)
        for spoil in (lambda: os.chmod(path, 0o644), lambda: os.truncate(path, 20)):
            spoil()
            with self.assertRaisesRegex(HostError, GONE):
                parts.part_of(self.state, more["token"], 0, NOW)
            os.chmod(path, 0o600)

    def test_old_ones(self):
        """What nobody asked for goes with the next scan that leaves parts; what another scan has left just now stays."""
        for age in (2 * parts.SECONDS, 1):
            self.keep(1)
            for name in os.listdir(self.state):
                os.utime(os.path.join(self.state, name), (NOW, NOW - age))
        self.keep(1, now=NOW)
        self.assertEqual(len(os.listdir(self.state)), 2)

    def test_no_room(self):
        """Where it cannot be kept, the reason is told, and no half of it is left."""
        reason = "more was found than one answer holds, and the rest cannot be kept in .* until it is asked for: "
        with mock.patch.object(parts, "MOST_BYTES", 60), self.assertRaisesRegex(HostError, reason + "it has more than 60 bytes"):
            self.keep(3)
        self.assertEqual(os.listdir(self.state), [])
        os.rmdir(self.state)
        with open(self.state, "wb"), self.assertRaisesRegex(HostError, reason):
            self.keep(1)
