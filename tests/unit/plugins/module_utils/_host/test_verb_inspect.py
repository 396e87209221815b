# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `inspect`: what it shows, tells and heals."""

import base64
import hashlib
import os
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_inspect
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal, lock
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import HostCase, openssl


class TestTampering(HostCase):
    """What happens between two runs is told."""

    def committed(self):
        """A certificate that we installed."""
        declared, services = self.served_pair()
        self.assertEqual(self.host.rotate(declared, services)["outcome"], "committed")
        return declared, services

    def test_another_certificate_of_the_same_size_and_time(self):
        """Content is always read."""
        declared, services = self.committed()
        path = self.host.path("tls.crt")
        before = os.stat(path)
        request = openssl("req", "-new", "-key", self.host.path("tls.key"), "-subj", "/", "-outform", "DER")
        with open(self.host.ca, "rb") as file:
            content = openssl("x509", "-inform", "DER", given=self.host.sign(request)) + file.read()
        with open(path, "r+b") as file:
            file.truncate(file.write(content.ljust(before.st_size)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        found = self.host.inspect(declared, services)[0]
        self.assertIn("the certificate is not the one that transaction", found["contested"])
        shown = {look["sha256"] for look in found["services"][0]["served"]}
        self.assertEqual(shown, {found["installed"]["sha256"]})

    def test_another_key(self):
        """A key that was swapped is no pair any more, and not ours."""
        declared, services = self.committed()
        self.host.write("tls.key", openssl("genpkey", "-algorithm", "ED25519"), 0o600)
        found = self.host.inspect(declared, services)[0]
        self.assertEqual((found["pair"], found["key"]["kind"]), (False, "ed25519"))
        self.assertIn("the private key is not the one that transaction", found["contested"])

    def test_a_key_that_everybody_can_read(self):
        """Others count, the group does not."""
        declared, services = self.committed()
        for mode, told in ((0o640, False), (0o644, True), (0o604, True), (0o600, False)):
            with self.subTest(mode=oct(mode)):
                os.chmod(self.host.path("tls.key"), mode)
                self.assertEqual(self.host.inspect(declared, services)[0]["key"]["readable_by_others"], told)

    def test_a_chain_that_was_deleted(self):
        """The chain that is there is answered, also when there is none."""
        declared, services = self.committed()
        self.assertEqual(len(self.host.inspect(declared, services)[0]["chain"]), 1)
        self.host.write("tls.crt", openssl("x509", "-in", self.host.path("tls.crt")), 0o644)
        found = self.host.inspect(declared, services)[0]
        self.assertEqual((found["chain"], found["contested"]), ([], None))

    def test_what_stands_in_each_file(self):
        """Each file is answered with the fingerprints of its certificates, in their order; a key's file has none."""
        self.host.write_pair()
        declared = self.host.declared(fullchain_path=self.host.path("full.crt"))
        texts = [openssl("x509", "-in", self.host.path("tls.crt")), openssl("req", "-x509", "-key", self.host.path("tls.key"), "-subj", "/CN=other")]
        self.host.write("full.crt", b"".join(reversed(texts)), 0o644)
        expected = [hashlib.sha256(openssl("x509", "-outform", "der", given=text)).hexdigest() for text in texts]
        held = {file["role"]: file["certificates"] for file in self.host.inspect(declared, [])[0]["files"]}
        self.assertEqual((held["certificate"][0], held["key"], held["fullchain"]), (expected[0], [], expected[::-1]))

    def test_a_service_that_serves_a_copy(self):
        """What a listener shows is answered beside what is on the disk."""
        self.host.write_pair("copy.crt", "copy.key")
        self.host.write_pair()
        self.host.start_server("copy.crt", "copy.key")
        found = self.host.inspect(self.host.declared(), [self.host.entry()])[0]
        self.assertTrue({look["der"] for look in found["services"][0]["served"]}.isdisjoint({found["certificate"], None}))

    def test_another_process_in_the_place_of_a_service(self):
        """What listens where a service would that does not run is looked at, too."""
        declared, _services = self.served_pair()
        entry = self.host.entry(pid_file=os.path.join(self.host.root, "nobody.pid"))
        service = self.host.inspect(declared, [entry])[0]["services"][0]
        self.assertIs(service["active"], False)
        self.assertEqual({look["error"] for look in service["served"] if look["key_type"] == "any"}, {None})

    def test_files_of_every_state(self):
        """Missing, malformed and unreadable files have a state, and nothing of a key is in an answer."""
        self.host.write("tls.crt", b"-----BEGIN CERTIFICATE-----\nnonsense\n", 0o644)
        self.host.write("tls.key", b"-----BEGIN PRIVATE KEY-----\nMIIsecret\n", 0o600)
        os.mkdir(self.host.path("folder"))
        declared = self.host.declared(chain_path=self.host.path("missing"), fullchain_path=self.host.path("folder"))
        found = self.host.inspect(declared, [])[0]
        states = {file["role"]: file["state"] for file in found["files"]}
        self.assertEqual(states, {"key": "malformed", "certificate": "malformed", "chain": "missing", "fullchain": "unreadable"})
        self.assertEqual((found["certificate"], found["key"], found["pair"]), (None, None, None))
        self.assertNotIn("secret", repr(found))

    def test_nothing_secret_is_answered(self):
        """Neither `inspect` nor `install` answers a byte of a private key."""
        declared, services = self.served_pair()
        answers = repr(self.host.rotate(declared, services)) + repr(self.host.inspect(declared, services))
        with open(self.host.path("tls.key")) as file:
            lines = file.read().split("\n")[1:-2]
        self.assertTrue(lines)
        self.assertEqual([line for line in lines if line in answers], [])


class TestHeal(HostCase):
    """Looking with and without healing."""

    def test_a_look_changes_nothing(self):
        """Without `heal` not even the state folder is made."""
        self.host.write_pair()
        self.host.inspect(self.host.declared(), [])
        self.assertFalse(os.path.exists(self.host.state))

    def test_a_staged_key_that_waited_too_long(self):
        """It is told and removed after seven days, and not a moment earlier."""
        declared = self.host.declared()
        asked = self.host.request(declared, [])
        now = self.host.context().now()
        for age, heal, outcomes in ((-60, True, []), (60, False, ["open"]), (60, True, ["expired"]), (60, False, [])):
            context = self.host.context()._replace(now=lambda age=age: now + journal.EXPIRES + age)
            answer = verb_inspect.run({"certificates": [declared], "services": [], "look": False, "heal": heal}, context)
            self.assertEqual([(one["transaction"], one["outcome"]) for one in answer["recovered"]], [(asked["staged"], one) for one in outcomes])
        self.assertEqual(self.host.inspect(declared, [])[0]["staged"], [])
        self.assertFalse(os.path.exists(os.path.join(self.host.state, "transactions", asked["staged"], "key.pem")))

    def test_a_request_that_was_interrupted(self):
        """A look tells it; the next run removes its key, since nobody was told of it."""
        lock.make_state(os.fsencode(self.host.state))
        record = journal.begin(os.fsencode(self.host.state), "0" * 32, 1.0, state="requesting", name="web")
        open(record.path(journal.KEY), "w").close()
        for heal, outcome in ((False, "open"), (True, "failed")):
            recovered = self.host.inspect(self.host.declared(), [], heal=heal)[1]
            self.assertEqual([one["outcome"] for one in recovered], [outcome])
        self.assertFalse(record.has(journal.KEY))

    def test_what_is_staged(self):
        """Request and certificate of what waits are answered as they are."""
        declared, services = self.served_pair(hears="deaf")
        asked = self.host.request(declared, services)
        waiting = self.host.inspect(declared, services)[0]["staged"]
        self.assertEqual([(one["state"], one["csr"], one["certificate"], one["spki"]) for one in waiting], [("requested", asked["csr"], None, asked["spki"])])
        leaf = self.host.sign(base64.b64decode(asked["csr"]))
        self.host.install(declared, services, leaf, asked["staged"])
        waiting = self.host.inspect(declared, services)[0]["staged"]
        self.assertEqual([(one["state"], base64.b64decode(one["certificate"])) for one in waiting], [("undone", leaf)])
        self.assertEqual(len(waiting[0]["chain"]), 1)


if __name__ == "__main__":
    unittest.main()
