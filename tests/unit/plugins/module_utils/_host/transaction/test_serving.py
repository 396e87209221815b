# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at listeners until they show what they are to show."""

import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import serving


def look(sha256):
    """One handshake."""
    return {"address": "127.0.0.1", "port": 443, "name": "a", "key_type": "any", "sha256": sha256, "error": None}


def item(service):
    """A service that runs and showed the old certificate."""
    return {"service": {"name": service, "reload": "keeps_old_on_error"}, "uses": [], "active": True, "served": [look("old")]}


class Looking(unittest.TestCase):
    def setUp(self):
        """A service that runs, whose listener shows one certificate after the other."""
        self.shown, self.reloaded = [], []
        for name, stand_in in (
            ("baseline.served", lambda *_arguments: [look(self.shown.pop(0))]),
            ("is_active", lambda _item: True),
            ("reload", self.reloaded.append),
            ("_AGAIN", 0.001),
        ):
            patch = mock.patch.object(serving.baseline if "." in name else serving, name.rpartition(".")[2], stand_in)
            patch.start()
            self.addCleanup(patch.stop)

    def test_enough(self):
        """The first look that is enough ends it, or so many in a row."""
        for in_a_row, rest in ((1, ["old", "new", "new", "late"]), (2, ["late"])):
            with self.subTest(in_a_row=in_a_row):
                self.shown = ["old", "new", "old", "new", "new", "late"]
                self.assertEqual(serving.look_until(None, [item("web")], ["any"], lambda looks: looks == [look("new")], in_a_row=in_a_row), [[look("new")]])
                self.assertEqual(self.shown, rest)

    def test_undo_waits_for_a_reload(self):
        """A server that has not taken the reload before the undo yet shows the old certificate, then the new one, and at last the old one again."""
        self.shown = ["old", "new", "new", "old", "old", "late"]
        self.assertEqual(serving.bring_back(None, [item("web")], ["web"], ["any"]), [])
        self.assertEqual((len(self.reloaded), self.shown), (1, ["late"]))

    def test_nothing_was_touched(self):
        """Where no service had been told of the new files, one look is enough."""
        self.shown = ["old", "old", "late"]
        self.assertEqual(serving.bring_back(None, [item("web")], [], ["any"]), [])
        self.assertEqual((self.reloaded, self.shown), ([], ["late"]))


if __name__ == "__main__":
    unittest.main()
