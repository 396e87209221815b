# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx's configuration says about certificates."""

import os
import shutil
import tempfile
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader, Use
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_nginx import read_nginx

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
V4, V6 = Listener("127.0.0.1", 443), Listener("::1", 443)


class Nginx(unittest.TestCase):
    def setUp(self):
        """A folder for configurations."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        """Write a file below the folder."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, text, name="nginx.conf"):
        """Read `text` as nginx.conf."""
        findings = Findings()
        read_nginx(os.fsencode(self.write(name, text)), Reader(findings))
        return findings

    def http(self, text):
        """The uses of the inside of an http block; there is no problem."""
        findings = self.read("events {} http {" + text + "}")
        self.assertEqual(findings.problems, [])
        return findings.uses

    def path(self, name):
        """The bytes of a path in the folder."""
        return os.fsencode(os.path.join(self.folder, name))


class Servers(Nginx):
    def test_debian(self):
        """Debian's own configuration has no certificate; a site put beside the default one is found."""
        shutil.copytree(os.path.join(FIXTURES, "nginx_debian", "etc", "nginx"), os.path.join(self.folder, "nginx"))
        main = os.path.join(self.folder, "nginx", "nginx.conf")
        with open(main, encoding="utf-8") as file:
            text = file.read().replace("/etc/nginx/", os.path.join(self.folder, "nginx/"))
        self.assertEqual((self.read(text, "nginx/nginx.conf").uses, self.read(text, "nginx/nginx.conf").problems), ([], []))
        self.write("nginx/sites-enabled/shop", "server { listen 443 ssl; server_name shop.example; ssl_certificate ssl/a.pem; ssl_certificate_key ssl/a.key; }")
        self.assertEqual(
            self.read(text, "nginx/nginx.conf").uses,
            [Use(certificate=self.path("nginx/ssl/a.pem"), key=self.path("nginx/ssl/a.key"), names=("shop.example",), listeners=(V4,))],
        )

    def test_several_pairs_and_inheritance(self):
        """A server has its own pairs (RSA and ECDSA), another inherits those of http; own ones replace inherited ones as a whole."""
        uses = self.http(
            "ssl_certificate /h.pem; ssl_certificate_key /h.key;"
            "server { listen 443 ssl; listen [::]:443 ssl; server_name a.example b.example;"
            " ssl_certificate /rsa.pem; ssl_certificate_key /rsa.key; ssl_certificate /ec.pem; ssl_certificate_key /ec.key; }"
            "server { listen 443 ssl; server_name c.example; }"
        )
        self.assertEqual(
            uses,
            [
                Use(b"/rsa.pem", b"/rsa.key", names=("a.example", "b.example"), listeners=(V4, V6)),
                Use(b"/ec.pem", b"/ec.key", names=("a.example", "b.example"), listeners=(V4, V6)),
                Use(b"/h.pem", b"/h.key", names=("c.example",), listeners=(V4,)),
            ],
        )

    def test_pair_of_http_that_no_server_uses(self):
        """A certificate that is only named is known, without a listener."""
        self.assertEqual(
            self.http("ssl_certificate /h.pem; ssl_certificate_key /h.key; server { listen 80; ssl_certificate /s.pem; }")[-1], Use(b"/h.pem", b"/h.key")
        )

    def test_listen(self):
        """Every form of listen with TLS becomes an address to connect to."""
        for listen, listeners in (
            ("listen 443 ssl;", (V4,)),
            ("listen 443 ssl http2 default_server reuseport;", (V4,)),
            ("listen *:443 ssl;", (V4,)),
            ("listen [::]:443 ssl ipv6only=off;", (V6,)),
            ("listen [2001:db8::7]:8443 ssl;", (Listener("2001:db8::7", 8443),)),
            ("listen 192.0.2.7:8443 ssl;", (Listener("192.0.2.7", 8443),)),
            ("listen 192.0.2.7 ssl;", (Listener("192.0.2.7", 80),)),
            ("listen localhost:8443 ssl;", (Listener("localhost", 8443),)),
            ("listen 9000-9010 ssl;", (Listener("127.0.0.1", 9000),)),
            ("listen 8443; ssl on;", (Listener("127.0.0.1", 8443),)),
            ("ssl on;", (Listener("127.0.0.1", 80),)),
            ("listen 443 quic reuseport; listen 443 ssl;", (V4,)),
            ("listen 80;", ()),
            ("listen 443; # ssl\n", ()),
        ):
            with self.subTest(listen=listen):
                self.assertEqual(self.http("server { ssl_certificate /a; ssl_certificate_key /k; " + listen + "}")[0].listeners, listeners)

    def test_tls_belongs_to_the_address(self):
        """A server without the word ssl speaks TLS where another server switched it on for the address."""
        uses = self.http("server { listen 443 ssl; ssl_certificate /a; } server { listen *:443; ssl_certificate /b; }")
        self.assertEqual([use.listeners for use in uses], [(V4,), (V4,)])

    def test_names(self):
        """Only DNS names are asked for; of a name with a leading dot its own."""
        uses = self.http(
            'server { listen 443 ssl; ssl_certificate /a; server_name _ "" Shop.Example .dot.example *.wild.example mail.* ~^(?<x>.+)\\.re$ 192.0.2.1 "~^a{2}$"'
            " xn--bcher-kva.example; }"
        )
        self.assertEqual(uses[0].names, ("shop.example", "dot.example", "xn--bcher-kva.example"))

    def test_anchors_and_client_certificates(self):
        """Files of anchors are chains; what nginx shows to the servers behind it is a pair without a listener."""
        uses = self.http(
            "ssl_client_certificate /clients.pem; proxy_ssl_trusted_certificate /backends.pem;"
            "server { listen 443 ssl; ssl_certificate /a; ssl_certificate_key /k; ssl_trusted_certificate /ocsp.pem;"
            " location / { proxy_ssl_certificate /c.pem; location /x { proxy_ssl_certificate_key /c.key; } } location /g { grpc_ssl_certificate /g.pem; } }"
        )
        self.assertEqual(
            uses,
            [
                Use(b"/a", b"/k", listeners=(V4,)),
                Use(chain=b"/ocsp.pem"),
                Use(chain=b"/clients.pem"),
                Use(chain=b"/backends.pem"),
                Use(b"/c.pem"),
                Use(b"/c.pem", b"/c.key"),
                Use(b"/g.pem"),
            ],
        )

    def test_stream_and_mail(self):
        """Servers of stream and mail count, STARTTLS is not looked at."""
        findings = self.read(
            "stream { server { listen 636 ssl; ssl_certificate /s; } }"
            "mail { server { listen 993 ssl; ssl_certificate /m; } server { listen 143 ssl; starttls on; ssl_certificate /t; } }"
        )
        self.assertEqual(
            [(use.certificate, use.listeners) for use in findings.uses],
            [(b"/s", (Listener("127.0.0.1", 636),)), (b"/m", (Listener("127.0.0.1", 993),)), (b"/t", ())],
        )
        self.assertEqual(findings.problems, [f"{self.folder}/nginx.conf: the listener '143' speaks STARTTLS and is not looked at"])

    def test_same_files_in_several_servers(self):
        """One pair of files is one use with all its names and listeners."""
        one = "server { listen 443 ssl; server_name a.example; ssl_certificate /a; ssl_certificate_key /k; }"
        two = "server { listen 8443 ssl; server_name b.example a.example; ssl_certificate /a; ssl_certificate_key /k; }"
        self.assertEqual(self.http(one + two), [Use(b"/a", b"/k", names=("a.example", "b.example"), listeners=(V4, Listener("127.0.0.1", 8443)))])

    def test_what_cannot_be_followed(self):
        """Variables of a connection, data, engines, sockets and the PROXY protocol are told; a variable with one fixed text is followed."""
        for text, certificates, problem in (
            (
                "listen 443 ssl; ssl_certificate /c/$ssl_server_name.pem;",
                [],
                "ssl_certificate '/c/$ssl_server_name.pem' cannot be followed, because its variable",
            ),
            ("listen 443 ssl; ssl_certificate data:$cert;", [], "ssl_certificate is given as data, not as a file"),
            ("listen 443 ssl; ssl_certificate /a; ssl_certificate_key engine:pkcs11:x;", [b"/a"], "ssl_certificate_key 'engine:pkcs11:x' is not a file"),
            ("listen unix:/run/x ssl; ssl_certificate /a;", [b"/a"], "the socket 'unix:/run/x' is not looked at"),
            ("listen 443 ssl proxy_protocol; ssl_certificate /a;", [b"/a"], "the listener '443' expects the PROXY protocol and is not looked at"),
            ("listen [:443 ssl; ssl_certificate /a;", [b"/a"], "the listener '[:443' is not understood"),
            ("listen 70000 ssl; ssl_certificate /a;", [b"/a"], "the listener '70000' is not understood"),
            ("set $where /live; ssl_certificate ${where}/a.pem;", [b"/live/a.pem"], None),
            ("set $where /live; set $where /other; ssl_certificate $where/a.pem;", [], "ssl_certificate '$where/a.pem' cannot be followed"),
        ):
            with self.subTest(text=text):
                findings = self.read("http { server {" + text + "} }")
                self.assertEqual([use.certificate for use in findings.uses], certificates)
                self.assertEqual(
                    [told[: len(f"{self.folder}/nginx.conf: {problem}")] for told in findings.problems],
                    [f"{self.folder}/nginx.conf: {problem}"] if problem else [],
                )


class Language(Nginx):
    def test_words(self):
        """Quotes, escapes, comments and braces in words are read as nginx reads them."""
        for word, path in (
            ('"/a b.pem"', b"/a b.pem"),
            ("'/a\"b.pem'", b'/a"b.pem'),
            ('"/a\\"b;{}#.pem"', b'/a"b;{}#.pem'),
            ("/a#b.pem", b"/a#b.pem"),
            ("/a}b.pem", b"/a}b.pem"),
            ("/a\\;b.pem", b"/a\\;b.pem"),
            ("/a\\\\b.pem", b"/a\\b.pem"),
            ("# a comment; with }{\n /a.pem", b"/a.pem"),
            ("/\xe4.pem", "/\xe4.pem".encode()),
        ):
            with self.subTest(word=word):
                self.assertEqual(self.http("server{ssl_certificate " + word + ";}")[0].certificate, path)

    def test_blocks_with_a_language_of_their_own(self):
        """Maps with braces in quoted expressions and blocks of Lua, whatever braces they hold, are passed over."""
        self.assertEqual(
            self.http(
                'map $a $b { default x; "~^\\d{2}$" y; }'
                "init_by_lua_block { -- a comment }\n local a = \"}\" local b = '\\'}' --[[ } ]] local c = [==[ }} ]==] if a then x = { y = { } } end }"
                "server { ssl_certificate /a; }"
            ),
            [Use(b"/a")],
        )

    def test_includes(self):
        """Includes are relative to the folder of nginx.conf, also from a file in another one; wildcards leave dot files out and may match nothing."""
        self.write("conf.d/b.conf", "include snippets/tls.conf;")
        self.write("conf.d/a.conf", "include snippets/tls.conf; server { ssl_certificate a.pem; }")
        self.write("conf.d/.hidden.conf", "server { ssl_certificate /hidden; }")
        self.write("snippets/tls.conf", "server { ssl_certificate ../up.pem; }")
        uses = self.http("include conf.d/*.conf; include none/*;")
        self.assertEqual(
            [use.certificate for use in uses], [os.path.join(os.path.dirname(os.fsencode(os.path.realpath(self.folder))), b"up.pem"), self.path("a.pem")]
        )

    def test_errors_in_the_language(self):
        """A file with an error counts up to it; the rest of the configuration counts."""
        for text, problem in (
            ("server { ssl_certificate /a; } }", "unexpected '}'"),
            ("server { ssl_certificate /a; } {", "unexpected '{'"),
            ("server { ssl_certificate /a; } ;", "unexpected ';'"),
            ("server { ssl_certificate /a; } server { x y }", "unexpected '}'"),
            ("server { ssl_certificate /a; } server { ", "it ends within a directive or a block"),
            ("server { ssl_certificate /a; } server_name x", "it ends within a directive or a block"),
            ('server { ssl_certificate /a; }\n\n "x', "line 3 has a quote that does not end, or a stray backslash"),
            ("server { ssl_certificate /a; } \\", "line 1 has a quote that does not end, or a stray backslash"),
            ("server { ssl_certificate /a; } a_by_lua_block { x = '", "a block of Lua does not end"),
            ("server { ssl_certificate /a; } a_by_lua_block { [[ }", "a block of Lua does not end"),
            ("server { ssl_certificate /a; }" + "x {" * 200, "its blocks are more than 100 deep"),
        ):
            with self.subTest(text=text[:80]):
                self.write("broken.conf", text)
                findings = self.read("http { include broken.conf; server { ssl_certificate /b; } }")
                told = f"{self.folder}/broken.conf is not understood to its end: {problem}"
                self.assertEqual(findings.problems, [told])
                self.assertEqual([use.certificate for use in findings.uses], [b"/a", b"/b"])


class Hostile(Nginx):
    def test_loops(self):
        """Files that include themselves, each other, or ever more of each other end, and it is told."""
        self.write("self.conf", "include self.conf;")
        self.write("one.conf", "include two.conf;")
        self.write("two.conf", "include one.conf;")
        for number in range(40):
            self.write(f"wide{number}.conf", f"include wide{number + 1}.conf; include wide{number + 1}.conf;")
        for name, problem in (
            ("self.conf", f"{self.folder}/self.conf includes itself"),
            ("one.conf", f"{self.folder}/one.conf includes itself"),
            ("wide0.conf", f"{self.folder}/wide29.conf was not read, because more than 30 files include each other"),
        ):
            with self.subTest(name=name):
                begin = time.monotonic()
                findings = self.read("http { include " + name + "; server { ssl_certificate /a; } }")
                self.assertLess(time.monotonic() - begin, 10)
                self.assertEqual((findings.problems[0], [use.certificate for use in findings.uses]), (problem, [b"/a"]))

    def test_depth_over_files(self):
        """Blocks that are deep only because files include each other in them are bounded, too."""
        for number in range(40):
            self.write(f"deep{number}.conf", "x {" * 90 + f"include deep{number + 1}.conf;" + "}" * 90)
        self.assertIn("its blocks are more than 100 deep", self.read("http { include deep0.conf; }").problems[0])

    def test_files_that_are_none(self):
        """FIFOs, devices, folders, missing and unreadably large files are told and not opened or read."""
        os.mkfifo(os.path.join(self.folder, "fifo"))
        with open(os.path.join(self.folder, "large"), "wb") as file:
            file.truncate(1 << 33)
        for path, problem in (
            ("fifo", "it is not a regular file"),
            ("/dev/zero", "it is not a regular file"),
            (".", "it is not a regular file"),
            ("missing", "No such file or directory"),
            ("large", "it is larger than 8388608 bytes"),
        ):
            with self.subTest(path=path):
                findings = self.read("http { include " + path + "; server { ssl_certificate /a; } }")
                self.assertRegex(findings.problems[0], f" cannot be read: {problem}$")
                self.assertEqual(len(findings.uses), 1)

    def test_large_and_binary_files(self):
        """A megabyte of whatever is read in seconds, and nothing is raised."""
        for name, content in (
            ("words", b"a 1;" * 150000),
            ("quotes", b'"\\""' * 150000),
            ("opened", b'"\\"' * 150000),
            ("braces", b"{" * 1000000),
            ("blocks", b"a{}" * 30000),
            ("spaces", b" " * 1000000),
            ("random", os.urandom(300000)),
            ("random without NUL", os.urandom(300000).replace(b"\0", b"a")),
            ("lua", b"a_by_lua_block {" + b"[[" * 250000),
            ("lua strings", b"a_by_lua_block {" + b'"\\' * 250000),
        ):
            with self.subTest(name=name):
                self.write("hostile.conf", content)
                begin = time.monotonic()
                findings = self.read("http { include hostile.conf; server { ssl_certificate /a; } }")
                self.assertLess(time.monotonic() - begin, 10)
                self.assertEqual(findings.uses[-1].certificate, b"/a")


if __name__ == "__main__":
    unittest.main()
