# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust stores in small trees that are laid out like Debian, RHEL and SUSE, and stores that keytool and certutil made."""

import base64
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import scan
from ansible_collections.certops.fleet.plugins.module_utils._host.trust import debian, reference, stores
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan import test_scan

SHIPPED = "usr/share/ca-certificates/mozilla/"
OWN = "usr/local/share/ca-certificates/"
MD5SUMS = "var/lib/dpkg/info/ca-certificates.md5sums"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CAS = {name: made.certificate(name, ca=True) for name in ("one", "two", "three", "own")}
DIGESTS = {name: made.digest(content) for name, content in CAS.items()}
BELIEVED = "the package's files are taken as they are: rpm's database is not read"


class Trust(test_scan.Tree):
    def told(self, *paths, known=()):
        """The stores by path, and the certificates of the answer; what is scanned is all of the tree but /usr/share, as on a host."""
        given = [os.path.join(self.top, path) for path in paths or ("etc", "opt", "usr/local", "var") if os.path.isdir(self.path(path))]
        args = test_scan.arguments(paths=given, known_certificates="".join(digest[:16] for digest in known))
        looking = scan.Scan(scan.Options.from_args(args), test_scan.NO_MOUNTS, [], run)
        looking.folders()
        looking.links()
        looking.answer(())
        rows, certificates = stores.told(looking.found, os.fsencode(self.top))
        json.dumps(rows)
        for sha256, content in certificates.items():
            self.assertEqual(hashlib.sha256(base64.b64decode(content)).hexdigest(), sha256)
        self.certificates = certificates
        return {os.path.relpath(row["path"], self.top): row for row in rows}

    def content(self, name):
        """The content of a file in the tree."""
        with open(self.path(name), "rb") as file:
            return file.read()

    def anchors(self, row, part):
        """What was added or removed: the name of the certificate, the path in the tree, and why."""
        names = {digest: name for name, digest in DIGESTS.items()}
        told = []
        for each in row[part]:
            path = each["path"] and os.path.relpath(each["path"], self.top)
            told.append((names.get(each["sha256"], each["sha256"]), path, *([each["why"]] if part == "removed" else [])))
        return told


class Debian(Trust):
    def setUp(self):
        """A host on which nobody has changed anything."""
        super().setUp()
        sums = []
        for name in ("one", "two", "three"):
            self.write(f"{SHIPPED}{name}.crt", CAS[name])
            sums.append(f"{hashlib.md5(CAS[name]).hexdigest()}  {SHIPPED}{name}.crt\n")
        sums.append(f"{'0' * 32}  usr/share/doc/ca-certificates/copyright\n")
        self.write(MD5SUMS, "".join(sums).encode())
        self.store("one", "two", "three")

    def store(self, *names):
        """Make the store as update-ca-certificates does."""
        shutil.rmtree(self.path("etc/ssl/certs"), ignore_errors=True)
        self.write(BUNDLE, *(CAS[name] for name in names))
        for number, name in enumerate(names):
            source = self.path(f"{OWN}{name}.crt") if name == "own" else self.path(f"{SHIPPED}{name}.crt")
            self.link(f"etc/ssl/certs/{name}.pem", source)
            self.link(f"etc/ssl/certs/0000000{number}.0", f"{name}.pem")

    def test_as_it_was_shipped(self):
        """Nothing was added and nothing removed, in the file and in the folder."""
        told = self.told()
        self.assertEqual(sorted(told), ["etc/ssl/certs", BUNDLE])
        for path, row in told.items():
            expected = {"path": self.path(path), "kind": "debian", "count": 3, "verified": True, "reason": None, "added": [], "removed": []}
            self.assertEqual(row, expected)
        self.assertEqual(self.certificates, {})

    def test_added_and_deselected(self):
        """An own CA and a line with an exclamation mark; the certificates of both are in the answer, though no file that was scanned holds the second."""
        self.write(f"{OWN}own.crt", CAS["own"])
        self.write("etc/ca-certificates.conf", b"# comment\nmozilla/one.crt\n!mozilla/two.crt\nmozilla/three.crt\n\xff\n")
        self.store("one", "three", "own")
        for row in self.told().values():
            self.assertEqual(self.anchors(row, "added"), [("own", f"{OWN}own.crt")])
            self.assertEqual(self.anchors(row, "removed"), [("two", f"{SHIPPED}two.crt", "deselected")])
        self.assertEqual(set(self.certificates), {DIGESTS["own"], DIGESTS["two"]})

    def test_only_in_the_store(self):
        """What somebody wrote into the file alone comes from nowhere, and the folder says that it does not have it."""
        self.store("one", "two", "three")
        self.write(BUNDLE, CAS["one"], CAS["three"], CAS["own"])
        told = self.told()
        self.assertEqual(self.anchors(told[BUNDLE], "added"), [("own", None)])
        self.assertEqual(self.anchors(told[BUNDLE], "removed"), [("two", f"{SHIPPED}two.crt", "missing")])
        self.assertEqual((told["etc/ssl/certs"]["added"], told["etc/ssl/certs"]["removed"]), ([], []))

    def test_dropped_into_the_folder(self):
        """A CA whose file lies in the folder itself is told with that name; the certificate of a server there is no anchor."""
        self.write("etc/ssl/certs/dropped.pem", CAS["own"])
        self.link("etc/ssl/certs/00000007.0", "dropped.pem")
        self.write("etc/ssl/certs/server.pem", made.certificate("server", issuer="one"))
        self.link("etc/ssl/certs/00000008.0", "server.pem")
        told = self.told()
        self.assertEqual(self.anchors(told["etc/ssl/certs"], "added"), [("own", "etc/ssl/certs/dropped.pem")])
        self.assertEqual(told[BUNDLE]["added"], [])

    def test_files_of_the_package(self):
        """One that was deleted, one with another content, and one that the package never had."""
        os.remove(self.path(f"{SHIPPED}two.crt"))
        self.write(f"{SHIPPED}three.crt", CAS["own"])
        self.store("one", "three")
        self.write(BUNDLE, CAS["one"], CAS["own"])
        row = self.told()[BUNDLE]
        self.assertEqual(self.anchors(row, "added"), [("own", f"{SHIPPED}three.crt")])
        self.assertEqual(self.anchors(row, "removed"), [(None, f"{SHIPPED}two.crt", "deleted"), (None, f"{SHIPPED}three.crt", "changed")])

    def test_links_in_circles(self):
        """Files of the package that are links, to themselves or into the dark, are changed files."""
        for name in ("two", "three"):
            os.remove(self.path(f"{SHIPPED}{name}.crt"))
            self.link(f"{SHIPPED}{name}.crt", f"{name}.crt")
        self.link(f"{OWN}round.crt", "round.crt")
        self.link(f"{OWN}round", ".")
        removed = self.anchors(self.told()[BUNDLE], "removed")
        self.assertEqual(removed, [(None, f"{SHIPPED}two.crt", "changed"), (None, f"{SHIPPED}three.crt", "changed")])

    def test_what_cannot_be_told(self):
        """No list of digests, one that is cut off, damaged or of something else, and a Python without MD5: a reason, and nothing is guessed."""
        whole = self.content(MD5SUMS)
        for content, why in (
            (None, "dpkg keeps no digests in "),
            (b"", "the package ca-certificates of dpkg has no certificates"),
            (whole[:50], "are damaged"),
            (whole[:-40] + b"\xff" * 20, "are damaged"),
            (b"\0" * 5000, "are damaged"),
            (b"\n" + whole, "are damaged"),
            (b"0" * 32 + b"  usr/share/ca-certificates/../../../etc/shadow\n", "are damaged"),
            (b"0" * 32 + b"  usr/share/doc/x\n", "the package ca-certificates of dpkg has no certificates"),
        ):
            with self.subTest(content=content):
                if content is None:
                    os.remove(self.path(MD5SUMS))
                else:
                    self.write(MD5SUMS, content)
                row = self.told()[BUNDLE]
                self.assertEqual((row["added"], row["removed"], row["verified"], row["count"]), (None, None, False, 3))
                self.assertIn(why, row["reason"])
        self.write(MD5SUMS, whole)
        with mock.patch.object(debian.hashlib, "md5", side_effect=ValueError("disabled for fips")):
            self.assertEqual(self.told()[BUNDLE]["reason"], "the host's Python refuses MD5, by which dpkg knows the files of packages")

    def test_random_digests(self):
        """Whatever dpkg's list says, something is told."""
        rng = random.Random(6)
        whole = self.content(MD5SUMS)
        for _round in range(40):
            content = bytearray(whole[: rng.randrange(len(whole))])
            for _change in range(rng.randrange(4)):
                if content:
                    content[rng.randrange(len(content))] = rng.getrandbits(8)
            self.write(MD5SUMS, bytes(content))
            row = self.told("etc")[BUNDLE]
            self.assertTrue(row["reason"] or row["added"] is not None)

    def test_a_host_without_a_store(self):
        """Or a scan that did not meet it tells nothing."""
        self.write("opt/one.pem", CAS["one"])
        self.assertEqual(self.told("opt"), {})

    def test_too_many(self):
        """Hundreds are counted, and the first are named."""
        with mock.patch.object(reference, "MOST", 1):
            self.store("one")
            row = self.told()[BUNDLE]
        self.assertEqual(row["reason"], "0 anchors were added and 2 removed, of which the first 1 are named")
        self.assertEqual(len(row["removed"]), 1)

    @unittest.skipUnless(shutil.which("keytool"), "keytool is not installed")
    def test_java(self):
        """The store that Java's hook makes of the others is held against the same package, and each entry is one that keytool lists."""
        self.write(f"{OWN}own.crt", CAS["own"])
        path = self.path("etc/ssl/certs/java/cacerts")
        os.makedirs(os.path.dirname(path))
        common = ["-keystore", path, "-storepass", "changeit"]
        for name in ("one", "two", "own"):
            source = self.write(f"source/{name}.pem", CAS[name])
            subprocess.check_output(
                ["keytool", "-importcert", "-noprompt", "-storetype", "JKS", "-alias", name, "-file", source, *common], stderr=subprocess.STDOUT
            )
        self.write("opt/jdk/lib/security/cacerts", self.content("etc/ssl/certs/java/cacerts"))
        told = self.told()
        row = told["etc/ssl/certs/java/cacerts"]
        self.assertEqual((row["kind"], self.anchors(row, "added")), ("java", [("own", f"{OWN}own.crt")]))
        self.assertEqual(self.anchors(row, "removed"), [("three", f"{SHIPPED}three.crt", "missing")])
        listed = subprocess.check_output(["keytool", "-list", *common], stderr=subprocess.DEVNULL).decode().replace(":", "").lower()
        self.assertEqual(row["count"], listed.count("trustedcertentry"))
        self.assertIn(row["added"][0]["sha256"], listed)
        self.assertEqual(told["opt/jdk/lib/security/cacerts"]["reason"], "no package of a JDK that dpkg knows has it")

    @unittest.skipUnless(shutil.which("keytool"), "keytool is not installed")
    def test_a_jdk_of_a_package(self):
        """Its own store is as it was shipped, or somebody has changed it and nobody knows how."""
        name = "opt/jvm/other-17/lib/security/cacerts"
        source = self.write("source/one.pem", CAS["one"])
        os.makedirs(os.path.dirname(self.path(name)))
        common = ["-keystore", self.path(name), "-storepass", "changeit", "-storetype", "JKS", "-file", source]
        subprocess.check_output(["keytool", "-importcert", "-noprompt", "-alias", "one", *common], stderr=subprocess.STDOUT)
        digest = hashlib.md5(self.content(name)).hexdigest()
        self.write("var/lib/dpkg/info/other-17-jdk.md5sums", f"{digest}  {name}\n".encode())
        self.write(os.fsdecode(b"var/lib/dpkg/info/\xff.list"), b"x")
        row = self.told()[name]
        self.assertEqual((row["verified"], row["added"], row["removed"], row["count"]), (True, [], [], 1))
        subprocess.check_output(["keytool", "-importcert", "-noprompt", "-alias", "again", *common], stderr=subprocess.STDOUT)
        row = self.told()[name]
        self.assertEqual((row["verified"], row["added"], row["removed"]), (False, None, None))
        self.assertEqual(row["reason"], "it is not as the package other-17-jdk shipped it, and that is nowhere on the host")


def p11_kit(name, *attributes):
    """An object of p11-kit, as trust dumps it."""
    return "\n".join(["[p11-kit-object-v1]", f'label: "{name}"', *attributes, ""]).encode() + CAS[name] + b"\n"


class P11Kit(Trust):
    PACKAGE, SOURCE, MADE = "usr/share/pki/ca-trust-source", "etc/pki/ca-trust/source", "etc/pki/ca-trust/extracted"
    TLS = f"{MADE}/pem/tls-ca-bundle.pem"

    def setUp(self):
        """Sources of the package: two anchors, one that is distrusted, and an extension of an anchor, which is no certificate."""
        super().setUp()
        extension = b'[p11-kit-object-v1]\nclass: x-certificate-extension\nobject-id: 2.5.29.37\nvalue: "%30%14"\n'
        anchors = p11_kit("one", "trusted: true") + p11_kit("two", "trusted: true", "nss-mozilla-ca-policy: true")
        self.objects = b"# comment\n" + anchors + extension + p11_kit("three", "x-distrusted: true")

    def rhel(self, *tls, mail=()):
        """Lay the host out like RHEL."""
        self.write(f"{self.PACKAGE}/ca-bundle.trust.p11-kit", self.objects)
        self.write(self.TLS, *(CAS[name] for name in tls))
        for name in ("email", "objsign"):
            self.write(f"{self.MADE}/pem/{name}-ca-bundle.pem", *(CAS[name] for name in mail), *(CAS[name] for name in tls))

    def test_as_it_was_shipped(self):
        """Anchors for mail alone are not missing from those for servers, what the package distrusts is not missing at all."""
        self.rhel("one", mail=["two"])
        told = self.told()
        expected = {"path": self.path(self.TLS), "kind": "rhel", "count": 1, "verified": False, "reason": BELIEVED, "added": [], "removed": []}
        self.assertEqual(told, {self.TLS: expected})

    def test_added_and_blocked(self):
        """Anchors, also those behind links, objects of p11-kit, and the list of what is blocked."""
        self.write("srv/ipa.crt", CAS["own"])
        self.link(f"{self.SOURCE}/anchors/ipa.crt", self.path("srv/ipa.crt"))
        self.link(f"{self.SOURCE}/anchors/round.crt", "round.crt")
        self.write(f"{self.SOURCE}/again.p11-kit", p11_kit("three", "trusted: true"))
        self.write(f"{self.SOURCE}/blocklist/two.der", made.in_der(CAS["two"]))
        self.rhel("one", "own", "three")
        row = self.told()[self.TLS]
        self.assertEqual(sorted(self.anchors(row, "added")), [("own", f"{self.SOURCE}/anchors/ipa.crt"), ("three", f"{self.SOURCE}/again.p11-kit")])
        self.assertEqual(self.anchors(row, "removed"), [("two", f"{self.SOURCE}/blocklist/two.der", "blocked")])
        self.assertEqual(set(self.certificates), {DIGESTS[name] for name in ("own", "two", "three")})

    def test_only_in_the_store(self):
        """What is in none of the files that are made is missing; where they are not all there, nobody can say."""
        self.rhel("one", "own")
        row = self.told()[self.TLS]
        self.assertEqual(self.anchors(row, "added"), [("own", None)])
        self.assertEqual(self.anchors(row, "removed"), [("two", f"{self.PACKAGE}/ca-bundle.trust.p11-kit", "missing")])
        os.remove(self.path(f"{self.MADE}/pem/email-ca-bundle.pem"))
        self.assertEqual(self.told()[self.TLS]["removed"], [])

    def test_without_the_package(self):
        """Nothing is guessed."""
        for content in (
            None,
            b"",
            b"\xff" * 1000,
            b"[p11-kit-object-v1]\n" * 1000,
            self.objects[:100],
            b"[p11-kit-object-v1]\ntrusted: true\n-----BEGIN CERTIFICATE-----\nMII",
        ):
            with self.subTest(content=content):
                self.rhel("one")
                if content is None:
                    os.remove(self.path(f"{self.PACKAGE}/ca-bundle.trust.p11-kit"))
                else:
                    self.write(f"{self.PACKAGE}/ca-bundle.trust.p11-kit", content)
                row = self.told()[self.TLS]
                self.assertEqual((row["added"], row["reason"]), (None, "no anchors of a package are below /usr/share/pki/ca-trust-source"))

    def test_suse(self):
        """The same sources elsewhere."""
        self.write("usr/share/pki/trust/ca-certificates-mozilla.trust.p11-kit", self.objects)
        self.write("etc/pki/trust/anchors/own.pem", CAS["own"])
        self.write("etc/pki/trust/blacklist/two.pem", CAS["two"])
        self.write("var/lib/ca-certificates/ca-bundle.pem", CAS["one"], CAS["own"])
        row = self.told()["var/lib/ca-certificates/ca-bundle.pem"]
        self.assertEqual((row["kind"], self.anchors(row, "added")), ("suse", [("own", "etc/pki/trust/anchors/own.pem")]))
        self.assertEqual(self.anchors(row, "removed"), [("two", "etc/pki/trust/blacklist/two.pem", "blocked")])


@unittest.skipUnless(shutil.which("certutil"), "certutil of NSS is not installed")
class Nss(Trust):
    def setUp(self):
        """A database with a trusted, a distrusted and an indifferent certificate."""
        super().setUp()
        self.folder = self.path("etc/nssdb")
        os.makedirs(self.folder)
        self.certutil("-N", "--empty-password")
        for name, flags in (("one", "C,,"), ("two", "p,,"), ("three", ",,")):
            self.certutil("-A", "-n", name, "-t", flags, "-i", self.write(f"source/{name}.pem", CAS[name]))

    def certutil(self, *argv):
        """Run certutil on the database."""
        return subprocess.check_output(["certutil", *argv, "-d", f"sql:{self.folder}"], stderr=subprocess.STDOUT).decode()

    def test_flags(self):
        """What certutil lists with a C is added, what it lists with a p is removed."""
        row = self.told()["etc/nssdb/cert9.db"]
        self.assertEqual((row["kind"], row["count"], row["verified"]), ("nss", 1, False))
        self.assertEqual(row["reason"], "compared with nothing: what NSS has built in is not read")
        self.assertEqual(self.anchors(row, "added"), [("one", "etc/nssdb/cert9.db")])
        self.assertEqual(self.anchors(row, "removed"), [("two", "etc/nssdb/cert9.db", "distrusted")])

    def test_certificates_that_are_known(self):
        """Who has the certificates already, and is not sent them, is told the same of the store."""
        first = self.told()
        self.assertEqual(self.told(known=DIGESTS.values()), first)
        listed = dict(line.split()[:2] for line in self.certutil("-L").splitlines() if line.split() and line.split()[0] in CAS)
        self.assertEqual({name for name, flags in listed.items() if "C" in flags}, {"one"})
        self.assertEqual({name for name, flags in listed.items() if flags.startswith("p")}, {"two"})

    def test_damaged(self):
        """A database without the flags, or one that changed since it was scanned, is one that cannot be told."""
        path = os.path.join(self.folder, "cert9.db")
        with sqlite3.connect(path) as raw:
            raw.execute("ALTER TABLE nssPublic RENAME COLUMN ace5363b4 TO other")
        raw.close()
        row = self.told()["etc/nssdb/cert9.db"]
        self.assertEqual((row["added"], row["removed"]), (None, None))
        self.assertEqual(row["reason"], "its trust flags cannot be read: the database is not as NSS makes it")

    def test_odd_values(self):
        """Rows that no NSS writes are passed over."""
        path = os.path.join(self.folder, "cert9.db")
        with sqlite3.connect(path) as raw:
            for value in (None, 7, "text", b"", b"x" * 1000):
                raw.execute(
                    "INSERT INTO nssPublic (id, a0, ace5363b4, ace536358) VALUES (abs(random() % 100000), ?, ?, ?)",
                    (b"\xce\x53\x43\x53", value, b"\xce\x53\x43\x5a"),
                )
        raw.close()
        self.assertEqual(self.anchors(self.told()["etc/nssdb/cert9.db"], "added"), [("one", "etc/nssdb/cert9.db")])


if __name__ == "__main__":
    unittest.main()
