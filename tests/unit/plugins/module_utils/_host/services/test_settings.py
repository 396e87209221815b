# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The languages that many servers share, what rows make of them, and what hostile files do to their readers."""

import os
import shutil
import tempfile
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Findings, Listener, Reader
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_exim import read_exim
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_prosody import read_prosody
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_settings import read_settings
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries
from ansible_collections.certops.fleet.plugins.module_utils._host.services.settings import Settings, Words

LINES = b"""
# a comment
Plain value of words
equal = "quoted # text"   # behind
colon: text ; behind
joined \\
  line
[Section One]
Key-One = 'x'
section two {
  inner {
    deep = 1
  }
  host "a" {
    cert = </a.pem
  }
}
"""
YAML = b"""---
top: value # behind
map:
  Key-One: "quoted"
  list:
  - a
  - 'b'
flow: [x, "y"]
inline: {a: 1, b: two}
listen:
  -
    port: 1
    tls: true
  - port: 2
after: yes
"""
XML = b"""<?xml version='1.0'?><a:root one="1"><Host name="x"><cert>/a.pem</cert></Host></a:root>"""


class Case(unittest.TestCase):
    def setUp(self):
        """A folder for configurations."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        """Write a file below the folder."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return os.fsencode(path)

    def settings(self, language, content, scopes=(), includes=(), continued=False):
        """All scopes of one file, each as its word and values, and the problems."""
        settings = Settings(Reader(Findings()), Words(frozenset(scopes), frozenset(includes), continued))
        settings.read(language, self.write("main.conf", content))
        return [(scope.word, scope.values) for scope in settings.scopes], settings.reader.findings.problems

    def found(self, language, content, **reads):
        """The findings of an entry with these rows."""
        files = [{"certificate": "cert", "key": "key"}]
        entry = {"name": "x", "syntax": language, "reads": dict({"files": files, "ports": [{"setting": "port"}]}, **reads)}
        findings = Findings()
        read_settings(check_entries([entry])[-1], self.write("main.conf", content), Reader(findings), (), set())
        return findings


class Languages(Case):
    def test_lines(self):
        """Pairs in each way of writing them, sections as prefixes, and those that are scopes."""
        scopes, problems = self.settings("lines", LINES, scopes=("host",))
        plain = {"plain": [b"value of words"], "equal": [b"quoted # text"], "colon": [b"text"], "joined": [b"line"]}
        # A section in brackets lasts until the next of its kind.
        nested = {"section one.key_one": [b"x"], "section one.section two.inner.deep": [b"1"]}
        self.assertEqual(scopes, [("", dict(plain, **nested)), ("host", {"host": [b"a"], "cert": [b"/a.pem"]})])
        self.assertEqual(problems, [])

    def test_continued_lines(self):
        """Where the language has it, an indented line belongs to the one before, and a comment between them does not part them."""
        text = b"a = /x,\n# comment\n    /y\nb: /lo\n ng\n"
        self.assertEqual(self.settings("lines", text, continued=True)[0][0][1], {"a": [b"/x,   /y"], "b": [b"/long"]})

    def test_includes(self):
        """Files, folders and patterns that are included stand where the line stands; one that is absent is no problem, a circle is."""
        os.mkdir(os.path.join(self.folder, "more"))
        self.write("more/b.conf", b"c = 3\n")
        self.write("more/.hidden.conf", b"d = 4\n")
        self.write("a.inc", b"b = 2\ninclude more\ninclude main.conf\n")
        scopes, problems = self.settings("lines", b"include missing\ninclude *.inc\na = 1\n", includes=("include",))
        self.assertEqual(scopes[0][1], {"a": [b"1"], "b": [b"2"], "c": [b"3"]})
        self.assertEqual(problems, [f"{self.folder}/main.conf includes itself"])

    def test_yaml_and_json(self):
        """Mappings and lists are settings by their path, the items of a list that is a scope are scopes."""
        scopes, _problems = self.settings("yaml", YAML, scopes=("listen",))
        root = {"top": [b"value"], "map.key_one": [b"quoted"], "map.list": [b"a", b"b"], "flow": [b"x", b"y"], "inline.a": [b"1"], "inline.b": [b"two"]}
        self.assertEqual(scopes[0][1], dict(root, after=[b"yes"]))
        self.assertEqual([values for _word, values in scopes[1:]], [{"listen": [b""], "port": [b"1"], "tls": [b"true"]}, {"listen": [b""], "port": [b"2"]}])
        scopes, _problems = self.settings("yaml", b'{"a": {"B-c": [1, true, null]}, "listen": [{"port": 3}]}', scopes=("listen",))
        self.assertEqual(scopes[0][1], {"a.b_c": [b"1", b"true"]})
        self.assertEqual(scopes[1][1], {"listen": [b""], "port": [b"3"]})

    def test_environment(self):
        """A file of variables stands where YAML is expected, too, as for etcd; text in YAML that looks like one is no variable."""
        for text in (b"A_B=/x\n", b"\r\n# c\n\n  # d\nA_B='/x'\n", b'A_B="/x" # why\n'):
            self.assertEqual(self.settings("yaml", text)[0][0][1], {"a_b": [b"/x"]}, text)
        self.assertEqual(self.settings("yaml", b"a:\n  A=/x\nb: 1\n")[0][0][1], {"a": [b"A=/x"], "b": [b"1"]})

    def test_xml(self):
        """Attributes and texts are settings of their elements; a document type is refused."""
        scopes, _problems = self.settings("xml", XML, scopes=("host",))
        self.assertEqual([values for _word, values in scopes], [{"root.one": [b"1"]}, {"host": [b""], "name": [b"x"], "cert": [b"/a.pem"]}])
        bomb = b"<!DOCTYPE a [<!ENTITY x '" + b"y" * 1000 + b"'>]><a>" + b"&x;" * 10000 + b"</a>"
        for content, told in ((bomb, "it has a document type"), (b"<a><b></a>", "mismatched tag"), (b"", "no element found")):
            self.assertIn(f"is not understood to its end: {told}", self.settings("xml", content)[1][0])

    def test_hostile_files(self):
        """Random bytes, endless lines, and depth beyond measure cost little time and end nothing."""
        begin = time.monotonic()
        for content in (
            os.urandom(50000),
            b"{" * 50000,
            b'{"a":' * 25000 + b"1" + b"}" * 25000,
            b"a {\n" * 25000,
            b"[x]\n" * 50000,
            b"<x>\n" * 50000,
            b"- " * 25000,
            b"a: " * 25000 + b"\n",
            b"a:\n".join(b" " * depth for depth in range(400)),
            b"#\n" * 50000,
            b" \n" * 50000,
            b"\n" * 50000 + b"A",
            b"key = " + b" " * 8000 + b"#x\n",
            (b"a" * 8000 + b"\n") * 100,
            b"x = {" + b"a" * 8000 + b"}\n",
        ):
            for language in ("lines", "yaml", "xml"):
                for scopes in ((), ("*",)):
                    self.settings(language, content, scopes=scopes, includes=("include",), continued=True)
            for read in (read_exim, read_prosody):
                entry = check_entries([{"name": "x", "syntax": "exim", "reads": {"files": [{"certificate": "c"}]}}])[-1]
                read(entry, self.write("main.conf", content), Reader(Findings()), (), set())
        self.assertLess(time.monotonic() - begin, 60)


class Rows(Case):
    def test_variables(self):
        """A setting may name another one; a variable that is not known is told, and no path is made of it."""
        findings = self.found("lines", b"dir = /d\nbase = $dir/${more}\nmore = m\ncert = $(base)/a.pem\nkey = $nobody/a.key\n")
        self.assertEqual([(use.certificate, use.key) for use in findings.uses], [(b"/d/m/a.pem", b"/d/m/a.pem")])
        self.assertIn("key '$nobody/a.key' cannot be followed, because its variable is not known", findings.problems[0])
        self.assertIn("cannot be followed", self.found("lines", b"cert = $cert\n").problems[0])

    def test_scopes_inherit(self):
        """A scope without files of its own has those around it, and its own listeners."""
        first, second = ((Listener("127.0.0.1", port),) for port in (1, 2))
        text = b"cert = /a.pem\n[one]\nport = 1\n[two]\nport = 2\ncert = /b.pem\n[three]\nother = x\n"
        uses = self.found("lines", text, scopes=["*"]).uses
        self.assertEqual([(use.certificate, use.listeners) for use in uses], [(b"/a.pem", first), (b"/b.pem", second)])

    def test_addresses(self):
        """Every way to say where to listen."""
        for value, address, port in (
            (b"443", "127.0.0.1", 443),
            (b"*:443", "127.0.0.1", 443),
            (b"[::]:443", "::1", 443),
            (b":::443", "::1", 443),
            (b"192.0.2.1:443", "192.0.2.1", 443),
            (b"tcp://0.0.0.0:443", "127.0.0.1", 443),
            (b"https://host.example:443/", "127.0.0.1", 443),
            (b"443 192.0.2.1", "192.0.2.1", 443),
        ):
            with self.subTest(value=value):
                (use,) = self.found("lines", b"cert = /a.pem\nport = " + value + b"\n").uses
                self.assertEqual(use.listeners, (Listener(address, port),))
        (use,) = self.found("lines", b"cert = /a.pem\nport = https://192.0.2.1:1,http://192.0.2.1:2, https://192.0.2.1:3\n").uses
        self.assertEqual(use.listeners, (Listener("192.0.2.1", 1), Listener("192.0.2.1", 3)))
        for value in (b"0", b"65536", b"/run/x.sock", b"unix:///run/x", b"http://192.0.2.1:80", b"no"):
            with self.subTest(value=value):
                self.assertEqual(self.found("lines", b"cert = /a.pem\nport = " + value + b"\n").uses[0].listeners, ())

    def test_exim(self):
        """Macros and conditions on them are followed, what stands behind `begin` is not of the server."""
        text = b".ifdef NO\ntls_certificate = /no\n.else\nDIR = /d\n.endif\n.ifndef DIR\ntls_certificate = /no\n.endif\n"
        text += b"tls_certificate = DIR/a.pem\nbegin acl\n"
        entry = next(each for each in check_entries([]) if each["name"] == "exim")
        findings = Findings()
        read_exim(entry, self.write("exim.conf", text + b"tls_certificate = /no\n"), Reader(findings), (), set())
        self.assertEqual([use.certificate for use in findings.uses], [b"/d/a.pem"])


if __name__ == "__main__":
    unittest.main()
