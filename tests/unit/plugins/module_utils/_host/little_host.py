# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in a temporary folder for tests: a CA by openssl, a TLS service that is a process of its own, and the verbs."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_inspect, verb_install, verb_request
from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import owners, serving
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

# Loads its files at start and at SIGHUP; files that are not a pair leave it as it was.
SERVER = """
import os, signal, socket, ssl, sys
port, certificate, key, pid_file, ignores = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5] == "deaf"
def load(*_):
    global context
    fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        fresh.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        return
    context = fresh
context = None
load()
if not ignores:
    signal.signal(signal.SIGHUP, load)
else:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(16)
with open(pid_file + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(pid_file + ".new", pid_file)
while True:
    connection, dummy = listener.accept()
    connection.settimeout(5)
    try:
        with context.wrap_socket(connection, server_side=True) as channel:
            channel.recv(1)
    except (OSError, ssl.SSLError, AttributeError):
        connection.close()
"""


def openssl(*arguments, given=b""):
    """Run openssl and return what it prints."""
    return subprocess.run(("openssl", *arguments), input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


class LittleHost:
    """Everything below one temporary folder; `close` stops what was started and removes it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        os.chmod(self.root, 0o755)
        self.state = os.path.join(self.root, "state")
        self.folder = os.path.join(self.root, "tls")
        os.mkdir(self.folder)
        self.servers = []
        self.port = None
        # Packages own nothing here, and those of this machine would be read file by file at each look.
        self.packages, owners.DPKG = owners.DPKG, os.fsencode(os.path.join(self.root, "packages"))
        self._make_ca()

    def close(self):
        """Stop the servers and remove the folder."""
        for server in self.servers:
            server.kill()
            server.wait()
        owners.DPKG = self.packages
        shutil.rmtree(self.root)

    def path(self, name):
        """Return the path of a file of the service's."""
        return os.path.join(self.folder, name)

    def context(self, transaction=None):
        """Return what a verb is given."""
        return Context(time.time, transaction, "test", os.fsencode(self.state))

    def _make_ca(self):
        self.ca, self.ca_key = os.path.join(self.root, "ca.pem"), os.path.join(self.root, "ca.key")
        subject = ("-subj", "/CN=Test CA", "-days", "30", "-keyout", self.ca_key, "-out", self.ca)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject)
        self.ca_der = openssl("x509", "-in", self.ca, "-outform", "DER")

    def sign(self, request, names=("www.example.org",), days="10"):
        """Return a certificate in DER for a request in DER."""
        given, extensions = os.path.join(self.root, "given.csr"), os.path.join(self.root, "extensions")
        with open(given, "wb") as file:
            file.write(request)
        with open(extensions, "w") as file:
            file.write("subjectAltName=" + ",".join("DNS:" + name for name in names))
        issuer = ("-CA", self.ca, "-CAkey", self.ca_key, "-set_serial", str(uuid.uuid4().int >> 2), "-days", days, "-extfile", extensions)
        return openssl("x509", "-req", "-inform", "DER", "-in", given, "-outform", "DER", *issuer)

    def write_pair(self, certificate="tls.crt", key="tls.key", days="10", kind=("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")):
        """Put an old pair in place; one file when both names are the same."""
        key_text = openssl("genpkey", *kind)
        request = openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=www.example.org", "-outform", "DER", given=key_text)
        leaf = openssl("x509", "-inform", "DER", given=self.sign(request, days=days))
        with open(self.ca, "rb") as file:
            text = leaf + file.read()
        if certificate == key:
            text += key_text
        else:
            self.write(key, key_text, 0o600)
        self.write(certificate, text, 0o600 if certificate == key else 0o644)

    def write(self, name, content, mode):
        """Write one of the service's files."""
        with open(self.path(name), "wb") as file:
            file.write(content)
        os.chmod(self.path(name), mode)

    def start_server(self, certificate="tls.crt", key="tls.key", hears="hears"):
        """Start the TLS service on a free port and wait until it listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        pid_file = os.path.join(self.root, "server.pid")
        command = (sys.executable, "-c", SERVER, str(self.port), self.path(certificate), self.path(key), pid_file, hears)
        self.servers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        wait_for(lambda: os.path.exists(pid_file))
        return pid_file

    def entry(self, certificate="tls.crt", key="tls.key", **changes):
        """Return the service entry of the server."""
        entry = {
            "name": "little",
            "syntax": "declared",
            "configurations": [],
            "processes": [],
            "unit": None,
            "validate": None,
            "validates": "nothing",
            "reload": "keeps_old_on_error",
            "reload_command": ["kill", "-HUP", "{pid}"],
            "start_command": None,
            "status_command": None,
            "pid_file": os.path.join(self.root, "server.pid"),
            "reads_as": "root" if os.geteuid() == 0 else os.environ.get("USER", ""),
            "loads_folder": False,
            "uses": [{"certificate": self.path(certificate), "key": self.path(key), "chain": None, "folder": None, "names": [], "listeners": [0]}],
            "listeners": [{"address": "127.0.0.1", "port": self.port, "names": [], "protocol": "tls"}],
        }
        entry.update(changes)
        return entry

    def declared(self, certificate="tls.crt", key="tls.key", **changes):
        """Return a declaration as the controller sends it."""
        declared = {
            "name": "web",
            "certificate_path": self.path(certificate),
            "key_path": self.path(key),
            "names": ["www.example.org"],
            "listens": True,
        }
        declared.update(changes)
        return declared

    def request(self, declared, services, transaction=None, **key):
        """Run the verb `request`."""
        attributes = base64.b64encode(der.encode(0xA0)).decode()
        subject = base64.b64encode(der.sequence()).decode()
        wanted = dict({"type": "ec", "size": None, "curve": None, "reuse": False}, **key)
        args = {"certificate": declared, "services": services, "key": wanted, "subject": subject, "attributes": attributes, "request_digest": "d"}
        return verb_request.run(args, self.context(transaction or uuid.uuid4().hex))

    def install_args(self, declared, services, leaf, staged):
        """Return the arguments of `install`."""
        return {
            "certificate": declared,
            "services": services,
            "leaf": base64.b64encode(leaf).decode(),
            "chain": [base64.b64encode(self.ca_der).decode()],
            "reuse_transaction": staged,
            "renewed": True,
            "action": "install",
        }

    def install(self, declared, services, leaf, staged, transaction=None):
        """Run the verb `install`."""
        return verb_install.run(self.install_args(declared, services, leaf, staged), self.context(transaction or staged))

    def rotate(self, declared, services, **key):
        """Request, sign and install."""
        asked = self.request(declared, services, **key)
        leaf = self.sign(base64.b64decode(asked["csr"]))
        return self.install(declared, services, leaf, asked["staged"])

    def inspect(self, declared, services, look=True, heal=False):
        """Run the verb `inspect` for one certificate and return its answer and what was recovered."""
        result = verb_inspect.run({"certificates": [declared], "services": services, "look": look, "heal": heal}, self.context())
        return result["certificates"][0], result["recovered"]

    def public_keys(self, certificate="tls.crt", key="tls.key"):
        """Return the public keys of certificate and key file by openssl."""
        in_certificate = openssl("x509", "-in", self.path(certificate), "-noout", "-pubkey")
        return in_certificate, openssl("pkey", "-in", self.path(key), "-pubout")

    def leftovers(self):
        """Return the names of ours that lie in the service's folder."""
        return sorted(name for name in os.listdir(self.folder) if name.startswith(".certops-"))


class HostCase(unittest.TestCase):
    """A test with a host of its own, an old pair in place and served."""

    def setUp(self):
        self.host = LittleHost()
        self.addCleanup(self.host.close)
        self.addCleanup(setattr, serving, "SLOW_RELOAD", serving.SLOW_RELOAD)
        serving.SLOW_RELOAD = 0.4  # the server of these tests reloads at once

    def served_pair(self, hears="hears", **days):
        """Put an old pair in place, serve it, and return declaration and services."""
        self.host.write_pair(**days)
        self.host.start_server(hears=hears)
        return self.host.declared(), [self.host.entry()]

    def served(self, declared, services):
        """What the listener shows, by digest."""
        found = self.host.inspect(declared, services)[0]
        return {look["sha256"] for service in found["services"] for look in service["served"] if look["key_type"] == "any"}

    def certified(self, declared, services, **key):
        """Request and sign; return the staged transaction and the certificate."""
        asked = self.host.request(declared, services, **key)
        return asked["staged"], self.host.sign(base64.b64decode(asked["csr"]))


def wait_for(condition, seconds=20.0):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it did not happen within {seconds} seconds")
        time.sleep(0.02)
