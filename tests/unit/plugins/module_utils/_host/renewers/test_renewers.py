# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other renewers have noted on a host, read below a folder of the test's own."""

import json
import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import renewers

SECRET = "tellnobody"
CERTBOT = """\
# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = /etc/letsencrypt/archive/www.example.com
cert = {root}/etc/letsencrypt/live/www.example.com/cert.pem
privkey = {root}/etc/letsencrypt/live/www.example.com/privkey.pem
chain = {root}/etc/letsencrypt/live/www.example.com/chain.pem
fullchain = {root}/etc/letsencrypt/live/www.example.com/fullchain.pem

# Options used in the renewal process
[renewalparams]
account = 4f3c0b5e7d1a4f3c0b5e7d1a4f3c0b5e
authenticator = dns-cloudflare
installer = None
server = https://user:tellnobody@acme.example.com/directory
key_type = ecdsa
renew_hook = curl -H "X-Token: tellnobody" https://hook.example.com
[[webroot_map]]
www.example.com = /var/www/html
"""
CERTMONGER = """\
id=20260101120000
key_type=RSA
key_gen_size=2048
key_storage_type=FILE
key_storage_location=/etc/pki/tls/private/web.key
key_pin=tellnobody
cert_storage_type=FILE
cert_storage_location=/etc/pki/tls/certs/web.pem
state=MONITORING
autorenew=1
ca_name=IPA
post_certsave_command=/usr/local/bin/deploy --token tellnobody
template_subject=CN=web.example.com
csr=-----BEGIN NEW CERTIFICATE REQUEST-----
 MIIC
"""
CERTMONGER_NSS = """\
id=nss
key_storage_type=NSSDB
key_storage_location=sql:/etc/httpd/alias
cert_storage_type=NSSDB
cert_storage_location=/etc/httpd/alias
cert_nickname=Server-Cert
autorenew=0
"""
ACME_SH = """\
Le_Domain='shop.example.com'
Le_Alt='no'
Le_Webroot='dns_cf'
Le_Keylength='ec-256'
Le_API='https://acme-v02.api.letsencrypt.org/directory'
SAVED_CF_Token='tellnobody'
Le_RealCertPath=''
Le_RealKeyPath='/etc/nginx/tls/shop.key'
Le_ReloadCmd='__ACME_BASE64__START_dGVsbG5vYm9keQ==__ACME_BASE64__END_'
Le_RealFullChainPath='/etc/nginx/tls/shop.pem'
"""
DEHYDRATED = """\
CONFIG_D=/etc/dehydrated/conf.d
BASEDIR={root}/var/lib/dehydrated
WELLKNOWN="${{BASEDIR}}/acme-challenges"
#CERTDIR="${{BASEDIR}}/wrong"
EAB_HMAC_KEY=tellnobody
HOOK=/etc/dehydrated/hook.sh
"""
CRON = """\
SHELL=/bin/sh
# certbot would be a comment
0 3 * * * root TOKEN=tellnobody /usr/bin/openssl x509 -in /etc/a.pem -passin pass:tellnobody
17 * * * * root run-parts /etc/cron.hourly
5 4 * * * root /root/.acme.sh/acme.sh --cron > /dev/null
"""


class Host:
    """Files below a folder."""

    def __init__(self):
        self.root = os.path.realpath(tempfile.mkdtemp())

    def put(self, path, content):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return full

    def rows(self):
        rows = renewers.renewers_here(self.root.encode())
        assert SECRET not in json.dumps(rows)
        return rows

    def row(self, kind):
        (row,) = [row for row in self.rows() if row["kind"] == kind]
        return row


class RenewersTest(unittest.TestCase):
    """Each renewer's own files, as its current version writes them."""

    def setUp(self):
        self.host = Host()
        self.addCleanup(shutil.rmtree, self.host.root)

    def test_nothing(self):
        """A host without any."""
        self.assertEqual(self.host.rows(), [])

    def test_certbot(self):
        """Paths through the links, the CA without what stands before it, hooks by name."""
        root = self.host.root
        configuration = self.host.put("/etc/letsencrypt/renewal/www.example.com.conf", CERTBOT.format(root=root))
        self.host.put("/etc/letsencrypt/archive/www.example.com/cert3.pem", "x")
        os.makedirs(root + "/etc/letsencrypt/live/www.example.com")
        os.symlink("../../archive/www.example.com/cert3.pem", root + "/etc/letsencrypt/live/www.example.com/cert.pem")
        self.host.put("/etc/cron.d/certbot", "0 */12 * * * root certbot -q renew\n")
        row = self.host.row("certbot")
        self.assertEqual((row["name"], row["configuration"], len(row["paths"])), ("www.example.com", configuration, 4))
        self.assertIn(root + "/etc/letsencrypt/archive/www.example.com/cert3.pem", row["paths"])
        facts = {"server": "acme.example.com", "authenticator": "dns-cloudflare", "installer": None, "hooks": ["renew_hook"], "autorenew": True}
        self.assertEqual(row["facts"], facts)
        self.assertEqual(row["runs"], [root + "/etc/cron.d/certbot:1"])

    def test_certmonger(self):
        """Files, and databases of NSS with the nickname."""
        self.host.put("/var/lib/certmonger/requests/20260101120000", CERTMONGER)
        self.host.put("/var/lib/certmonger/requests/20260101120001", CERTMONGER_NSS)
        nss, web = sorted((row for row in self.host.rows() if row["kind"] == "certmonger"), key=lambda row: row["name"], reverse=True)
        self.assertEqual((web["paths"], web["alias"]), (["/etc/pki/tls/certs/web.pem", "/etc/pki/tls/private/web.key"], None))
        self.assertEqual(web["facts"], {"ca": "IPA", "state": "MONITORING", "autorenew": True, "storage": "FILE"})
        self.assertEqual((nss["paths"], nss["alias"], nss["facts"]["autorenew"]), (["/etc/httpd/alias/cert9.db"], "Server-Cert", False))

    def test_acme_sh(self):
        """Its own files, and those that it installs."""
        self.host.put("/root/.acme.sh/shop.example.com_ecc/shop.example.com.conf", ACME_SH)
        self.host.put("/root/.acme.sh/ca/acme.example.com/account.key", SECRET)
        row = self.host.row("acme.sh")
        own = self.host.root + "/root/.acme.sh/shop.example.com_ecc/"
        self.assertLessEqual({"/etc/nginx/tls/shop.key", "/etc/nginx/tls/shop.pem", own + "fullchain.cer", own + "shop.example.com.key"}, set(row["paths"]))
        self.assertEqual(row["facts"], {"server": "acme-v02.api.letsencrypt.org", "authenticator": "dns_cf", "hooks": ["reload"]})

    def test_dehydrated(self):
        """The folder that its configuration names; the newest generation, to which the links lead."""
        root = self.host.root
        self.host.put("/etc/dehydrated/config", DEHYDRATED.format(root=root))
        self.host.put("/etc/dehydrated/conf.d/own.sh", "CERTDIR=\"${BASEDIR}/mine\"\nCHALLENGETYPE='dns-01'\n")
        newest = self.host.put("/var/lib/dehydrated/mine/example.com/cert-1700000000.pem", "x")
        os.symlink("cert-1700000000.pem", os.path.dirname(newest) + "/cert.pem")
        row = self.host.row("dehydrated")
        self.assertEqual((row["name"], row["paths"], row["facts"]["authenticator"]), ("example.com", [newest], "dns-01"))

    def test_lego_and_caddy(self):
        """Folders whose names say all."""
        for ending in ("json", "crt", "key"):
            self.host.put("/etc/lego/certificates/a.example.com." + ending, "{}")
        certificate = self.host.put("/var/lib/caddy/.local/share/caddy/certificates/local/b.example.com/b.example.com.crt", "x")
        self.assertEqual(len(self.host.row("lego")["paths"]), 2)
        self.assertIn(certificate, self.host.row("caddy")["paths"])


class ScheduleTest(unittest.TestCase):
    """What starts a renewer."""

    def setUp(self):
        self.host = Host()
        self.addCleanup(shutil.rmtree, self.host.root)

    def test_cron(self):
        """The file, the line and the word; no comment, and nothing of the line, in which secrets may stand."""
        root = self.host.root
        self.host.put("/etc/crontab", CRON)
        self.host.put("/var/spool/cron/crontabs/root", "@daily getssl -a\n")
        found = [(row["name"], row["facts"]["word"]) for row in self.host.rows()]
        self.assertEqual(
            found, [(root + "/etc/crontab:3", "openssl"), (root + "/etc/crontab:5", "acme.sh"), (root + "/var/spool/cron/crontabs/root:1", "getssl")]
        )

    def test_timers(self):
        """Of the unit that they start, and whether they are enabled."""
        self.host.put("/lib/systemd/system/certbot.timer", "[Timer]\nOnCalendar=*-*-* 00,12:00:00\n")
        self.host.put("/lib/systemd/system/certbot.service", "[Service]\nExecStart=/usr/bin/certbot -q renew\n")
        self.host.put("/etc/systemd/system/own.timer", "[Timer]\nUnit=check.service\n")
        self.host.put("/etc/systemd/system/check.service", "[Unit]\nDescription=certbot\n[Service]\nExecStart=/usr/bin/openssl verify\n")
        self.host.put("/etc/systemd/system/other.timer", "[Timer]\nUnit=other.service\n")
        os.makedirs(self.host.root + "/etc/systemd/system/timers.target.wants")
        os.symlink("/lib/systemd/system/certbot.timer", self.host.root + "/etc/systemd/system/timers.target.wants/certbot.timer")
        found = {row["name"]: row["facts"] for row in self.host.rows()}
        expected = {"certbot.timer": {"word": "certbot", "enabled": True}, "own.timer": {"word": "openssl", "enabled": False}}
        self.assertEqual(found, expected)


class HostileTest(unittest.TestCase):
    """Files of all kinds with what nobody expects there: an answer comes, it is bounded, and it is text."""

    FILES = (
        "/etc/letsencrypt/renewal/x.conf",
        "/var/lib/certmonger/requests/1",
        "/root/.acme.sh/x/x.conf",
        "/etc/dehydrated/config",
        "/etc/lego/certificates/x.json",
        "/etc/cron.d/x",
        "/lib/systemd/system/x.timer",
    )

    def setUp(self):
        self.host = Host()
        self.addCleanup(shutil.rmtree, self.host.root)

    def test_content(self):
        """Cut off, not UTF-8, huge, with null bytes and templates."""
        whole = "\n".join((CERTBOT, CERTMONGER, ACME_SH, DEHYDRATED, CRON)).encode()
        for content in (
            b"",
            whole[:400],
            b"\xff\xfe" * 50,
            b"cert = /\0x\ncert_storage_location=/\0\n",
            b"=" * (2 << 20),
            b"'\"${" * 5000,
            b"{{ 6 * 7 }}=certbot\n" * 9000,
        ):
            for path in self.FILES:
                self.host.put(path, content)
            with self.subTest(content[:20]):
                rows = self.host.rows()
                self.assertLessEqual(len(rows), renewers.MOST)
                json.dumps(rows).encode("utf-8")

    def test_no_file(self):
        """Links in a circle, folders, pipes and what cannot be read are as if they were not there."""
        for make in (lambda path: os.symlink(path, path), os.mkdir, os.mkfifo):
            for path in self.FILES:
                full = self.host.root + path
                os.makedirs(os.path.dirname(full), exist_ok=True)
                make(full)
            with self.subTest(str(make)):
                self.assertEqual([row for row in self.host.rows() if row["kind"] != "lego"], [])
            shutil.rmtree(self.host.root)
            os.mkdir(self.host.root)

    def test_paths(self):
        """Names that are no UTF-8, and a link in a circle."""
        name = self.host.root.encode() + b"/etc/letsencrypt/renewal/\xff.conf"
        os.makedirs(os.path.dirname(name))
        with open(name, "wb") as file:
            file.write(b"cert = " + self.host.root.encode() + b"/loop\nchain = relative\nprivkey = /k\xff\n")
        os.symlink("loop", self.host.root + "/loop")
        row = self.host.row("certbot")
        self.assertEqual((row["name"], row["paths"]), ("\\xff", ["/k\\xff", self.host.root + "/loop"]))


if __name__ == "__main__":
    unittest.main()
