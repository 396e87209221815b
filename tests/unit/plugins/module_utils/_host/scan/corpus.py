# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A noisy host below a folder: what package managers, developers, containers and backups leave lying about, and between it what must raise an alarm.

The certificates are a few made by openssl, with other dates and signatures: nobody verifies them here.
"""

import base64
import contextlib
import functools
import hashlib
import io
import json
import os
import struct
import zipfile
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, paths_table, scan
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

ANCHORS = 140  # as in Mozilla's list
_PAST, _FUTURE = b"210101000000Z", b"490101000000Z"
_PYTHON = "lib/python3.11/site-packages"
_IMAGE = "etc/ssl/certs/ca-certificates.crt"
_LAYERS = (
    "var/lib/docker/overlay2/0a1b/diff",
    "srv/docker/overlay2/0a1b/diff",
    "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/5/fs",
    "srv/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/5/fs",
    "var/lib/containers/storage/overlay/2c3d/diff",
    "srv/podman/storage/overlay/2c3d/diff",
    "srv/ci/.local/share/containers/storage/overlay/4e5f/diff",
    "opt/buildkit/runc-overlayfs/snapshots/snapshots/9/fs",
    "srv/images/web/rootfs",
)

# Everything below raises no alarm, whatever it holds. The words are functions of Contents.
NOISE = (
    # Copies of Mozilla's anchors, and packages of languages
    (f"opt/app/venv/{_PYTHON}/certifi/cacert.pem", "store"),
    (f"opt/app/venv/{_PYTHON}/pip/_vendor/certifi/cacert.pem", "older_store"),
    ("opt/tool/certifi/cacert.pem", "store"),
    ("opt/tool/pip/_vendor/certifi/cacert.pem", "older_store"),
    ("opt/tool/botocore/cacert.pem", "mixed_store"),
    ("opt/tool/certifi.zip", "stored_zip"),
    ("opt/tool/wheels/certifi-2023.7.22-py3-none-any.whl", "packed_zip"),
    ("root/.cache/pip/http/a/b/c/d/e/abcdef", "expired"),
    ("root/.cache/uv/archive/x/cert.pem", "expired"),
    ("usr/local/lib/node_modules/npm/test/fixtures/server.pem", "expired"),
    ("usr/local/lib/ruby/gems/3.1.0/gems/rubygems-update-3.3.5/lib/rubygems/ssl_certs/index.rubygems.org/GlobalSignRootCA.pem", "anchor"),
    ("opt/ruby/lib/rubygems/ssl_certs/rubygems.org/AddTrustExternalCARoot.pem", "anchor"),
    ("srv/shop/vendor/bundle/ruby/3.1.0/gems/stripe-5/lib/data/chain.pem", "expired"),
    ("root/go/pkg/mod/github.com/example/tls@v1.0.0/cert.pem", "expired"),
    ("opt/app/vendor/golang.org/x/crypto/testdata/cert.pem", "expired"),
    ("usr/local/go/src/crypto/tls/testdata/example-cert.pem", "weak"),
    *((f"usr/local/share/explorer/roots/{number:08x}.0", "anchor") for number in range(30)),
    # Java
    ("opt/java/lib/security/cacerts", "jks"),
    ("usr/local/jdk-17/lib/security/cacerts", "jks"),
    ("opt/app/jre/lib/security/cacerts", "jks"),
    ("etc/pki/java/cacerts", "jks"),
    # The system's trust store
    *((f"etc/ssl/certs/{number:08x}.0", "anchor") for number in range(40)),
    (_IMAGE, "store"),
    ("etc/pki/tls/certs/ca-bundle.crt", "store"),
    ("etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt", "mixed_store"),
    ("etc/pki/ca-trust/source/blocklist/distrusted.pem", "expired"),
    ("usr/local/share/ca-certificates/old-company-root.crt", "anchor"),
    ("etc/chef/trusted_certs/chef_example_com.crt", "anchor"),
    ("etc/ssl/certs/ssl-cert-snakeoil.pem", "expired"),
    ("etc/pki/tls/certs/localhost.crt", "expired"),
    # Containers
    *((f"{layer}/{_IMAGE}", "store") for layer in _LAYERS),
    *((f"{layer}/etc/nginx/tls/server.pem", "pair") for layer in _LAYERS),
    ("var/lib/kubelet/pods/1-2/volumes/kubernetes.io~secret/tls/tls.crt", "expired"),
    # What was, and copies of it
    ("etc/letsencrypt/archive/www/fullchain1.pem", "expired"),
    ("etc/letsencrypt/archive/www/fullchain2.pem", "expired"),
    ("etc/letsencrypt/keys/0000_key-certbot.pem", "pair"),
    ("etc/tls/.certops-web/1/cert.pem", "expired"),
    ("etc/tls/.certops-staged.pem", "expired"),
    ("etc/puppetlabs/puppet/ssl/ca/signed/gone.example.com.pem", "expired"),
    ("etc/puppetlabs/puppetserver/ca/signed/other.example.com.pem", "expired"),
    ("opt/ca/newcerts/01.pem", "expired"),
    ("srv/easy-rsa/pki/certs_by_serial/01.pem", "expired"),
    ("var/lib/dehydrated/archive/www/cert-1600000000.pem", "expired"),
    ("var/lib/kubelet/pki/kubelet-client-2020-01-01-00-00-00.pem", "pair"),
    *((f"etc/nginx/tls/old.pem{ending}", "pair") for ending in ("~", ".bak", ".old", ".orig", ".rpmsave", ".dpkg-old", ".dpkg-dist")),
    *((f"etc/nginx/tls/old.pem{ending}", "pair") for ending in (".2023-01-01", "-20230101", "_20230101", ".20230101-1200", ".4711.2023-01-01@12:00:00~")),
    ("etc/nginx.bak/tls/server.pem", "pair"),
    ("var/backups/etc/tls/server.pem", "pair"),
    ("srv/backup/web1/etc/ssl/certs/server.pem", "pair"),
    ("srv/backups/2023-01-01/etc/pki/tls/certs/server.crt", "expired"),
    ("srv/.snapshots/7/etc/tls/server.pem", "expired"),
    ("srv/rsnapshot/daily.0/web1/etc/tls/server.pem", "expired"),
    ("etc/kubernetes/tmp/kubeadm-backup/admin.conf", "kubeconfig"),
    # Checkouts, tests, examples
    ("etc/.git/objects/server.pem", "expired"),
    ("srv/src/openssl/test/certs/ee-cert.pem", "expired"),
    ("srv/src/openssl/apps/server.pem", "weak"),
    ("srv/src/openssl/demos/certs/ca.pem", "anchor"),
    ("srv/src/openssl/.git/HEAD", "text"),
    ("srv/src/requests/tests/certs/expired/server/server.pem", "expired"),
    ("srv/src/curl/tests/certs/test-localhost.pem", "pair"),
    ("srv/src/shop/.hg/dirstate", "text"),
    ("srv/src/shop/doc/example.pem", "expired"),
    ("srv/src/shop/src/test/resources/keystore.jks", "expired_jks"),
    ("opt/app/examples/tls/server.pem", "pair"),
    ("opt/app/tests/server.pem", "pair"),
    ("opt/app/testdata/server.pem", "weak"),
    ("opt/app/spec/fixtures/server.pem", "pair"),
    ("opt/app/samples/server.pem", "pair"),
    # Root's own tools; no certificates at all
    ("root/.mitmproxy/mitmproxy-ca.pem", "own_anchor"),
    ("root/.mitmproxy/mitmproxy-ca-cert.pem", "own_anchor"),
    ("root/.local/share/mkcert/rootCA.pem", "own_anchor"),
    ("root/.minikube/ca.crt", "anchor"),
    ("root/Downloads/www_example_com.crt", "expired"),
    ("etc/salt/pki/minion/minion.pub", "public_key"),
    ("etc/hostname", "small"),
    ("opt/app/README", "text"),
    ("srv/empty", "nothing"),
    ("opt/app/broken.pem", "broken"),
    ("opt/app/keystore.p12", "locked"),
    ("var/lib/postgresql/15/main/base/1/server.crt", "expired"),
    ("var/lib/snapd/snaps/core/cert.pem", "expired"),
    ("var/lib/flatpak/app/x/cert.pem", "expired"),
)

# A developer's home, with `home`
HOME_NOISE = (
    ("home/dev/.mitmproxy/mitmproxy-ca-cert.pem", "own_anchor"),
    ("home/dev/.local/share/mkcert/rootCA.pem", "own_anchor"),
    ("home/dev/.minikube/profiles/minikube/client.crt", "expired"),
    ("home/dev/.kube/config", "kubeconfig"),
    ("home/dev/.kube/k3s.yaml", "kubeconfig"),
    ("home/dev/.config/k3d/kubeconfig-dev.yaml", "kubeconfig"),
    ("home/dev/.docker/cert.pem", "pair"),
    ("home/dev/.android/debug.keystore", "expired_jks"),
    ("home/dev/Downloads/www_example_com/www_example_com.crt", "expired"),
    ("home/dev/.local/share/JetBrains/Toolbox/apps/idea/jbr/lib/security/cacerts", "jks"),
    ("home/dev/.local/share/containers/storage/overlay/6a/diff/etc/tls/server.pem", "pair"),
    ("home/dev/.local/share/Trash/files/server.pem", "pair"),
    (f"home/dev/venv/{_PYTHON}/requests/cacert.pem", "store"),
    ("home/dev/src/app/tests/certs/server.pem", "pair"),
)

# Each of these must raise an alarm.
ALARMS = (
    ("opt/app/conf/web.pem", "expired"),  # nginx names it
    ("opt/app/tests/live.pem", "expired"),  # a service names it, whatever the folder is called
    ("srv/test/tls/server.pem", "expired"),  # a stage, and a service names it
    ("srv/stage/test/tls/other.pem", "expired"),  # a stage, and no service that is known names it
    ("etc/pki/tls/certs/host.crt", "expired"),
    ("etc/ssl/certs/host.pem", "self_signed"),  # its private key lies on the host
    ("etc/ssl/private/host.key", "self_signed_key"),
    ("srv/app/conf/tls/server.pem", "expired"),
    ("srv/app/ca.pem", "anchor"),  # one anchor that somebody trusts
    ("etc/backup-agent/tls/server.pem", "expired"),
    ("etc/nginx/tls/www.old.example.com.pem", "expired"),
    ("etc/nginx/tls/wildcard-2020.crt", "expired"),
    ("etc/nginx/docs/docs.example.com.pem", "expired"),  # below etckeeper's checkout
    ("srv/docs/tls/docs.example.com.pem", "expired"),
    ("etc/letsencrypt/archive/www/fullchain3.pem", "expired"),  # what the live link leads to
    ("etc/puppetlabs/puppet/ssl/certs/host.example.com.pem", "expired"),
    ("etc/kubernetes/admin.conf", "kubeconfig"),
    ("root/.kube/config", "kubeconfig"),
    ("root/.cache/golang-autocert/www.example.com", "pair"),
    ("var/lib/kubelet/pki/kubelet-client-2021-01-01-00-00-00.pem", "pair"),  # what the current link leads to
    ("opt/app/keystore.jks", "expired_jks"),
)
HOME_ALARMS = (("home/deploy/app/tls/server.pem", "expired"),)

LINKS = (
    ("etc/letsencrypt/live/www/fullchain.pem", "../../archive/www/fullchain3.pem"),
    ("var/lib/kubelet/pki/kubelet-client-current.pem", "kubelet-client-2021-01-01-00-00-00.pem"),
    ("etc/ssl/cert.pem", "certs/ca-certificates.crt"),
    ("srv/app/gone.pem", "nowhere.pem"),
    ("srv/app/loop", "loop"),
    ("srv/app/packages", f"../../opt/app/venv/{_PYTHON}"),
)
USED = (("nginx", "opt/app/conf/web.pem"), ("broker", "opt/app/tests/live.pem"), ("stage", "srv/test/tls/server.pem"))
VALID = tuple(f"etc/nginx/tls/site{number}.pem" for number in range(5))


class Contents:
    """What lies in the files; every certificate is another one, all but a few are expired."""

    def __init__(self):
        self._number = 0

    def _aged(self, template, end=_PAST):
        """Return a certificate with another end and signature in DER."""
        self._number += 1
        found = _in_der(template)
        first = found.index(b"\x17\x0d") + 2
        second = found.index(b"\x17\x0d", first) + 2
        found = found[:first] + b"200101000000Z" + found[first + 13 : second] + end + found[second + 13 :]
        return found[:-8] + struct.pack(">Q", self._number)

    def _pem(self, template, end=_PAST):
        return pem.encode("CERTIFICATE", self._aged(template, end))

    def expired(self):
        return self._pem(_leaf())

    def valid(self):
        return self._pem(_leaf(), _FUTURE)

    def pair(self):
        return self.expired() + made.key("ec", "leaf")

    def weak(self):
        return self._pem(_weak())

    def anchor(self):
        return self._pem(_anchor())

    def own_anchor(self):
        """An anchor beside its key, as who makes his own has it."""
        return made.key("ec", "own") + self._pem(_anchor("own"))

    def self_signed(self):
        return self._pem(_anchor("host"))

    def self_signed_key(self):
        return made.key("ec", "host")

    def _store(self, first, others=0):
        """A third of the anchors is expired; the same numbers make the same file."""
        before, self._number = self._number, first
        ends = [_PAST if number % 3 == 0 else _FUTURE for number in range(ANCHORS)]
        found = [self._aged(_leaf("distrusted") if number < others else _anchor(), end) for number, end in enumerate(ends)]
        self._number = before
        return found

    def store(self):
        return b"".join(pem.encode("CERTIFICATE", each) for each in self._store(1 << 20))

    def older_store(self):
        return b"".join(pem.encode("CERTIFICATE", each) for each in self._store(1 << 21))

    def mixed_store(self):
        """A few that are no anchors are between them, such as those that are distrusted."""
        return b"".join(pem.encode("CERTIFICATE", each) for each in self._store(1 << 22, others=5))

    def jks(self):
        return _jks(self._store(1 << 20))

    def expired_jks(self):
        return _jks([self._aged(_leaf())])

    def kubeconfig(self):
        data = base64.b64encode(self.expired()).decode()
        return f"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    client-certificate-data: {data}\n".encode()

    def stored_zip(self):
        return _zip(zipfile.ZIP_STORED, self.store())

    def packed_zip(self):
        return _zip(zipfile.ZIP_DEFLATED, self.store())

    @staticmethod
    def public_key():
        return made.openssl("pkey", "-pubout", given=made.key("ec", "leaf"))

    @staticmethod
    def locked():
        return made.openssl("pkcs12", "-export", "-nokeys", "-passout", "pass:hidden", given=_leaf())

    @staticmethod
    def broken():
        return made.certificate("leaf", issuer="root")[:200]

    @staticmethod
    def text():
        return b"The certificates are in tls.\n" * 40

    @staticmethod
    def small():
        return b"web1\n"

    @staticmethod
    def nothing():
        return b""


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def _in_der(template):
    return made.in_der(template)


def _leaf(name="leaf"):
    return made.certificate(name, issuer="root")


def _anchor(name="anchor"):
    return made.certificate(name, ca=True)


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def _weak():
    key = made.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    return made.openssl("req", "-x509", "-new", "-key", "/dev/stdin", "-subj", "/CN=weak", "-days", "30", given=key)


def _jks(certificates):
    """A Java keystore of trusted entries (sun.security.provider.JavaKeyStore)."""
    data = b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, len(certificates))
    for number, der in enumerate(certificates):
        alias = f"entry{number}".encode()
        data += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">QH", 0, 5) + b"X.509" + struct.pack(">I", len(der)) + der
    return data + hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + data).digest()


def _zip(kind, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        archive.writestr("certifi/cacert.pem", content)
    return packed.getvalue()


def build(root):
    """Make the host below the empty folder `root`."""
    contents = Contents()
    for path, what in (*NOISE, *HOME_NOISE, *ALARMS, *HOME_ALARMS, *((path, "valid") for path in VALID)):
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(getattr(contents, what)())
    for link, target in LINKS:
        os.makedirs(os.path.dirname(os.path.join(root, link)), exist_ok=True)
        os.symlink(target, os.path.join(root, link))
    os.mkfifo(os.path.join(root, "srv/app/fifo"))
    large = os.path.join(root, "opt/app/image.raw")
    with open(large, "wb"):
        os.truncate(large, 3 << 20)


def alarms(home=False):
    """The paths that must raise an alarm."""
    return sorted("/" + path for path, what in ALARMS + (HOME_ALARMS if home else ()) if what != "self_signed_key")


def _below(root, path):
    return root + path if path.startswith(b"/") else path


@contextlib.contextmanager
def rooted(root):
    """The tables as if `root` were the root folder."""
    top = os.fsencode(root)
    tables = {
        name: tuple(_below(top, path) for path in getattr(paths_table, name)) for name in ("DEFAULT_PATHS", "NO_CHECKOUTS", "PROGRAM_FOLDERS", "BINARY_FOLDERS")
    }
    tables["NO_CHECKOUTS"] = (top, *tables["NO_CHECKOUTS"])
    tables["OUT_FOLDERS"] = {_below(top, path): reason for path, reason in paths_table.OUT_FOLDERS.items()}
    tables.update({name: tuple((_below(top, path), kind) for path, kind in getattr(paths_table, name)) for name in ("ANCHOR_CLASSES", "CLASSES")})
    with mock.patch.multiple(paths_table, HOME=_below(top, paths_table.HOME), **tables):
        yield


def scanned(root, **given):
    """Scan the host and return the answer, its paths as the host's own."""
    defaults = {"paths": None, "exclude": [], "max_file_size": 1 << 21, "max_seconds": None, "home": False, "store_passwords": [], "cache_days": 0}
    nothing = dict.fromkeys(("key", "chain", "folder"))
    services = [{"name": name, "uses": [dict(nothing, certificate=path_text(os.fsencode(os.path.join(root, path))))]} for name, path in USED]
    with rooted(root):
        looking = scan.Scan(scan.Options.from_args(dict(defaults, **given)), mounts.Mounts({}, {}), [], run)
        looking.named(services, ())
        looking.folders()
        looking.links()
        answer = looking.answer(())
    return json.loads(json.dumps(dict(answer, services=[])).replace(root + "/", "/").replace(root, "/"))
