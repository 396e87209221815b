# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans of small trees made for them."""

import base64
import errno
import hashlib
import json
import os
import pwd
import random
import shutil
import socket
import stat
import tempfile
import threading
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings, mounts, paths_table, scan, walk
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

NO_MOUNTS = mounts.Mounts({}, {})


def arguments(**given):
    """Arguments of the verb."""
    return dict(
        {
            "paths": None,
            "exclude": [],
            "max_file_size": 1 << 21,
            "max_seconds": None,
            "services": [],
            "known_bundles": [],
            "home": False,
            "store_passwords": [],
            "cache_days": 0,
        },
        **given,
    )


def service(name, **use):
    """A service that uses these files."""
    return {"name": name, "uses": [dict({"certificate": None, "key": None, "chain": None, "folder": None}, **use)]}


class Tree(unittest.TestCase):
    def setUp(self):
        """An empty folder."""
        self.top = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def path(self, name):
        """A path in the folder."""
        return os.path.join(self.top, name)

    def write(self, name, *contents):
        """Make a file and return its path."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(b"".join(contents))
        return self.path(name)

    def link(self, name, target):
        """Make a link and return its path."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.symlink(target, self.path(name))
        return self.path(name)

    def scan(self, services=(), others=(), mounted=NO_MOUNTS, **given):
        """Scan the folder, or the paths that are given, and return the answer, which must be JSON."""
        given.setdefault("paths", [path_text(os.fsencode(self.top))])
        looking = scan.Scan(scan.Options.from_args(arguments(**given)), mounted, [], run)
        looking.named(services, others)
        looking.folders()
        looking.links()
        answer = looking.answer(given.get("known_bundles", ()))
        json.dumps(answer)
        return answer

    def places(self, **given):
        """The places by path, one entry each."""
        return {row["path"]: row for row in self.scan(**given)["places"]}

    def trust(self, name):
        """A folder of the tree that counts as trust store."""
        folder = self.path(name)
        os.makedirs(folder, exist_ok=True)
        patch = mock.patch.object(paths_table, "ANCHOR_CLASSES", ((os.fsencode(folder), "trust_store"), *paths_table.ANCHOR_CLASSES))
        patch.start()
        self.addCleanup(patch.stop)
        return folder


class Contents(Tree):
    def test_combined(self):
        """Every certificate of a file is a place, in order; the key in it belongs to the one that it fits."""
        leaf, root, key = made.certificate("leaf", issuer="root"), made.certificate("root", ca=True), made.key("ec", "leaf")
        path = self.write("combined.anything", b"# comment\r\n", key, leaf.replace(b"\n", b"\r\n"), root)
        answer = self.scan()
        expected = [(made.digest(leaf), path, 0, {"path": path, "spki": made.spki(key), "encrypted": False}), (made.digest(root), path, 1, None)]
        self.assertEqual([(row["certificate"], row["path"], row["entry"], row["key"]) for row in answer["places"]], expected)
        self.assertEqual(base64.b64decode(answer["certificates"][made.digest(leaf)]), made.in_der(leaf))
        self.assertEqual([(row["kind"], row["format"], row["size"], row["matches"]) for row in answer["keys"]], [("ec", "pkcs8", 256, [made.digest(leaf)])])

    def test_formats(self):
        """PEM, OpenSSL's trusted PEM and DER of one certificate are three places of it."""
        pem_ = made.certificate("root", ca=True)
        trusted = made.openssl("x509", "-trustout", "-addtrust", "serverAuth", given=pem_)
        self.assertIn(b"TRUSTED", trusted)
        self.write("a.pem", pem_)
        self.write("b.pem", trusted)
        self.write("c", made.in_der(pem_))
        self.write("d.pem", pem_.replace(b"CERTIFICATE", b"X509 CERTIFICATE"))
        answer = self.scan()
        self.assertEqual([row["format"] for row in answer["places"]], ["pem", "trusted_pem", "der", "pem"])
        self.assertEqual({row["certificate"] for row in answer["places"]}, {made.digest(pem_)})
        self.assertEqual(answer["summary"]["certificates"], 1)

    def test_attributes(self):
        """A place has owner, group, mode, size and times of its file as the system has them."""
        path = self.write("a.pem", made.certificate("self"))
        os.chmod(path, 0o640)
        status = os.stat(path)
        row = self.places()[path]
        self.assertEqual(
            (row["mode"], row["size"], row["mtime"], row["ctime"], row["hard_links"]), ("0640", status.st_size, status.st_mtime, status.st_ctime, 1)
        )
        self.assertEqual((row["owner"], row["links"], row["services"], row["class"]), (_user(), [], [], "installed"))

    def test_unreadable_certificates(self):
        """A certificate that no parser reads is told with fingerprint and place; a block that cannot be decoded is a problem."""
        odd = b"\x30\x03\x02\x01\x01"
        whole = made.certificate("self")
        path = self.write("odd.pem", pem.encode("CERTIFICATE", odd), whole[:200], b"\n", whole)
        answer = self.scan()
        self.assertEqual([row["certificate"] for row in answer["places"]], [hashlib.sha256(odd).hexdigest(), made.digest(whole)])
        reasons = [row["reason"] for row in answer["problems"] if row["path"] == path]
        self.assertEqual(len(reasons), 2)
        self.assertRegex(" ".join(reasons), "a block 'CERTIFICATE' cannot be read: it has no END line")

    def test_no_secret(self):
        """No part of a key is in the answer, broken keys included."""
        key = made.key("rsa")
        self.write("a.key", key)
        self.write("b.key", key.replace(key.splitlines()[1], key.splitlines()[1][::-1]))
        self.write("c.key", key[:-200])
        text = json.dumps(self.scan())
        for line in key.splitlines()[1:-1]:
            self.assertNotIn(line.decode()[:20], text)
            self.assertNotIn(base64.b64decode(line + b"=" * (-len(line) % 4)).hex()[:20], text)

    def test_key_elsewhere(self):
        """The key of a certificate is found in its folder first, else anywhere; each key says which certificates it fits."""
        key, pem_ = made.key("ec", "self"), made.certificate("self")
        self.write("a/cert.pem", pem_)
        self.write("b/cert.pem", pem_)
        far, near = self.write("0/key.pem", key), self.write("b/z.key", key)
        answer = self.scan()
        self.assertEqual([row["key"]["path"] for row in answer["places"]], [far, near])
        self.assertEqual([row["matches"] for row in answer["keys"]], [[made.digest(pem_)]] * 2)

    def test_random_files(self):
        """Damaged and nested files of every kind end in rows, never in an error."""
        source = random.Random(2)
        good = made.key("rsa") + made.certificate("leaf", issuer="root") + made.openssl("pkcs8", "-topk8", "-passout", "pass:a", given=made.key())
        der_ = made.in_der(made.certificate("root", ca=True))
        for number in range(300):
            data = bytearray(source.choice((good, der_, good + der_, der_ * 3)))
            for _round in range(source.choice((1, 5, 100))):
                data[source.randrange(len(data))] = source.randrange(256)
            size = source.choice((len(data), source.randrange(len(data))))
            self.write(f"f{number}", bytes(data[:size]))
        self.assertEqual(self.scan()["summary"]["folders"], 1)


def _user():
    return pwd.getpwuid(os.geteuid()).pw_name


class Hostile(Tree):
    def test_special_files(self):
        """FIFOs and sockets are counted and never opened."""
        os.mkfifo(self.path("fifo"))
        self.link("link-to-fifo", "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
            answer = self.scan()
        self.assertEqual(answer["skipped"], [{"path": self.top, "reason": "FIFO, socket or device", "count": 2}])

    def test_names(self):
        """Names that are not UTF-8 are paths like others, written with their bytes."""
        folder = os.path.join(os.fsencode(self.top), b"\xe4\xf6\n")
        os.mkdir(folder)
        with open(os.path.join(folder, b"\xff'\"{{ x }}.pem"), "wb") as file:
            file.write(made.certificate("self"))
        self.assertEqual([row["path"] for row in self.scan()["places"]], [self.top + "/\\xe4\\xf6\\x0a/\\xff'\"{{ x }}.pem"])

    def test_large_files(self):
        """A file of a gigabyte is not read, and said to be left out."""
        path = self.write("large", made.certificate("self"))
        os.truncate(path, 1 << 30)
        answer = self.scan()
        self.assertEqual(answer["skipped"], [{"path": path, "reason": "larger than max_file_size (2097152 bytes)", "count": 1}])
        self.assertLess(answer["summary"]["bytes"], 1 << 20)

    def test_many_certificates(self):
        """A file with very many certificates takes time in proportion, is stored as one bundle, and the answer stays bounded."""
        one = made.in_der(made.certificate("self"))
        content = []
        for number in range(20000):
            content.append(pem.encode("CERTIFICATE", one[:-8] + number.to_bytes(8, "big")))
        self.write("all.pem", *content)
        started = time.monotonic()
        with mock.patch.object(findings, "MOST_CERTIFICATE_BYTES", 100000), mock.patch.object(findings, "MOST_BYTES_ALONE", 100000):
            answer = self.scan(max_file_size=1 << 30)
            lacking = sorted(set(answer["bundles"][0]["certificates"]) - set(answer["certificates"]))
            more = self.scan(max_file_size=1 << 30, certificates=lacking)["certificates"]
        self.assertLess(time.monotonic() - started, 60)
        self.assertEqual(([row["count"] for row in answer["bundles"]], answer["places"], answer["complete"]), ([20000], [], True))
        for part in (answer["certificates"], more):
            self.assertTrue(80000 < sum(map(len, part.values())) < 150000)
        self.assertLessEqual(set(more), set(lacking))

    def test_unreadable(self):
        """Unreadable folders and files are problems; the rest is scanned."""
        for name in ("a/a.pem", "b/b.pem", "c.pem"):
            self.write(name, made.certificate("self"))
        refused = (os.fsencode(self.path("a")), b"c.pem")  # root reads whatever its mode is
        real = os.open

        def refusing(name, *rest, **given):
            if os.fsencode(name) in refused:
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(name, *rest, **given)

        with mock.patch.object(os, "open", refusing):
            answer = self.scan()
        self.assertEqual(answer["problems"], [{"path": self.path(name), "reason": "Permission denied"} for name in ("a", "c.pem")])
        self.assertEqual([row["path"] for row in answer["places"]], [self.path("b/b.pem")])

    def test_vanishing(self):
        """What vanishes between listing and reading is a problem, not an error."""
        path = self.write("a.pem", made.certificate("self"))
        self.write("b.pem", made.certificate("self"))
        real = os.open

        def gone(name, *rest, **given):
            if os.fsencode(name) == b"a.pem":
                os.unlink(path)
            return real(name, *rest, **given)

        with mock.patch.object(os, "open", gone):
            answer = self.scan()
        self.assertEqual(answer["problems"], [{"path": path, "reason": walk.VANISHED}])
        self.assertEqual(len(answer["places"]), 1)

    def test_refused(self):
        """What the system refuses to show is told, and the scan is not complete."""
        self.write("closed/a.pem", made.certificate("self"))
        real = os.open

        def refusing(path, *args, **kwargs):
            if os.fspath(path).endswith(b"closed"):
                raise PermissionError(13, "Permission denied", path)
            return real(path, *args, **kwargs)

        with mock.patch.object(os, "open", side_effect=refusing):
            answer = self.scan()
        self.assertEqual(answer["problems"], [{"path": self.path("closed"), "reason": "Permission denied"}])
        self.assertEqual((answer["complete"], answer["left_over"]), (False, []))

    def test_busy_tree(self):
        """While files come, go and change, a scan ends with an answer."""
        stop = threading.Event()

        def churn():
            number = 0
            while not stop.is_set():
                number += 1
                self.write(f"d{number % 5}/f{number % 50}", made.certificate("self")[: number % 900])
                if number % 7 == 0:
                    shutil.rmtree(self.path(f"d{number % 5}"), ignore_errors=True)

        made.certificate("self")
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for _round in range(20):
                self.assertTrue(self.scan()["complete"])
        finally:
            stop.set()
            thread.join()

    def test_nothing_is_written(self):
        """Names, contents, owners and times of all that is looked at stay what they were."""
        self.write("a/a.pem", made.certificate("self"), made.key("ec", "self"))
        self.write("b/text", b"x" * 100)
        self.link("b/link", "../a/a.pem")
        old = time.time() - 20 * 86400
        for folder, _folders, files in os.walk(self.top):
            for name in [*files, "."]:
                os.utime(os.path.join(folder, name), (old, old), follow_symlinks=False)
        before = self.state()
        self.scan()
        self.assertEqual(self.state(), before)

    def state(self):
        """What the system says of everything in the tree but the links and, where the Python cannot help it, the folders' access times."""
        found = {}
        for folder, _folders, files in os.walk(self.top):
            for name in files:
                status = os.lstat(os.path.join(folder, name))
                access = None if stat.S_ISLNK(status.st_mode) else status.st_atime
                found[os.path.join(folder, name)] = (status.st_mode, status.st_size, status.st_mtime, status.st_ctime, access)
        return found


class Links(Tree):
    def test_attributes(self):
        """Links and hard links to a file are attributes of its places, not places."""
        path = self.write("live/a.pem", made.certificate("self"))
        first, second = self.link("x/first", "../live/a.pem"), self.link("x/second", "first")
        os.link(path, self.path("live/hard.pem"))
        rows = self.scan()["places"]
        self.assertEqual(len(rows), 1)
        self.assertEqual(sorted([rows[0]["path"], *rows[0]["links"]]), sorted([path, self.path("live/hard.pem"), first, second]))
        self.assertEqual(rows[0]["hard_links"], 2)

    def test_out_of_the_paths(self):
        """A link out of the paths is followed once; links met there lead no further."""
        inside, outside, third = self.path("in"), self.path("out"), self.path("third")
        target = self.write("out/a.pem", made.certificate("self"))
        self.write("third/b.pem", made.certificate("root", ca=True))
        link = self.link("in/a.pem", target)
        self.link("in/folder", outside)
        self.link("in/again", outside)
        self.link("out/onward", third)
        self.link("out/b.pem", os.path.join(third, "b.pem"))
        self.link("out/back", inside)
        answer = self.scan(paths=[inside])
        self.assertEqual([(row["path"], row["links"]) for row in answer["places"]], [(target, [link])])
        self.assertIn("link that leads out of the paths a second time", [row["reason"] for row in answer["skipped"]])

    def test_loops(self):
        """Loops of links and links to the folders above end."""
        self.link("a/loop", "loop")
        self.link("a/up", "..")
        self.link("a/root", "/")
        self.write("a/a.pem", made.certificate("self"))
        answer = self.scan(paths=[self.path("a")])
        self.assertEqual(len(answer["places"]), 1)
        self.assertEqual([row["count"] for row in answer["skipped"] if row["reason"] == "link to a folder that the paths lie in"], [1, 1])

    def test_into_what_is_left_out(self):
        """A link to a file in a folder that is left out is followed, as certbot's and our own are; its class is that of the link."""
        target = self.write("tls/.certops-generation/cert.pem", made.certificate("self"))
        link = self.link("tls/cert.pem", ".certops-generation/cert.pem")
        self.write("tls/.certops-old/cert.pem", made.certificate("root", ca=True))
        self.write("tls/.certops-staged.pem", made.certificate("root", ca=True))
        answer = self.scan()
        self.assertEqual([(row["path"], row["links"], row["class"]) for row in answer["places"]], [(target, [link], "installed")])
        expected = [(self.path("tls/.certops-" + name), "kept by certops itself") for name in ("generation", "old", "staged.pem")]
        self.assertEqual([(row["path"], row["reason"]) for row in answer["skipped"]], expected)

    def test_untouched_mounts(self):
        """Neither the walk nor a link nor a service's word leads into a network file system."""
        remote = os.path.dirname(self.write("remote/a.pem", made.certificate("self")))
        self.link("link", "remote/a.pem")
        mounted = mounts.Mounts({os.fsencode(remote): "network file system (nfs4)"}, {})
        answer = self.scan([service("web", certificate=remote + "/a.pem")], mounted=mounted)
        self.assertEqual(answer["places"], [])
        self.assertEqual(answer["skipped"], [{"path": path, "reason": "network file system (nfs4)", "count": 1} for path in (self.path("link"), remote)])
        self.assertEqual(answer["problems"], [{"path": remote + "/a.pem", "reason": "named by web: network file system (nfs4)"}])
        self.assertEqual(len(self.scan(mounted=mounted, paths=[remote])["places"]), 1)


class Named(Tree):
    def test_wherever_it_lies(self):
        """What a service or a process names is looked at outside of the paths, and is in use."""
        elsewhere = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, elsewhere)
        self.write("a.pem", made.certificate("root", ca=True))
        for name in ("node_modules/a.pem", "process.pem"):
            os.makedirs(os.path.dirname(os.path.join(elsewhere, name)), exist_ok=True)
            with open(os.path.join(elsewhere, name), "wb") as file:
                file.write(made.certificate("self"))
        services = [service("web", certificate=elsewhere + "/node_modules/a.pem"), service("mail", chain=elsewhere + "/node_modules/a.pem")]
        found = self.places(services=services, others=[os.fsencode(elsewhere) + b"/process.pem", b"/usr/bin/env", b"/dev/zero", b"/nowhere/at/all"])
        expected = {
            self.path("a.pem"): ("installed", []),
            elsewhere + "/node_modules/a.pem": ("in_use", ["mail", "web"]),
            elsewhere + "/process.pem": ("in_use", []),
        }
        self.assertEqual({path: (row["class"], row["services"]) for path, row in found.items()}, expected)

    def test_programs(self):
        """Programs that units and processes name are not read; other files beside them are."""
        program, plain = self.write("lib/program", b"x" * 100), self.write("lib/a.pem", made.certificate("self"))
        os.chmod(program, 0o755)
        self.write("etc/text", b"x" * 100)
        with mock.patch.object(paths_table, "PROGRAM_FOLDERS", (os.fsencode(self.path("lib/")),)):
            answer = self.scan(others=[os.fsencode(program), os.fsencode(plain)], paths=[self.path("etc")])
        self.assertEqual((answer["summary"]["files"], [row["path"] for row in answer["places"]]), (2, [plain]))

    def test_by_link(self):
        """A service that names a link uses the file behind it."""
        target = self.write("real/a.pem", made.certificate("self"))
        link = self.link("etc/a.pem", target)
        row = self.places(services=[service("web", certificate=link)], paths=[self.path("etc")])[target]
        self.assertEqual((row["class"], row["services"], row["links"]), ("in_use", ["web"], [link]))

    def test_given_link(self):
        """A path that is given and is a link is a name of the file behind it, which it keeps from being history."""
        target = self.write(".certops-web/1/a.pem", made.certificate("self"))
        row = self.places(paths=[self.link("a.pem", target)])[target]
        self.assertEqual((row["class"], row["links"]), ("installed", [self.path("a.pem")]))

    def test_folder(self):
        """Every file of a folder that a service loads is in use, what lies deeper is not."""
        self.write("crt/a.pem", made.certificate("self"))
        self.write("crt/deep/b.pem", made.certificate("self"))
        found = self.places(services=[service("proxy", folder=self.path("crt"))])
        self.assertEqual({path[len(self.top) + 1 :]: row["class"] for path, row in found.items()}, {"crt/a.pem": "in_use", "crt/deep/b.pem": "installed"})

    def test_missing(self):
        """What a service names and is not there is a problem that names the service."""
        answer = self.scan([service("web", certificate=self.path("gone.pem"))])
        self.assertEqual(answer["problems"], [{"path": self.path("gone.pem"), "reason": "named by web: No such file or directory"}])


class Bundles(Tree):
    def roots(self, count):
        """Anchors of their own."""
        return [made.certificate(f"root{number}", ca=True) for number in range(count)]

    def test_file(self):
        """A file of anchors is one bundle however often it lies there; its certificates are told once, and not again when it is known."""
        content = b"".join(self.roots(3))
        for name in ("a/ca.pem", "b/ca.pem"):
            self.write(name, content)
        answer = self.scan()
        bundle = answer["bundles"][0]
        self.assertEqual((len(answer["bundles"]), answer["places"], bundle["sha256"]), (1, [], hashlib.sha256(content).hexdigest()))
        self.assertEqual((bundle["count"], bundle["certificates"]), (3, [made.digest(root) for root in self.roots(3)]))
        self.assertEqual(
            [(place["path"], place["class"]) for place in bundle["places"]], [(self.path(name), "trust_copy") for name in ("a/ca.pem", "b/ca.pem")]
        )
        self.assertEqual(len(answer["certificates"]), 3)
        known = self.scan(known_bundles=[bundle["sha256"]])
        self.assertEqual((known["bundles"][0]["certificates"], known["certificates"]), (None, {}))

    def test_no_bundle(self):
        """A chain, a leaf with its chain, one anchor, anchors beside a key, and anchors that a service names in a short file are places."""
        root, intermediate, leaf = (
            made.certificate("root", ca=True),
            made.certificate("intermediate", ca=True, issuer="root"),
            made.certificate("leaf", issuer="root"),
        )
        self.write("chain.pem", intermediate, root)
        self.write("full.pem", leaf, root)
        self.write("one.pem", root)
        self.write("key.pem", made.key(), *self.roots(2))
        self.write("clients.pem", *self.roots(2))
        answer = self.scan([service("web", chain=self.path("clients.pem"))])
        self.assertEqual((answer["bundles"], len(answer["places"])), ([], 9))

    def test_trust_store(self):
        """The anchors of a trust store's folder are one bundle whatever their files and links are called; other certificates in it stay places."""
        store = self.trust("store")
        for number, root in enumerate(self.roots(4)):
            self.link(f"etc/certs/{number:08x}.0", self.write(f"store/mozilla/{number}.crt", root))
        self.write("store/mozilla/server.pem", made.certificate("leaf", issuer="root"))
        self.write("store/mozilla/self.pem", made.certificate("selfca", ca=True))
        self.write("private/self.key", made.key("ec", "selfca"))
        answer = self.scan()
        digests = sorted(made.digest(root) for root in self.roots(4))
        bundle = answer["bundles"][0]
        self.assertEqual((len(answer["bundles"]), bundle["certificates"]), (1, digests))
        self.assertEqual(bundle["sha256"], hashlib.sha256("\n".join(digests).encode()).hexdigest())
        self.assertEqual([(place["path"], place["links"]) for place in bundle["places"]], [(store + "/mozilla", [self.path("etc/certs")])])
        self.assertEqual([row["path"] for row in answer["places"]], [self.path("store/mozilla/self.pem"), self.path("store/mozilla/server.pem")])

    def test_trust_store_in_use(self):
        """A service that names the trust store's folder does not turn its anchors into places; one that names a single file does."""
        self.trust("store")
        for number, root in enumerate(self.roots(3)):
            self.write(f"store/{number}.crt", root)
        answer = self.scan([service("web", folder=self.path("store")), service("vpn", chain=self.path("store/1.crt"))])
        self.assertEqual([(row["path"], row["class"], row["services"]) for row in answer["places"]], [(self.path("store/1.crt"), "in_use", ["vpn"])])
        self.assertEqual([row["count"] for row in answer["bundles"]], [2])

    def test_classes(self):
        """The path of a place says its class; the best of several paths counts."""
        for name in ("a.pem.bak", "tests/a.pem", "a.pem", "backups/x/a.pem", "ssl-cert-snakeoil.pem"):
            self.write(name, made.certificate("self"))
        self.link("linked.pem", "tests/a.pem")
        expected = {
            "a.pem.bak": "backup",
            "tests/a.pem": "installed",
            "a.pem": "installed",
            "backups/x/a.pem": "backup",
            "ssl-cert-snakeoil.pem": "test_or_package",
        }
        self.assertEqual({path[len(self.top) + 1 :]: row["class"] for path, row in self.places().items()}, expected)


class Limits(Tree):
    def test_out_of_time(self):
        """When the time is over, what was not looked at is told and the answer is not complete."""
        self.write("a/a.pem", made.certificate("self"))
        answer = self.scan(max_seconds=0, services=[service("web", certificate="/srv/tls/a.pem")])
        self.assertEqual((answer["complete"], answer["places"]), (False, []))
        self.assertEqual(answer["left_over"], sorted(["/srv/tls", "/" + "/".join(self.top.split("/")[1:3])]))

    def test_done(self):
        """Paths that were walked to their end are told, those that are not there among them, and each that was left out."""
        self.write("a/.git/a.pem", made.certificate("self"))
        self.write("b/.git/b.pem", made.certificate("self"))
        with mock.patch.multiple(paths_table, DEFAULT_PATHS=(os.fsencode(self.top), b"/nonexistent"), HOME=b"/no/home"):
            answer = self.scan(paths=None)
        self.assertEqual(answer["done"], sorted(["/nonexistent", self.top]))
        self.assertEqual(answer["unseen"], [self.path("a/.git"), self.path("b/.git")])
        self.assertEqual(self.scan(max_seconds=0)["done"], [])
        self.assertEqual(self.scan(paths=[self.path("gone"), self.path("a/.git/a.pem")])["done"], [self.path("a/.git/a.pem")])

    def test_missing_paths(self):
        """A path that is given and not there is a problem; a file may be given as well."""
        path = self.write("a.pem", made.certificate("self"))
        answer = self.scan(paths=[path, self.path("gone")])
        self.assertEqual([row["path"] for row in answer["places"]], [path])
        self.assertEqual(answer["problems"], [{"path": self.path("gone"), "reason": "No such file or directory"}])

    def test_given_folder(self):
        """A folder that is given is looked at even if the table leaves it out below others."""
        path = self.write("node_modules/a.pem", made.certificate("self"))
        self.assertEqual(self.scan()["places"], [])
        self.assertEqual([row["path"] for row in self.scan(paths=[self.path("node_modules")])["places"]], [path])

    def test_exclude(self):
        """What the user excludes is left out, also when a service names it."""
        path = self.write("a/x.pem", made.certificate("self"))
        answer = self.scan([service("web", certificate=path)], exclude=["*.pem"])
        self.assertEqual(answer["places"], [])
        self.assertEqual({row["reason"] for row in answer["skipped"]}, {"excluded"})

    def test_refused_arguments(self):
        """Sizes and paths that make no sense are refused in a sentence."""
        for given, text in (
            ({"paths": ["etc"]}, "paths must be absolute, got 'etc'"),
            ({"paths": ["/etc/\\x00"]}, "paths must be absolute, got"),
            ({"max_file_size": 0}, "max_file_size must be between 44 and 1073741824 bytes, got 0"),
            ({"nice": 20}, "nice must be between 0 and 19, got 20"),
            ({"max_seconds": -1}, "max_seconds must be a number of seconds, or 0 for no limit, got -1"),
            ({"cache_days": -1}, "cache_days must be a number of days, or 0 for none, got -1"),
            ({"store_passwords": ["good", "two\nlines"]}, "store_passwords must be printable texts of at most 1000 bytes; one is not$"),
            ({"store_passwords": ["long" * 251]}, "store_passwords must be printable texts of at most 1000 bytes; one is not$"),
        ):
            with self.subTest(given=given), self.assertRaisesRegex(HostError, text):
                scan.Options.from_args(arguments(**given))

    def test_default_paths(self):
        """Without paths those of the table are walked, the home folders on request only."""
        folders = [self.write(f"{name}/a.pem", made.certificate("self")) for name in ("etc", "srv", "home/user")]
        table = tuple(os.fsencode(self.path(name)) for name in ("etc", "srv", "gone"))
        with mock.patch.object(paths_table, "DEFAULT_PATHS", table), mock.patch.object(paths_table, "HOME", os.fsencode(self.path("home"))):
            answer = self.scan(paths=None)
            self.assertEqual(([row["path"] for row in answer["places"]], answer["problems"]), (folders[:2], []))
            self.assertEqual(sorted(row["path"] for row in self.scan(paths=None, home=True)["places"]), sorted(folders))
