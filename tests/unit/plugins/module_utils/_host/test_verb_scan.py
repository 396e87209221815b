# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `scan` as a whole, with the services of the user's own entries."""

import json
import os
import shutil
import tempfile
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_scan
from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

PARTS = (
    "bundles",
    "certificates",
    "complete",
    "crls",
    "done",
    "keys",
    "left_over",
    "locked",
    "places",
    "privileged",
    "problems",
    "requests",
    "services",
    "skipped",
    "summary",
    "unseen",
)


class Verb(unittest.TestCase):
    def setUp(self):
        """A folder with a pair outside of the path that is scanned, and one inside."""
        self.top = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        for name, content in (
            ("etc/inside.pem", made.certificate("self")),
            ("data/site.crt", made.certificate("leaf", issuer="root")),
            ("data/site.key", made.key("ec", "leaf")),
            ("state/staged.key", made.key("ec", "other")),
        ):
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            with open(self.path(name), "wb") as file:
                file.write(content)

    def path(self, name):
        """A path in the folder."""
        return os.path.join(self.top, name)

    def run_verb(self, **given):
        """Run the verb over the folder etc."""
        args = {
            "paths": [self.path("etc")],
            "exclude": [],
            "max_file_size": 1 << 21,
            "max_seconds": 60,
            "services": [],
            "known_bundles": [],
            "home": False,
            "store_passwords": [],
            "cache_days": 0,
            "full": False,
            "keep": False,
        }
        return verb_scan.run(dict(args, **given), Context(time.time, None, "test", os.fsencode(self.path("state"))))

    def test_declared_service(self):
        """What a service entry of the user's names is found, in use, with its key, and the service is in the answer."""
        use = {"certificate": self.path("data/site.crt"), "key": self.path("data/site.key")}
        answer = self.run_verb(services=[{"name": "site", "syntax": "declared", "uses": [use]}])
        json.dumps(answer)
        self.assertEqual(tuple(sorted(answer)), PARTS)
        row = next(row for row in answer["places"] if row["path"] == self.path("data/site.crt"))
        self.assertEqual((row["class"], row["services"], row["certificate"]), ("in_use", ["site"], made.digest(made.certificate("leaf", issuer="root"))))
        self.assertEqual(row["key"], {"path": self.path("data/site.key"), "spki": made.spki(made.key("ec", "leaf")), "encrypted": False})
        self.assertIn(self.path("etc/inside.pem"), [row["path"] for row in answer["places"]])
        self.assertIn("site", [service["name"] for service in answer["services"]])

    def test_own_folder(self):
        """The folder of our own state is left out, and that is said."""
        answer = self.run_verb(paths=[self.top])
        self.assertNotIn(self.path("state/staged.key"), [row["path"] for row in answer["keys"]])
        self.assertIn({"path": self.path("state"), "reason": "kept by certops itself", "count": 1}, answer["skipped"])

    def test_refused(self):
        """Arguments that make no sense are a HostError."""
        with self.assertRaisesRegex(HostError, "paths must be absolute, got 'etc'"):
            self.run_verb(paths=["etc"])
