# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs `request`, `outcome` and `discard`."""

import base64
import os
import unittest
import uuid
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_discard, verb_outcome, verb_request
from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import csr, owners
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import HostCase, openssl


class TestRequest(HostCase):
    """A key that never leaves, and a request for it."""

    def test_asked_twice(self):
        """The same transaction gets the same request, another one another key."""
        declared, transaction = self.host.declared(), uuid.uuid4().hex
        first = self.host.request(declared, [], transaction)
        self.assertEqual(self.host.request(declared, [], transaction), first)
        self.assertNotEqual(self.host.request(declared, [])["spki"], first["spki"])

    def test_the_present_key_again(self):
        """With `reuse` the request is for the key that is in place; without one a new key is made."""
        self.host.write_pair()
        present = openssl("pkey", "-in", self.host.path("tls.key"), "-pubout")
        request = base64.b64decode(self.host.request(self.host.declared(), [], reuse=True)["csr"])
        self.assertEqual(openssl("req", "-inform", "DER", "-noout", "-pubkey", given=request), present)
        os.unlink(self.host.path("tls.key"))
        self.assertIn("csr", self.host.request(self.host.declared(), [], reuse=True))

    def test_a_key_of_two_certificates(self):
        """A new key would part the other certificate from its key: nothing is made, unless the key is kept."""
        self.host.write_pair()
        uses = [{"certificate": self.host.path(name), "key": self.host.path("tls.key")} for name in ("tls.crt", "other.crt")]
        entry = {"name": "two", "uses": uses, "reload": "none"}
        with self.assertRaisesRegex(HostError, "service 'two' uses its key with '.*/other.crt', too; give it a key_path of its own, or set reuse_key"):
            self.host.request(self.host.declared(), [entry])
        self.assertIn("csr", self.host.request(self.host.declared(), [entry], reuse=True))

    def test_a_present_key_with_a_passphrase(self):
        """It cannot be used again without it, and that is said."""
        self.host.write_pair()
        self.host.write("tls.key", openssl("pkey", "-in", self.host.path("tls.key"), "-aes256", "-passout", "pass:x"), 0o600)
        with self.assertRaisesRegex(HostError, "cannot be read without a passphrase"):
            self.host.request(self.host.declared(), [], reuse=True)

    def test_an_openssl_that_lies(self):
        """A public key that is not that of the key file is not believed."""
        other = openssl("pkey", "-pubout", "-outform", "DER", given=openssl("genpkey", "-algorithm", "ED25519"))
        self.addCleanup(setattr, csr, "public_key", csr.public_key)
        csr.public_key = lambda path: other
        with self.assertRaisesRegex(HostError, "does not belong to the key it made"):
            self.host.request(self.host.declared(), [])

    def test_a_folder_that_cannot_be_written_to(self):
        """Whether the file system or the rights are the reason is told."""
        for flag, told in ((os.ST_RDONLY, "lies on a file system that is mounted read-only"), (0, "cannot be written to by user ")):
            system = mock.patch.multiple("os", access=mock.Mock(return_value=False), statvfs=mock.Mock(return_value=mock.Mock(f_flag=flag)))
            with self.subTest(told), system, self.assertRaisesRegex(HostError, f"folder '{self.host.folder}' {told}"):
                self.host.request(self.host.declared(), [])

    def test_what_must_not_be_touched(self):
        """Links and files of others, folders that are missing, services that are not there."""
        os.symlink("/etc/hostname", self.host.path("link.crt"))
        os.mkdir(self.host.path("folder.crt"))
        table = (
            ({"certificate_path": self.host.path("link.crt")}, "is a link of somebody else's to '/etc/hostname'"),
            ({"certificate_path": self.host.path("folder.crt")}, "is a folder and must be a file"),
            ({"certificate_path": self.host.path("no/tls.crt")}, "folder '.*/no' does not exist; make it first, or correct certificate_path"),
            ({"services": ["no-such-service"]}, "service 'no-such-service' was not found on this host; found: "),
            ({"owner": "nobody-here"}, "owner 'nobody-here' is not a user of this host"),
            ({"group": "nobody-here"}, "group 'nobody-here' is not a group of this host"),
            ({"certificate_path": "/etc/letsencrypt/live/web/cert.pem"}, "its files belong to certbot: web"),
        )
        for changes, text in table:
            with self.subTest(text), self.assertRaisesRegex(HostError, text):
                self.host.request(self.host.declared(**changes), [])
        self.assertFalse(os.path.exists(os.path.join(self.host.state, "transactions")))

    def test_paths_that_lead_to_files_of_another_kind(self):
        """A key where the certificate is declared, or the other way round, would be lost."""
        self.host.write_pair()
        exchanged = self.host.declared(certificate_path=self.host.path("tls.key"), key_path=self.host.path("tls.crt"))
        with self.assertRaisesRegex(HostError, "key_path '.*/tls.crt' holds certificates and no private key; correct the paths, or remove the file"):
            self.host.request(exchanged, [])
        with self.assertRaisesRegex(HostError, "certificate_path '.*/tls.key' holds a private key and no certificate"):
            self.host.request(dict(exchanged, key_path=self.host.path("new.key")), [])

    def test_a_service_that_reads_the_key_elsewhere(self):
        """With another key_path it would get a certificate without its key."""
        self.host.write_pair()
        entry = {"name": "web", "uses": [{"certificate": self.host.path("tls.crt"), "key": self.host.path("other.key")}], "reload": "none"}
        text = "service 'web' reads the key of '.*/tls.crt' from '.*/other.key'; correct key_path, or leave it out"
        with self.assertRaisesRegex(HostError, text):
            self.host.request(self.host.declared(), [entry])
        entry["uses"] = [{"certificate": self.host.path("tls.crt")}]  # says nothing of a key
        self.assertIn("csr", self.host.request(self.host.declared(), [entry]))

    def test_takeover(self):
        """With `takeover` a link of others is replaced, and what it led to stays as it was."""
        self.host.write("theirs", b"theirs", 0o644)
        os.symlink(self.host.path("theirs"), self.host.path("tls.crt"))
        self.assertEqual(self.host.rotate(self.host.declared(takeover=True), [])["outcome"], "committed")
        self.assertEqual(*self.host.public_keys())
        with open(self.host.path("theirs"), "rb") as file:
            self.assertEqual(file.read(), b"theirs")

    def test_base64(self):
        """What is no base64 is named."""
        key = {"type": "ec", "size": None, "curve": None, "reuse": False}
        args = {"certificate": self.host.declared(), "services": [], "key": key, "subject": "!", "attributes": "", "request_digest": "d"}
        with self.assertRaisesRegex(HostError, "subject must be base64 of DER, got '!'"):
            verb_request.run(args, self.host.context(uuid.uuid4().hex))


class TestOwners(HostCase):
    """Who else looks after a file."""

    def setUp(self):
        super().setUp()
        for name in ("CERTBOT", "CERTMONGER", "DPKG"):
            self.addCleanup(setattr, owners, name, getattr(owners, name))
        self.root = os.fsencode(self.host.root)

    def test_owners(self):
        """certbot by place, certmonger and packages by content; packages are not asked for what is ours."""
        path = os.fsencode(self.host.path("tls.crt"))
        for folder, name, content in (
            (b"requests", b"20260101", b"id=x\ncert_storage_location=" + path + b"\n"),
            (b"info", b"little.list", b"/.\n" + path + b"\n"),
        ):
            os.mkdir(os.path.join(self.root, folder))
            with open(os.path.join(self.root, folder, name), "wb") as file:
                file.write(content)
        owners.CERTMONGER, owners.DPKG = (), os.path.join(self.root, b"info")
        self.assertEqual(owners.owner_of([path], False), "package little")
        self.assertIsNone(owners.owner_of([path], True))
        self.assertIsNone(owners.owner_of([path[:-1]], False))
        owners.CERTMONGER = (os.path.join(self.root, b"requests"),)
        self.assertEqual(owners.owner_of([path], True), "certmonger: request 20260101")
        owners.CERTBOT = self.root + b"/"
        live = os.path.join(self.root, b"live", b"web")
        os.makedirs(live)
        open(os.path.join(live, b"cert.pem"), "w").close()
        os.symlink(os.path.join(live, b"cert.pem"), path)
        self.assertEqual(owners.owner_of([path], True), "certbot: web")


class TestOutcome(HostCase):
    """Asking the journal."""

    def test_outcomes(self):
        """Nothing is known of a transaction that never came; then the last answer of one that did."""
        declared, services = self.served_pair()
        transaction = uuid.uuid4().hex

        def ask():
            return verb_outcome.run({"transaction": transaction}, self.host.context())

        self.assertEqual(ask(), {"known": False, "state": None, "result": None})
        asked = self.host.request(declared, services, transaction)
        self.assertEqual(ask(), {"known": True, "state": "requested", "result": asked})
        result = self.host.install(declared, services, self.host.sign(base64.b64decode(asked["csr"])), transaction)
        self.assertEqual(ask(), {"known": True, "state": "committed", "result": result})


class TestDiscard(HostCase):
    """Removing what is not used."""

    def test_discard(self):
        """Key and request are gone; what is not known is passed over."""
        asked = self.host.request(self.host.declared(), [])
        args = {"transactions": [asked["staged"], uuid.uuid4().hex]}
        self.assertEqual(verb_discard.run(args, self.host.context(uuid.uuid4().hex)), {"discarded": [asked["staged"]]})
        self.assertEqual(self.host.inspect(self.host.declared(), [])[0]["staged"], [])
        self.assertEqual(verb_discard.run(args, self.host.context(uuid.uuid4().hex)), {"discarded": []})


if __name__ == "__main__":
    unittest.main()
