# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy's configuration says about certificates."""

import os
import shutil
import tempfile
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader, Use
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_haproxy import read_haproxy

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
V4 = Listener("127.0.0.1", 443)
COMBINED = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"
ALONE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


class Haproxy(unittest.TestCase):
    def setUp(self):
        """A folder for configurations and certificates."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text=COMBINED):
        """Write a file below the folder."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return os.fsencode(path)

    def read(self, text):
        """Read `text` as haproxy.cfg."""
        findings = Findings()
        read_haproxy([self.write("haproxy.cfg", text)], Reader(findings))
        return findings

    def bind(self, options, before=""):
        """The uses of a bind line in a frontend; there is no problem."""
        findings = self.read(f"{before}\nfrontend x\n  bind {options}\n")
        self.assertEqual(findings.problems, [])
        return findings.uses


class Binds(Haproxy):
    def test_debian(self):
        """Debian's own configuration has no certificate; its crt-base holds for a frontend put below."""
        with open(os.path.join(FIXTURES, "haproxy_debian", "etc", "haproxy", "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual((self.read(text).uses, self.read(text).problems), ([], []))
        uses = self.read(text + "\nfrontend www\n\tbind :443 ssl crt site.pem ca-file clients.pem\n").uses
        self.assertEqual(uses, [Use(b"/etc/ssl/private/site.pem", b"/etc/ssl/private/site.pem", listeners=(V4,)), Use(chain=b"/etc/ssl/certs/clients.pem")])

    def test_addresses(self):
        """Every form of an address with a port becomes one to connect to; sockets and the PROXY protocol are told."""
        for address, listeners in (
            (":443", (V4,)),
            ("*:443", (V4,)),
            ("0.0.0.0:443", (V4,)),
            ("ipv4@:443", (V4,)),
            (":::443", (Listener("::1", 443),)),
            ("[::]:443", (Listener("::1", 443),)),
            ("ipv6@:443", (Listener("::1", 443),)),
            ("2001:db8::7:443", (Listener("2001:db8::7", 443),)),
            ("192.0.2.7:8000-8010", (Listener("192.0.2.7", 8000),)),
            (":443,192.0.2.7:8443", (V4, Listener("192.0.2.7", 8443))),
            ("quic4@:443", ()),
        ):
            with self.subTest(address=address):
                self.assertEqual(self.bind(f"{address} ssl crt /a.pem")[0].listeners, listeners)
        for line, problem in (
            ("/run/x.sock ssl crt /a.pem", "the listener '/run/x.sock' is a socket without a port and is not looked at"),
            ("unix@x ssl crt /a.pem", "the listener 'unix@x' is a socket without a port and is not looked at"),
            ("abns@x:1 ssl crt /a.pem", "the listener 'abns@x:1' is a socket without a port and is not looked at"),
            (":443 accept-proxy ssl crt /a.pem", "the listener ':443' expects the PROXY protocol and is not looked at"),
            (":https ssl crt /a.pem", "the listener ':https' is not understood"),
            (":0 ssl crt /a.pem", "the listener ':0' is not understood"),
        ):
            with self.subTest(line=line):
                findings = self.read("frontend x\nbind " + line)
                self.assertEqual(findings.problems, [f"{self.folder}/haproxy.cfg: {problem}"])
                self.assertEqual(findings.uses, [Use(b"/a.pem", b"/a.pem")])

    def test_without_tls(self):
        """A bind line without ssl has nothing to look at."""
        self.assertEqual(self.bind(":443 crt /a.pem"), [Use(b"/a.pem", b"/a.pem")])

    def test_combined_and_separate_keys(self):
        """The key is in the file; when it is not, in the file's name with .key behind it, or in its place with ssl-load-extra-del-ext."""
        combined, alone = self.write("both.pem"), self.write("alone.crt", ALONE)
        self.write("both.pem.key", "")
        beside, instead = self.write("alone.crt.key"), self.write("alone.key")
        for before, file, key in (
            ("", combined, combined),
            ("", alone, beside),
            ("global\n ssl-load-extra-del-ext", alone, instead),
            ("global\n ssl-load-extra-files none", alone, alone),
            ("global\n ssl-load-extra-files sctl key", alone, beside),
            ("", b"/missing.pem", b"/missing.pem"),
        ):
            with self.subTest(before=before, file=file):
                self.assertEqual(self.bind(":443 ssl crt " + os.fsdecode(file), before), [Use(file, key, listeners=(V4,))])

    def test_folder(self):
        """Of a folder each file counts in the order of names, but no dot file, no key, issuer, OCSP or SCT file, and no folder in it."""
        for name in ("b.pem", "a.pem", ".hidden.pem", "a.pem.ocsp", "a.pem.issuer", "a.pem.sctl", "sub/c.pem", "z.pem.rsa", "without-an-ending"):
            self.write("certs/" + name)
        self.write("certs/k.crt", ALONE)
        key = self.write("certs/k.crt.key")
        certs = os.fsencode(self.folder) + b"/certs"
        uses = self.bind(f":443 ssl crt {self.folder}/certs/")
        self.assertEqual(
            [use.certificate for use in uses], [certs + b"/" + name for name in (b"a.pem", b"b.pem", b"k.crt", b"without-an-ending", b"z.pem.rsa")]
        )
        self.assertEqual({use.folder for use in uses}, {certs})
        self.assertEqual([use.key for use in uses if use.key != use.certificate], [key])
        os.makedirs(os.path.join(self.folder, "empty"))
        self.assertEqual(self.bind(f":443 ssl crt {self.folder}/empty"), [Use(folder=os.fsencode(self.folder) + b"/empty", listeners=(V4,))])

    def test_bundle(self):
        """A name that is no file stands for the files of several kinds of keys, unless that is switched off."""
        files = [self.write("site.pem.rsa"), self.write("site.pem.ecdsa")]
        base = os.path.join(self.folder, "site.pem")
        self.assertEqual([use.certificate for use in self.bind(":443 ssl crt " + base)], files)
        self.assertEqual([use.certificate for use in self.bind(":443 ssl crt " + base, "global\nssl-load-extra-files none")], [os.fsencode(base)])

    def test_list(self):
        """A crt-list gives each file its names and anchors; crt-base holds in it; negative and wildcard filters are not asked for."""
        self.write(
            "list",
            "cert1.pem !*\n# comment.pem\n\n  /two.pem [alpn h2,http/1.1 ca-file /clients.pem verify required] Two.example !three.example *.wild.example\n"
            "/two.pem\tmore.example\n",
        )
        self.assertEqual(
            self.bind(f":443 ssl crt /first.pem crt-list {self.folder}/list", "global\ncrt-base /base"),
            [
                Use(b"/first.pem", b"/first.pem", listeners=(V4,)),
                Use(b"/base/cert1.pem", b"/base/cert1.pem", listeners=(V4,)),
                Use(chain=b"/clients.pem"),
                Use(b"/two.pem", b"/two.pem", names=("two.example", "more.example"), listeners=(V4,)),
            ],
        )
        self.assertEqual(self.read("frontend x\nbind :443 ssl crt-list /missing").problems, ["/missing cannot be read: No such file or directory"])

    def test_store(self):
        """Certificates of a crt-store are used by their alias or name; one that is not there is told."""
        text = "crt-store web\ncrt-base /c\nkey-base /k\nload crt one.pem key one.key alias one\nload crt two.pem\n"
        uses = self.bind(":443 ssl crt @web/one crt @web/two.pem", text)
        self.assertEqual(uses, [Use(b"/c/one.pem", b"/k/one.key", listeners=(V4,)), Use(b"/c/two.pem", b"/c/two.pem", listeners=(V4,))])
        self.assertEqual(self.read("frontend x\nbind :443 ssl crt @web/no").problems, [f"{self.folder}/haproxy.cfg: crt '@web/no' is in no crt-store"])

    def test_servers_and_peers(self):
        """Certificates shown to servers behind it have no listener; peers have one, with the options of default-bind."""
        self.assertEqual(
            self.read(
                "backend b\ndefault-server ssl crt /default.pem\nserver s 192.0.2.1:443 ssl verify required ca-file /backends.pem crt /client.pem\n"
                "peers p\ndefault-bind ssl crt /peer.pem\nbind 192.0.2.7:1024\n"
                "backend c\nserver s 192.0.2.1:443 ssl ca-file @system-ca\n"
            ).uses,
            [
                Use(b"/default.pem", b"/default.pem"),
                Use(chain=b"/backends.pem"),
                Use(b"/client.pem", b"/client.pem"),
                Use(b"/peer.pem", b"/peer.pem", listeners=(Listener("192.0.2.7", 1024),)),
            ],
        )


class Language(Haproxy):
    def test_words(self):
        """Quotes, escapes and comments are read as HAProxy reads them."""
        for word, path in (
            ('"/a b.pem"', b"/a b.pem"),
            ("'/a\\ \"$b.pem'", b'/a\\ "$b.pem'),
            ("/a\\ b.pem", b"/a b.pem"),
            ("/a\\#b\\x2epem", b"/a#b.pem"),
            ("/\"a b\"'c d'e.pem", b"/a bc de.pem"),
            ('"/a\\"b.pem"', b'/a"b.pem'),
            ("/a.pem#comment crt /no", b"/a.pem"),
            ("/a.pem\r", b"/a.pem"),
            ("/$a.pem", b"/$a.pem"),
        ):
            with self.subTest(word=word):
                findings = self.read("frontend x\nbind :443 ssl crt " + word + "\n")
                self.assertEqual([use.certificate for use in findings.uses], [path])

    def test_variables(self):
        """Variables count in double quotes alone; setenv, presetenv and defaults are followed, others told."""
        before = "global\nsetenv A /one\npresetenv A /no\npresetenv B /two\nsetenv C x\nunsetenv C\n"
        for word, path in (('"$A/a"', b"/one/a"), ('"${B}/a"', b"/two/a"), ('"${C-/three}/a"', b"/three/a"), ('"\\$A/a"', b"/$A/a"), ('"$C/a"', None)):
            with self.subTest(word=word):
                findings = self.read(f"{before}frontend x\nbind :443 ssl crt {word}\n")
                self.assertEqual([use.certificate for use in findings.uses], [path] if path else [])
                told = f"{self.folder}/haproxy.cfg: '$C/a' cannot be followed, because its variable is not known"
                self.assertEqual(findings.problems, [] if path else [told])

    def test_relative_paths(self):
        """Relative paths begin at the bases, at default-path, else at the folder in which systemd starts it."""
        for before, path in (
            ("", b"/a.pem"),
            ("global\ndefault-path config", os.fsencode(self.folder) + b"/a.pem"),
            ("global\ndefault-path parent", os.path.dirname(os.fsencode(self.folder)) + b"/a.pem"),
            ("global\ndefault-path origin /srv", b"/srv/a.pem"),
            ("global\ncrt-base /base", b"/base/a.pem"),
        ):
            with self.subTest(before=before):
                self.assertEqual(self.bind(":443 ssl crt a.pem", before)[0].certificate, path)

    def test_several_files(self):
        """Several files are read in their order, of a folder those that end with .cfg; settings of the first hold in the others."""
        first = self.write("one.cfg", "global\ncrt-base /base\n")
        for name in ("20.cfg", "10.cfg", ".cfg", "30.txt", "40.cfg/sub.cfg"):
            self.write("conf.d/" + name, f"bind :443 ssl crt /in-no-section\nfrontend x\nbind :443 ssl crt {name}\n")
        findings = Findings()
        read_haproxy([first, os.fsencode(self.folder) + b"/conf.d"], Reader(findings))
        self.assertEqual([use.certificate for use in findings.uses if b"base" in use.certificate], [b"/base/10.cfg", b"/base/20.cfg"])

    def test_broken_lines(self):
        """A line that cannot be read is told, the others count."""
        findings = self.read("frontend x\nbind :443 ssl crt 'x\nbind :443 ssl crt \"x\nbind\nbind :443 ssl crt\nbind :443 ssl crt /a.pem\nserver\n")
        self.assertEqual([use.certificate for use in findings.uses], [b"/a.pem"])
        self.assertEqual(findings.problems, [f"{self.folder}/haproxy.cfg: line {number} has a quote that does not end, or is too long" for number in (2, 3)])


class Hostile(Haproxy):
    def test_large_and_odd_files(self):
        """Megabytes of whatever are read in seconds; devices, FIFOs and folders are not read as files."""
        os.mkfifo(os.path.join(self.folder, "fifo"))
        os.symlink("/dev/zero", self.write("certs/a.pem") + b".zero")
        for name, content in (
            ("quotes", b'"\\"' * 100000),
            ("quoted", b'"\\""\n' * 60000),
            ("words", b"a b\n" * 60000),
            ("binds", b"frontend x\n" + b"bind :443 ssl crt /a ca-file /b\n" * 10000),
            ("variables", b'global\nsetenv a "$a$a$a"\n' * 5000),
            ("random", os.urandom(1000000)),
        ):
            with self.subTest(name=name):
                begin = time.monotonic()
                self.read(content)
                self.assertLess(time.monotonic() - begin, 20)
        for path in ("fifo", "/dev/zero", "missing"):
            findings = Findings()
            read_haproxy([os.path.join(os.fsencode(self.folder), os.fsencode(path))], Reader(findings))
            self.assertEqual(len(findings.problems), 1)
        findings = self.read(f"frontend x\nbind :443 ssl crt {self.folder}/fifo crt-list {self.folder}/fifo crt {self.folder}/certs")
        self.assertEqual(findings.problems, [f"{self.folder}/fifo cannot be read: it is not a regular file"])


if __name__ == "__main__":
    unittest.main()
