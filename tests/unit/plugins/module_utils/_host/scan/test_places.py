# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The class of a place: every row of the tables has a path that it is for, and one beside it that it leaves alone."""

import os
import re
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import paths_table, patterns, places
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan.test_scan import Tree, service

FILES = (
    ("history", "/etc/tls/.certops-staged.pem /var/lib/kubelet/pki/kubelet-client-2024-01-01.pem /var/lib/kubelet/pki/kubelet-server-2024-01-01.pem"),
    ("backup", "/a/x.pem~ /a/x.pem.bak /a/x.pem.backup /a/x.pem.old /a/x.pem.orig /a/x.pem.save /a/.x.pem.swp /a/x.pem.dpkg-old /a/x.pem.dpkg-dist"),
    ("backup", "/a/x.dpkg-new /a/x.dpkg-bak /a/x.ucf-old /a/x.ucf-dist /a/x.rpmsave /a/x.rpmorig /a/x.rpmnew"),
    ("backup", " ".join(f"/a/x.{kind}{mark}2024-01-01" for kind in ("pem", "crt", "cer", "p12", "pfx", "jks") for mark in ".-_")),
    ("test_or_package", "/etc/ssl/certs/ssl-cert-snakeoil.pem /srv/debug.keystore"),
)
ANCHORS = (
    ("trust_store", " ".join(f"{folder.decode()}/x.crt" for folder in paths_table.TRUST_FOLDERS)),
    ("trust_copy", "/etc/chef/trusted_certs/chef.crt"),
)
FOLDERS = (
    ("container_layer", "/var/lib/docker/x /var/lib/containers/x /var/lib/containerd/x /var/lib/buildkit/x /var/lib/buildah/x /var/lib/cri-o/x"),
    ("container_layer", "/var/lib/kubelet/pods/x /var/lib/rancher/k3s/agent/containerd/x /var/lib/lxc/x /var/lib/lxd/x /var/lib/incus/x"),
    ("container_layer", "/var/lib/machines/x /var/lib/portables/x /root/.local/share/containers/x /home/a/.local/share/containers/x"),
    ("container_layer", "/srv/containers/storage/x /srv/storage/overlay/1/diff/x /srv/docker/overlay2/1/diff/x /srv/io.containerd.snapshotter.v1.overlayfs/x"),
    ("container_layer", "/opt/runc-overlayfs/snapshots/x /srv/web/rootfs/etc/tls/x"),
    ("history", "/etc/letsencrypt/archive/www/x /etc/letsencrypt/keys/x /var/lib/certops/x /etc/tls/.certops-web/1/x"),
    ("history", "/opt/ca/newcerts/x /srv/pki/certs_by_serial/x /etc/puppetlabs/puppetserver/ca/signed/x /var/lib/dehydrated/archive/www/x"),
    ("backup", "/var/backups/x /etc/kubernetes/tmp/x /srv/backup/x /srv/backups/x /srv/.snapshots/1/x /srv/rsnapshot/daily.0/x /root/.local/share/Trash/x"),
    ("backup", "/home/a/Downloads/x /root/Downloads/x"),
    ("backup", "/etc/tls~/x /etc/tls.bak/x /etc/tls.backup/x /etc/tls.old/x /etc/tls.orig/x /etc/tls.save/x /etc/tls.swp/x"),
    ("backup", "/etc/tls.dpkg-old/x /etc/tls.dpkg-dist/x /etc/tls.dpkg-new/x /etc/tls.dpkg-bak/x /etc/tls.ucf-old/x /etc/tls.ucf-dist/x"),
    ("backup", "/etc/tls.rpmsave/x /etc/tls.rpmorig/x /etc/tls.rpmnew/x"),
    ("trust_store", "/etc/pki/ca-trust/extracted/openssl/x /etc/pki/ca-trust/source/blacklist/x /etc/pki/ca-trust/source/blocklist/x"),
    ("test_or_package", "/opt/a/tests/x /opt/a/__tests__/x /opt/a/testdata/x /opt/a/test-data/x /opt/a/test_data/x /opt/a/fixtures/x /opt/a/examples/x"),
    ("test_or_package", "/opt/a/samples/x /opt/a/src/test/x /opt/a/lib/python3.11/test/x /srv/openssl-3.0.2/test/certs/x /srv/openssl/apps/x"),
    ("test_or_package", "/opt/site-packages/x /opt/dist-packages/x /opt/node_modules/x /root/go/pkg/mod/x /srv/vendor/bundle/x"),
    ("test_or_package", "/usr/local/lib/ruby/gems/x /opt/rubygems/ssl_certs/x /root/.cache/pip/x /root/.cache/uv/x /root/.cache/go-build/x"),
    ("test_or_package", "/root/.mitmproxy/x /root/.local/share/mkcert/x /root/.minikube/x /root/.android/x"),
    ("test_or_package", "/home/a/.kube/x /home/a/.docker/x /home/a/.config/k3d/x /etc/pki/tls/certs/localhost.crt"),
    ("test_or_package", "/usr/share/x /usr/lib/x /usr/lib64/x /lib/x /lib64/x /snap/core/x"),
)
# What a rule must not take: names that merely contain a word, and folders where real certificates lie.
INSTALLED = (
    *("/etc/backup-agent/tls/server.pem", "/etc/tls/backup.pem", "/etc/tls/tests.example.com.pem", "/srv/test/tls/x.pem", "/srv/docs/x.pem", "/srv/demo/x.pem"),
    *("/etc/nginx/tls/www.old.example.com.pem", "/etc/nginx/tls/wildcard-2024.crt", "/etc/nginx/tls/example.com-20240101/x.pem", "/etc/tls/2024-01-01.pem"),
    *("/root/.kube/config", "/root/.cache/golang-autocert/www.example.com", "/root/.docker/cert.pem", "/etc/docker/certs.d/registry/ca.crt"),
    *("/etc/puppetlabs/puppet/ssl/certs/host.pem", "/var/lib/kubelet/pki/kubelet.crt", "/var/lib/puppet/ssl/certs/host.pem", "/etc/letsencrypt/live/x/y.pem"),
    *("/var/lib/dehydrated/certs/www/cert-1700000000.pem", "/srv/app/ssl_certs/x.pem", "/srv/storage/tls/x.pem", "/srv/mkcert/x.pem", "/home/a/app/tls/x.pem"),
    *("/etc/ssl/certs/host.pem", "/etc/pki/tls/certs/host.crt", "/etc/pki/ca-trust/source/anchors/x.pem", "/etc/pki/CA/cacert.pem"),
)


def of(path, *, anchors=False):
    """The class of one path."""
    return places.Classes().of(os.fsencode(path), anchors=anchors)


class Table(unittest.TestCase):
    def check(self, table, rows, *, anchors=False):
        """Every path has its class, and every row of a table is the one that gives it."""
        for kind, paths in table:
            for path in paths.split():
                with self.subTest(path=path):
                    self.assertEqual(of(path, anchors=anchors), kind)
        listed = [os.fsencode(path) for _kind, paths in table for path in paths.split()]
        for row in rows:
            with self.subTest(row=row):
                one = patterns.Table([row], below=True)
                self.assertTrue(any(one.word(path) for path in listed))

    def test_files(self):
        """What the name of a file says."""
        self.check(FILES, paths_table.FILE_CLASSES)

    def test_anchors(self):
        """What a folder says of files of anchors alone; another certificate in it is an ordinary one."""
        self.check(ANCHORS, paths_table.ANCHOR_CLASSES, anchors=True)
        self.assertEqual([of(f"{folder}/x.crt") for folder in ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/chef/trusted_certs")], ["installed"] * 3)

    def test_single_file(self):
        """A row that is the path of a file is one of that file."""
        self.assertEqual(
            [of(path, anchors=True) for path in ("/etc/ssl/cert.pem", "/etc/pki/tls/cert.pem", "/etc/ssl/other.pem")], ["trust_store"] * 2 + ["installed"]
        )

    def test_folders(self):
        """What a folder says of everything in it."""
        self.check(FOLDERS, paths_table.CLASSES)

    def test_installed(self):
        """What looks alike and is real."""
        for path in INSTALLED:
            with self.subTest(path=path):
                self.assertEqual(of(path), "installed")

    def test_left_out_containers(self):
        """What is not walked as a container store is one when it is given as a path."""
        stores = [path for path, reason in paths_table.OUT_FOLDERS.items() if reason == "container store"]
        self.assertEqual({of(os.fsdecode(path).replace("*", "x") + "/a/b.pem") for path in stores}, {"container_layer"})

    def test_the_first_row_counts(self):
        """As if all patterns were tried one after the other."""
        table = (*paths_table.ANCHOR_CLASSES, *paths_table.CLASSES, *paths_table.FILE_CLASSES)
        paths = [os.fsencode(path) for rows in (FILES, ANCHORS, FOLDERS) for _kind, paths in rows for path in paths.split()]
        paths += [os.fsencode(path) for path in INSTALLED] + [path + paths[-index] for index, path in enumerate(paths)]
        for below in (False, True):
            end = rb"(?:/.*)?" if below else b""
            every = [re.compile(patterns._expression(pattern) + end, re.DOTALL) for pattern, _kind in table]
            one = patterns.Table(table, below=below)
            for path in paths:
                with self.subTest(path=path, below=below):
                    index = next((number for number, one_pattern in enumerate(every) if one_pattern.fullmatch(path)), None)
                    self.assertEqual(one.word(path), None if index is None else table[index][1])

    def test_every_class_has_a_rank(self):
        """The best of several can be told."""
        tables = (paths_table.FILE_CLASSES, paths_table.ANCHOR_CLASSES, paths_table.CLASSES, paths_table.CHECKOUT_CLASSES)
        self.assertEqual({kind for table in tables for _pattern, kind in table} - set(paths_table.BEST_CLASSES), set())


class Checkouts(unittest.TestCase):
    def setUp(self):
        """A folder with a checkout in it."""
        self.top = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def test_names(self):
        """Folders of tests and the like are told below a checkout alone, and only those that lie in it."""
        for mark in (mark.decode() for mark in paths_table.CHECKOUT_MARKS):
            os.makedirs(os.path.join(self.top, mark[1:], "test/app", mark))
            for name in (name.decode() for name, _kind in paths_table.CHECKOUT_CLASSES):
                with self.subTest(mark=mark, name=name):
                    checkout = os.path.join(self.top, mark[1:], "test/app")
                    self.assertEqual(of(f"{checkout}/{name}/tls/x.pem"), "test_or_package")
                    self.assertEqual(of(f"{checkout}/deep/{name}/x.pem"), "test_or_package")
                    self.assertEqual(of(f"{checkout}/{name}s.d/x.pem"), "installed")
                    self.assertEqual(of(f"{self.top}/{name}/x.pem"), "installed")
            self.assertEqual(of(f"{self.top}/{mark[1:]}/test/app/conf/x.pem"), "installed")


class Contents(Tree):
    def test_server_in_a_trust_store(self):
        """A certificate that is no anchor, and a self-signed one whose key lies on the host, are installed in a folder of the trust store."""
        self.trust("store")
        self.write("store/leaf.crt", made.certificate("leaf", issuer="root"))
        self.write("store/self.crt", made.certificate("host", ca=True))
        self.write("private/self.key", made.key("ec", "host"))
        self.assertEqual([row["class"] for row in self.places().values()], ["installed"] * 2)

    def test_folder_of_anchors(self):
        """Many files of anchors in one folder are a copy of a trust store; a few are places, and so is what is no anchor or in use."""
        for number in range(21):
            self.write(f"roots/{number}.pem", made.certificate(f"root{number % 4}", ca=True) + b"\n" * number)
        self.write("roots/leaf.pem", made.certificate("leaf", issuer="root"))
        self.write("roots/used.pem", made.certificate("root0", ca=True))
        self.write("few/a.pem", made.certificate("root0", ca=True))
        answer = self.scan([service("web", certificate=self.path("roots/used.pem"))])
        self.assertEqual([[(place["path"], place["class"]) for place in row["places"]] for row in answer["bundles"]], [[(self.path("roots"), "trust_copy")]])
        expected = {"few/a.pem": "installed", "roots/leaf.pem": "installed", "roots/used.pem": "in_use"}
        self.assertEqual({row["path"][len(self.top) + 1 :]: row["class"] for row in answer["places"]}, expected)

    def test_bundle_with_others(self):
        """One in ten of a file of many anchors may be none, unless its private key lies on the host."""
        roots = [made.certificate(f"root{number}", ca=True) for number in range(21)]
        self.write("bundle.pem", *roots, made.certificate("leaf", issuer="root"), made.certificate("other", issuer="root"))
        self.assertEqual([row["count"] for row in self.scan()["bundles"]], [23])
        self.write("leaf.key", made.key("ec", "leaf"))
        self.assertEqual((self.scan()["bundles"], len(self.scan()["places"])), ([], 23))

    def test_in_use_wins(self):
        """Whatever a folder is called, what a service names is in use."""
        names = ("tests/a.pem", "backup/a.pem", "rootfs/a.pem", "a.pem.bak", "ssl-cert-snakeoil.pem", "site-packages/a.pem", ".mitmproxy/a.pem")
        for name in names:
            self.write(name, made.certificate("leaf", issuer="root"))
        services = [service("web", certificate=self.path(name)) for name in names]
        self.assertEqual({row["class"] for row in self.places(services=services).values()}, {"in_use"})
