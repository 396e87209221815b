# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host's state lies."""

import os
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import base


def folder(uid, environment, home=None):
    """Return the state folder as that user would get it; `home` None means an unknown user."""
    entry = {"side_effect": KeyError} if home is None else {"return_value": mock.Mock(pw_dir=home)}
    with mock.patch("os.geteuid", return_value=uid), mock.patch.dict(os.environ, environment, clear=True), mock.patch("pwd.getpwuid", **entry):
        return base.state_folder()


class StateFolder(unittest.TestCase):
    def test_place(self):
        """Root has one place for the host, everybody else one of their own, whatever su left in HOME; the task's environment may name another."""
        cases = (
            (0, {"XDG_STATE_HOME": "/x", "HOME": "/root"}, "/root", b"/var/lib/certops"),
            (0, {"CERTOPS_STATE": "/srv/state", "XDG_STATE_HOME": "/x"}, "/root", b"/srv/state"),
            (0, {"CERTOPS_STATE": "relative"}, "/root", b"/var/lib/certops"),
            (7, {"XDG_STATE_HOME": "/x"}, "/home/u", b"/x/certops"),
            (7, {"XDG_STATE_HOME": "x", "HOME": "/root"}, "/home/u", b"/home/u/.local/state/certops"),
            (7, {"XDG_STATE_HOME": ""}, "/home/\u00fc", b"/home/\xc3\xbc/.local/state/certops"),
            (7, {"HOME": "/h"}, None, b"/h/.local/state/certops"),
        )
        for uid, environment, home, expected in cases:
            with self.subTest(uid=uid, environment=environment, home=home):
                self.assertEqual(folder(uid, environment, home), expected)

    def test_no_place(self):
        """A user without a home folder is told so, with the uid and the variable that helps."""
        for home in ("", "relative", None):
            with self.subTest(home=home), self.assertRaisesRegex(base.HostError, "uid 7 has no home folder .* XDG_STATE_HOME"):
                folder(7, {}, home)


if __name__ == "__main__":
    unittest.main()
