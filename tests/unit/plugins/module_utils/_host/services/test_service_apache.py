# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of Apache's httpd says about certificates."""

import os
import shutil
import tempfile
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader, Use
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_apache import read_apache

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
V4, V6 = Listener("127.0.0.1", 443), Listener("::1", 443)


class Apache(unittest.TestCase):
    def setUp(self):
        """A folder for configurations."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        """Write a file below the folder."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, text, *arguments, name="httpd.conf"):
        """Read `text` as httpd.conf."""
        findings = Findings()
        read_apache(os.fsencode(self.write(name, text)), Reader(findings), arguments)
        return findings

    def uses(self, text, *arguments):
        """The uses; there is no problem."""
        findings = self.read(text, *arguments)
        self.assertEqual(findings.problems, [])
        return findings.uses


def vhost(inside, address="*:443"):
    """A virtual host with TLS."""
    return f"<VirtualHost {address}>\nSSLEngine on\n{inside}\n</VirtualHost>\n"


class Hosts(Apache):
    def test_debian(self):
        """Debian's own configuration with the site default-ssl enabled names the snake oil pair on port 443."""
        shutil.copytree(os.path.join(FIXTURES, "apache_debian", "etc", "apache2"), os.path.join(self.folder, "apache2"))
        findings = Findings()
        read_apache(os.fsencode(os.path.join(self.folder, "apache2", "apache2.conf")), Reader(findings))
        self.assertEqual(findings.problems, [])
        self.assertEqual(findings.uses, [Use(b"/etc/ssl/certs/ssl-cert-snakeoil.pem", b"/etc/ssl/private/ssl-cert-snakeoil.key", listeners=(V4,))])

    def test_debian_without_the_module(self):
        """Without mod_ssl there is no Listen for the site's port, and that is told."""
        shutil.copytree(os.path.join(FIXTURES, "apache_debian", "etc", "apache2"), os.path.join(self.folder, "apache2"))
        os.unlink(os.path.join(self.folder, "apache2", "mods-enabled", "ssl.load"))
        findings = Findings()
        read_apache(os.fsencode(os.path.join(self.folder, "apache2", "apache2.conf")), Reader(findings))
        self.assertEqual((findings.problems, findings.uses[0].listeners), (["the virtual host '*:443' has no Listen line"], ()))

    def test_pairs(self):
        """Certificates and keys belong together by their order; without a key directive the key is in the certificate's file; the chain is told."""
        self.assertEqual(
            self.uses(
                "Listen 443\n"
                + vhost("ServerName a.example\nSSLCertificateFile /rsa\nSSLCertificateKeyFile /rsa.key\nSSLCertificateFile /ec\nSSLCertificateKeyFile /ec.key")
                + vhost("ServerName b.example\nSSLCertificateFile /both\nSSLCertificateChainFile /chain")
            ),
            [
                Use(b"/rsa", b"/rsa.key", names=("a.example",), listeners=(V4,)),
                Use(b"/ec", b"/ec.key", names=("a.example",), listeners=(V4,)),
                Use(b"/both", b"/both", b"/chain", names=("b.example",), listeners=(V4,)),
            ],
        )

    def test_main_server(self):
        """What the main server states counts in virtual hosts that do not state it, and is known without them, too."""
        main = "Listen 443\nServerName main.example\nSSLEngine on\nSSLCertificateFile /m\nSSLCertificateKeyFile /m.key\n"
        self.assertEqual(self.uses(main), [Use(b"/m", b"/m.key", names=("main.example",), listeners=(V4,))])
        self.assertEqual(
            self.uses(main + "<VirtualHost *:443>\nServerName v.example\n</VirtualHost>\n"), [Use(b"/m", b"/m.key", names=("v.example",), listeners=(V4,))]
        )
        self.assertEqual(
            self.uses(main + "<VirtualHost *:443>\nSSLCertificateFile /v\n</VirtualHost>\n"),
            [Use(b"/v", b"/m.key", listeners=(V4,)), Use(b"/m", b"/m.key", names=("main.example",))],
        )

    def test_names(self):
        """ServerName may have a scheme and a port; of aliases only whole DNS names are asked for."""
        inside = "ServerName https://Shop.Example:443\nServerAlias www.shop.example *.shop.example\nServerAlias 192.0.2.1 b.example\nSSLCertificateFile /a"
        self.assertEqual(self.uses("Listen 443\n" + vhost(inside))[0].names, ("shop.example", "www.shop.example", "b.example"))

    def test_addresses(self):
        """The Listen lines say where a virtual host's address is to be connected to."""
        for listen, address, listeners in (
            ("Listen 443", "*:443", (V4,)),
            ("Listen 443 https", "_default_:443", (V4,)),
            ("Listen [::]:443", "*:443", (V6,)),
            ("Listen 192.0.2.7:443", "*:443", (Listener("192.0.2.7", 443),)),
            ("Listen 443", "192.0.2.7:443", (Listener("192.0.2.7", 443),)),
            ("Listen 443", "[2001:db8::7]:443", (Listener("2001:db8::7", 443),)),
            ("Listen 443\nListen 8443", "*", (V4, Listener("127.0.0.1", 8443))),
            ("Listen 443\nListen 8443", "*:8443 192.0.2.7:443", (Listener("127.0.0.1", 8443), Listener("192.0.2.7", 443))),
            ("Listen 443", "www.example:443", (Listener("www.example", 443),)),
        ):
            with self.subTest(listen=listen, address=address):
                self.assertEqual(self.uses(listen + "\n" + vhost("SSLCertificateFile /a", address))[0].listeners, listeners)
        for address in ("*:444", "[:443", "192.0.2.7:443"):
            with self.subTest(address=address):
                findings = self.read("Listen 192.0.2.9:443\n" + vhost("SSLCertificateFile /a", address))
                self.assertEqual(findings.problems, [f"the virtual host {address!r} has no Listen line"])

    def test_engine_off(self):
        """A pair in a host without TLS is named, but there is nothing to look at."""
        self.assertEqual(self.uses("Listen 443\n<VirtualHost *:443>\nSSLCertificateFile /a\n</VirtualHost>"), [Use(b"/a", b"/a")])

    def test_anchors_and_client_certificates(self):
        """Anchors are chains and folders, the proxy's own certificate a pair without listeners."""
        inside = "SSLCertificateFile /a\nSSLCACertificateFile /clients\nSSLProxyMachineCertificateFile /me\nSSLProxyCACertificatePath /anchors"
        self.assertEqual(self.uses("Listen 443\n" + vhost(inside))[1:], [Use(b"/me", b"/me"), Use(chain=b"/clients"), Use(folder=b"/anchors")])


class Language(Apache):
    def test_words(self):
        """Quotes, continued lines, comments, any case of names, CRLF."""
        for line, path in (
            ('SSLCertificateFile "/a b.pem"', b"/a b.pem"),
            ("sslcertificatefile '/a \"b.pem'", b'/a "b.pem'),
            ('SSLCERTIFICATEFILE "/a\\"b.pem"', b'/a"b.pem'),
            ("  SSLCertificateFile \\\n   /a.pem  ", b"/a.pem"),
            ("SSLCertificateFile /a#b.pem", b"/a#b.pem"),
            ("# SSLCertificateFile /no \\\nSSLCertificateFile /no\nSSLCertificateFile /a.pem", b"/a.pem"),
            ("SSLCertificateFile /a.pem\r", b"/a.pem"),
            ("SSLCertificateFile rel/a.pem", None),
        ):
            with self.subTest(line=line):
                self.assertEqual(self.uses(line)[0].certificate, path or os.fsencode(self.folder) + b"/rel/a.pem")

    def test_variables(self):
        """Define and the environment's file are followed, nothing in them is executed, and what is not known is told."""
        marker = os.path.join(self.folder, "executed")
        self.write(
            "envvars",
            f"unset HOME\nexport A=/one\nB=$A/two\nC='$A'\nexport D=\"${{B}}/x y\"\nE=`touch {marker}`\nF=$(touch {marker})\nG=${{A##x}}\n  SUFFIX=\n",
        )
        for text, path in (
            ("SSLCertificateFile ${A}/a", b"/one/a"),
            ("SSLCertificateFile ${B}/a${SUFFIX}", b"/one/two/a"),
            ("SSLCertificateFile /${C}/a", b"/$A/a"),
            ('SSLCertificateFile "${D}/a"', b"/one/two/x y/a"),
            ("Define A /other\nSSLCertificateFile ${A}/a", b"/other/a"),
            ("Define Z ${A}/z\nSSLCertificateFile ${Z}/a", b"/one/z/a"),
        ):
            with self.subTest(text=text):
                self.assertEqual(self.uses(text)[0].certificate, path)
        for name in ("E", "F", "G", "X"):
            findings = self.read("SSLCertificateFile ${" + name + "}/a")
            told = f"{self.folder}/httpd.conf: SSLCertificateFile '${{{name}}}/a' cannot be followed, because its variable is not known"
            self.assertEqual((findings.uses, findings.problems), ([], [told]))
        self.assertFalse(os.path.exists(marker))

    def test_server_root(self):
        """Paths are relative to ServerRoot, to -d, else to the folder above conf or the one of the file."""
        root = os.fsencode(self.folder)
        for name, text, arguments, path in (
            ("httpd.conf", "", (), root + b"/a"),
            ("conf/httpd.conf", "", (), root + b"/a"),
            ("conf/httpd.conf", 'ServerRoot "/srv/httpd"', (), b"/srv/httpd/a"),
            ("conf/httpd.conf", "", (b"-d", b"/opt/httpd"), b"/opt/httpd/a"),
        ):
            with self.subTest(name=name, text=text, arguments=arguments):
                self.assertEqual(self.read(text + "\nSSLCertificateFile a", *arguments, name=name).uses[0].certificate, path)

    def test_conditions(self):
        """Modules count when a LoadModule line names them, or when there is no such line; definitions when they are defined; requests always."""
        load = "LoadModule ssl_module modules/mod_ssl.so\n"
        for before, condition, counts in (
            ("", "IfModule ssl_module", True),
            (load, "IfModule ssl_module", True),
            (load, "IfModule mod_ssl.c", True),
            (load, "IfModule !mod_ssl.c", False),
            (load, "IfModule gnutls_module", False),
            (load, "IfModule !gnutls_module", True),
            (load, "IfModule so_module", True),
            ("", "IfDefine SSL", False),
            ("", "IfDefine !SSL", True),
            ("Define SSL\n", "IfDefine SSL", True),
            ("Define SSL\nUnDefine SSL\n", "IfDefine SSL", False),
            ("", "IfFile /etc/passwd", True),
            ("", "IfFile /nowhere", False),
            ("", "IfVersion >= 2.4", True),
            ("", "If \"%{HTTP_HOST} == 'x'\"", True),
            ("", "Directory /", True),
            ("<IfDefine NO>\n<IfModule ssl_module>\nDefine SSL\n</IfModule>\n</IfDefine>\n", "IfDefine SSL", False),
        ):
            with self.subTest(before=before, condition=condition):
                uses = self.uses(f"{before}<{condition}>\nSSLCertificateFile /a\n</{condition.split()[0].upper()}>\nSSLCertificateFile /b")
                self.assertEqual([use.certificate for use in uses], [b"/a", b"/b"] if counts else [b"/b"])
        self.assertEqual(len(self.uses("<IfDefine SSL>\nSSLCertificateFile /a\n</IfDefine>", b"-k", b"start", b"-DSSL")), 1)
        self.assertEqual(len(self.uses("<IfDefine SSL>\nSSLCertificateFile /a\n</IfDefine>", b"-D", b"SSL")), 1)

    def test_includes(self):
        """Files, wildcards also in folders, whole folders; a missing file is a problem only where it is needed."""
        for name in ("conf.d/a.conf", "sites/one/tls.conf", "sites/two/tls.conf", "all/x/y", "all/b"):
            self.write(name, f"SSLCertificateFile /{name}")
        self.write("conf.d/.hidden.conf", "SSLCertificateFile /hidden")
        uses = self.uses("Include conf.d/*.conf\nInclude sites/*/tls.conf\nIncludeOptional all\nIncludeOptional missing.conf\nIncludeOptional none/*.conf")
        self.assertEqual([use.certificate for use in uses], [b"/conf.d/a.conf", b"/sites/one/tls.conf", b"/sites/two/tls.conf", b"/all/b", b"/all/x/y"])
        self.assertEqual(self.read("Include missing.conf").problems, [f"{self.folder}/missing.conf cannot be read: No such file or directory"])

    def test_what_is_not_followed(self):
        """Macros, sections that do not fit, keys in tokens and endless lines are told."""
        for text, problem in (
            ("<Macro Site $n>\nSSLCertificateFile /$n\n</Macro>", "defines a macro 'Site'; macros are not followed"),
            ("</VirtualHost>", "has '</VirtualHost>' where no such section is open"),
            ("<VirtualHost *:1>\n</Directory>\n</VirtualHost>", "has '</Directory>' where no such section is open"),
            ("<VirtualHost *:1>", "ends within a section <virtualhost>"),
            ("<IfDefine X>\nSSLCertificateFile /x", "ends within a section <ifdefine>"),
            ("X " + "y" * 9000, "has a line of more than 8192 bytes, which was left out"),
        ):
            with self.subTest(text=text[:40]):
                self.write("broken.conf", text)
                findings = self.read("Include broken.conf\nSSLCertificateFile /a")
                self.assertEqual((findings.problems, [use.certificate for use in findings.uses]), ([f"{self.folder}/broken.conf {problem}"], [b"/a"]))
        findings = self.read("SSLCertificateFile /a\nSSLCertificateKeyFile pkcs11:token=x")
        self.assertEqual(findings.problems, [f"{self.folder}/httpd.conf: SSLCertificateKeyFile 'pkcs11:token=x' is not a file"])


class Hostile(Apache):
    def test_loops_and_large_files(self):
        """Loops end, and megabytes of whatever are read in seconds."""
        self.write("loop.conf", "Include loop.conf\nInclude l*.conf")
        self.write("define", "Define a 0123456789\n" + "Define a ${a}${a}\n" * 50 + "X ${a}${a}\n" * 10000)
        for name, content in (
            ("sections", b"<a>\n" * 100000),
            ("ends", b"</a>\n" * 100000),
            ("quotes", b'"\\"' * 100000),
            ("long", b"a \\\n" * 100000),
            ("variables", b"${a}${" * 100000),
            ("words", b"a b\n" * 60000),
            ("random", os.urandom(1000000).replace(b"\0", b"a")),
        ):
            self.write(name, content)
        for name in ("loop.conf", "define", "sections", "ends", "quotes", "long", "variables", "words", "random", "/dev/zero", "/dev"):
            with self.subTest(name=name):
                begin = time.monotonic()
                findings = self.read(f"Include {name}\nSSLCertificateFile /a")
                self.assertLess(time.monotonic() - begin, 20)
                self.assertEqual(findings.uses[-1].certificate, b"/a")


if __name__ == "__main__":
    unittest.main()
