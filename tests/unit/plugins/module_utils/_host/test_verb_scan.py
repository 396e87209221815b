# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `scan` as a whole, with the services of the user's own entries."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_scan
from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import parts
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
    "renewers",
    "requests",
    "services",
    "skipped",
    "summary",
    "trust",
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
        self.assertLess({"anchors_added", "anchors_removed"}, set(answer["summary"]))
        self.assertTrue(all({"readers", "readers_count", "everyone"} < set(row) for row in answer["keys"]))

    def listener(self):
        """The port of a server of openssl's that shows the certificate of data/site.crt."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", self.path("data/site.crt"), "-key", self.path("data/site.key")]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdin.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            time.sleep(0.05)
        raise AssertionError("openssl s_server does not listen")

    def test_served(self):
        """What a listener serves is held against the files of its service: the same, and not loaded once there is another certificate in them."""
        use = {"certificate": self.path("data/site.crt"), "key": self.path("data/site.key"), "listeners": [0]}
        entry = {"name": "site", "syntax": "declared", "processes": ["openssl"], "status_command": ["true"]}
        services = [dict(entry, uses=[use], listeners=[{"port": self.listener()}])]
        states = []
        for content in (None, made.certificate("another")):
            if content is not None:
                with open(self.path("data/site.crt"), "wb") as file:
                    file.write(content)
            answer = self.run_verb(services=services, probe="services")
            (service,) = (service for service in answer["services"] if service["name"] == "site")
            states += [look["state"] for look in service["served"]]
        self.assertEqual(states, ["same", "not_loaded"])

    def test_own_folder(self):
        """The folder of our own state is left out, and that is said."""
        answer = self.run_verb(paths=[self.top])
        self.assertNotIn(self.path("state/staged.key"), [row["path"] for row in answer["keys"]])
        self.assertIn({"path": self.path("state"), "reason": "kept by certops itself", "count": 1}, answer["skipped"])

    def test_in_parts(self):
        """What has no room in one answer is told by what is asked for afterwards: together it is what one answer would have told."""
        with open(self.path("etc/inside.key"), "wb") as file:
            file.write(made.key("ec", "other"))
        for module, name, value in ((verb_scan.processes, "process_paths", []), (verb_scan.services, "services_here", ([], verb_scan.Running([], [])))):
            patch = mock.patch.object(module, name, return_value=value)
            patch.start()
            self.addCleanup(patch.stop)
        whole = self.run_verb(probe="none")
        with mock.patch.object(parts.split, "__defaults__", (1,)):
            head = self.run_verb(rows="parts")
        self.assertGreater(head["more"]["count"], 0)
        found = {name: list(head[name]) for name in parts.NAMES}
        for number in range(head["more"]["count"]):
            for name, rows in self.run_verb(part={"token": head["more"]["token"], "number": number}).items():
                found[name] += rows
        self.assertEqual(found, {name: whole[name] for name in parts.NAMES})
        self.assertEqual({**head["summary"], "seconds": 0}, {**whole["summary"], "seconds": 0})
        counted = self.run_verb(rows="none")
        self.assertEqual([counted[name] for name in parts.NAMES], [[]] * 6)
        self.assertEqual((counted["summary"]["places"], counted["more"]), (len(whole["places"]), None))

    def test_refused(self):
        """Arguments that make no sense are a HostError."""
        with self.assertRaisesRegex(HostError, "paths must be absolute, got 'etc'"):
            self.run_verb(paths=["etc"])
