# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans of stores of every kind, as tools of two origins made them, under names that say nothing."""

import base64
import json
import os
import random
import time

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan import test_scan
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored

LEAF = {"tls.crt": stored.content("leaf.pem"), "ca.crt": stored.content("ca.pem")}


class Stores(test_scan.Tree):
    def put(self, *names):
        """Write fixtures under other names, each into a folder of its own."""
        for name in names:
            self.write(f"{name}.d/data", stored.content(name))

    def test_everything(self):
        """Every fixture but those of users' SSH certificates and of encrypted messages gives what is in it."""
        self.put(*stored.names())
        answer = self.scan(store_passwords=["other", stored.PASSWORD])
        found = {os.path.basename(os.path.dirname(row["path"])) for name in ("places", "crls", "requests") for row in answer[name]}
        silent = {name for name in stored.names() if f"{name}.d" not in found}
        self.assertEqual({name for name in silent if not name.startswith("ssh-")}, {"cacerts", "openssl-encrypted.p7b"})
        counts = {name: answer["summary"][name] for name in ("bundles", "locked", "crls", "requests", "ssh_host_certificates")}
        self.assertEqual(counts, {"bundles": 1, "locked": 0, "crls": 6, "requests": 2, "ssh_host_certificates": 3})
        self.assertEqual(answer["problems"], [])
        self.assertEqual([row["reason"] for row in answer["skipped"]], ["PKCS #7 message that holds no certificates"])

    def test_aliases(self):
        """A place in a store has its alias, its key and its entry; a key its alias and the certificates that it fits."""
        self.put("keytool.jks")
        answer = self.scan()
        leaf = next(row for row in answer["places"] if row["alias"] == "leaf" and row["key"])
        self.assertEqual((leaf["format"], leaf["certificate"]), ("jks", made.hashlib.sha256(stored.certificate("leaf")).hexdigest()))
        self.assertEqual(leaf["key"], {"path": leaf["path"], "spki": stored.spki("leaf"), "encrypted": True})
        self.assertEqual({row["alias"]: row["matches"] for row in answer["keys"]}["leaf"], [leaf["certificate"]])

    def test_locked(self):
        """A store that no password opens is a place of its own, no problem and nothing that was left out; what it held is not gone."""
        self.put("openssl.p12")
        answer = self.scan(store_passwords=["wrong"])
        (row,) = answer["locked"]
        self.assertEqual((row["state"], row["format"], row["class"]), ("locked", "pkcs12", "installed"))
        self.assertEqual(row["reason"], "no password is given that opens it, see store_passwords")
        self.assertEqual((answer["problems"], answer["skipped"], answer["complete"]), ([], [], True))
        self.assertEqual(answer["unseen"], [row["path"]])
        self.assertNotIn("wrong", json.dumps(answer))

    def test_in_use(self):
        """A store that a service names is in use, locked or not."""
        self.put("openssl.p12", "keytool.jks")
        paths = [self.path(f"{name}.d/data") for name in ("openssl.p12", "keytool.jks")]
        answer = self.scan([test_scan.service("tomcat", certificate=path) for path in paths])
        self.assertEqual({row["path"]: row["class"] for row in [*answer["places"], *answer["locked"]]}, dict.fromkeys(paths, "in_use"))

    def test_texts(self):
        """Manifests, kubeconfigs, JSON, XML and OpenVPN's files: base64 of DER and PEM, escaped and indented PEM."""
        block, one = stored.content("leaf.pem").decode(), base64.b64encode(stored.certificate("leaf")).decode()
        secret = "".join(f"  {name}: {base64.b64encode(content).decode()}\n" for name, content in LEAF.items())
        texts = {
            "secret": f"# made by hand\n\napiVersion: v1\nkind: Secret\ndata:\n{secret}",
            "kubeconfig": f"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {base64.b64encode(LEAF['ca.crt']).decode()}\n",
            "json": json.dumps({"certificate": block}),
            "jwks": json.dumps({"keys": [{"x5c": [one]}]}),
            "xml": f'<?xml version="1.0"?>\n<md:EntityDescriptor><ds:X509Certificate>{one}</ds:X509Certificate></md:EntityDescriptor>',
            "yaml": "---\ncert: |\n  " + block.replace("\n", "\n  "),
            "ovpn": f"client\nremote a 1194\n<cert>\n{block}</cert>\n<pkcs12>\n{base64.encodebytes(stored.content('openssl-plain.p12')).decode()}</pkcs12>\n",
        }
        for name, text in texts.items():
            self.write(name, text.encode())
        counts = {}
        for row in self.scan()["places"]:
            counts.setdefault(os.path.basename(row["path"]), []).append(row["format"])
        expected = {"secret": ["base64"] * 2, "kubeconfig": ["base64"], "json": ["pem"], "jwks": ["base64"], "xml": ["base64"], "yaml": ["pem"]}
        self.assertEqual({name: sorted(found) for name, found in counts.items()}, {**expected, "ovpn": ["pem", "pkcs12", "pkcs12"]})

    def test_ordinary_texts(self):
        """Texts that only look alike are not even opened a second time."""
        for number, text in enumerate((b"a: b\n" * 100, b"MII and more\n" * 50, b"{" + b"LS0tLS1 " * 100 + b"}", b"0" * 500)):
            self.write(f"t{number}", text)
        answer = self.scan()
        self.assertEqual((answer["places"], answer["problems"], answer["skipped"]), ([], [], []))

    def test_first_version(self):
        """A certificate of version 1 with something behind it is no request."""
        self.write("a", stored.certificate("leaf"), b"\0\0")
        answer = self.scan()
        self.assertEqual((len(answer["places"]), answer["requests"]), (1, []))

    def test_large_store(self):
        """A store beyond what is read at once is left out, and that is said."""
        path = self.write("a", b"\xfe\xed\xfe\xed\0\0\0\2")
        os.truncate(path, items.MOST_STORE_BYTES + (5 << 20))
        self.assertEqual(self.scan(max_file_size=1 << 30)["skipped"], [{"path": path, "reason": "store larger than 33554432 bytes", "count": 1}])

    def test_many_of_a_kind(self):
        """Of very many requests, keys or equal certificates in one file the first thousand are told."""
        empty = b"\xfe\xed\xfe\xed\0\0\0\2\0\0\x27\x10" + (b"\0\0\0\1\0\1a" + bytes(8) + b"\0\0\0\0\0\0\0\1\0\0\0\0\0\0") * 10000
        self.write("requests", stored.content("openssl.csr") * 1100)
        self.write("store", empty)
        answer = self.scan()
        self.assertEqual((len(answer["requests"]), len(answer["keys"]), len(answer["places"])), (1000, 1000, 1001))
        many = "more than 1000 keys, revocation lists or requests"
        equal = "certificates that are in it more than once, more than 1000 times"
        told = {(os.path.basename(row["path"]), row["reason"]) for row in answer["problems"] if "more than" in row["reason"]}
        self.assertEqual(told, {("requests", many), ("store", many), ("store", equal)})

    def test_hostile_files(self):
        """Damaged, cut off, nested and deep files of all kinds end in rows, in bounded time."""
        chance = random.Random(10)
        names = [name for name in stored.names() if not name.endswith(".p12")]
        for number in range(300):
            data = bytearray(stored.content(chance.choice(names)))
            for _damage in range(chance.choice((1, 5, 100))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            text = bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
            self.write(f"f{number}", text if number % 2 else b"a: " + base64.b64encode(text))
        deep = b""
        for _depth in range(100000):
            deep = b"\x30\x80" + deep if len(deep) > 60000 else der.sequence(deep)
        self.write("deep", deep)
        self.write("yaml", b"{" * 100000 + b"a: " + b"[" * 100000)
        self.write("again", b"a: " + base64.b64encode(b"b: " + base64.b64encode(stored.content("leaf.pem"))))
        started = time.monotonic()
        self.assertEqual(self.scan()["summary"]["folders"], 1)
        self.assertLess(time.monotonic() - started, 60)

    def test_no_secret_in_the_answer(self):
        """Neither passwords nor parts of keys are in an answer, a key in base64 included."""
        self.put("openssl.p12", "openssl-plain.p12", "keytool.jks")
        key = made.key("rsa")
        self.write("yaml", b"key: " + base64.b64encode(key) + b"\nder: " + base64.b64encode(pem.first(key).content))
        answer = self.scan(store_passwords=[stored.PASSWORD])
        self.assertEqual(len([row for row in answer["keys"] if row["path"] == self.path("yaml")]), 2)
        text = json.dumps(answer)
        self.assertNotIn(stored.PASSWORD, text)
        for line in key.splitlines()[1:-1]:
            self.assertNotIn(line.decode()[:20], text)
