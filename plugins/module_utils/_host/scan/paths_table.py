# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a scan looks, what it leaves out, and what a path says about a certificate: the one table of it.

Patterns: `*` stands for any characters of one name, `**` for any at all. A pattern that begins with a slash is a path from the root, any other is the
end of one, such as a name.
"""

import typing as t

DEFAULT_PATHS = (b"/etc", b"/opt", b"/srv", b"/usr/local", b"/var/lib", b"/var/opt", b"/var/www", b"/var/spool/postfix", b"/root")
HOME = b"/home"  # only looked into on request, or where it is given as a path

_CONTAINERS = "container store"
_DATABASE = "database store"
_PACKAGES = "package store"
_OWN = "kept by certops itself"

# Folders that are not looked into unless they are given as paths, or a service or a link names a file in them.
# A database's own folder is looked into (servers keep their certificate there), the folders below it are not.
OUT_FOLDERS: t.Dict[bytes, str] = {
    b"/var/lib/docker": _CONTAINERS,
    b"/var/lib/containers": _CONTAINERS,
    b"/var/lib/containerd": _CONTAINERS,
    b"/var/lib/buildkit": _CONTAINERS,
    b"/var/lib/buildah": _CONTAINERS,
    b"/var/lib/cri-o": _CONTAINERS,
    b"/var/lib/kubelet/pods": _CONTAINERS,
    b"/var/lib/rancher/*/agent/containerd": _CONTAINERS,
    b"/var/lib/lxc": _CONTAINERS,
    b"/var/lib/lxd": _CONTAINERS,
    b"/var/lib/incus": _CONTAINERS,
    b"/var/lib/machines": _CONTAINERS,
    b"/var/lib/portables": _CONTAINERS,
    b"/var/lib/libvirt/images": "store of virtual machines",
    b"/root/.local/share/containers": _CONTAINERS,
    b"/home/*/.local/share/containers": _CONTAINERS,
    b"/var/lib/mysql/*": _DATABASE,
    b"/var/lib/postgresql/*/*/*": _DATABASE,
    b"/var/lib/pgsql/data/*": _DATABASE,
    b"/var/lib/pgsql/*/data/*": _DATABASE,
    b"/var/lib/mongodb/*": _DATABASE,
    b"/var/lib/mongo/*": _DATABASE,
    b"/var/lib/redis/*": _DATABASE,
    b"/var/lib/elasticsearch/*": _DATABASE,
    b"/var/lib/opensearch/*": _DATABASE,
    b"/var/lib/cassandra/*": _DATABASE,
    b"/var/lib/influxdb/*": _DATABASE,
    b"/var/lib/prometheus/*": _DATABASE,
    b"/var/lib/dpkg": _PACKAGES,
    b"/var/lib/apt": _PACKAGES,
    b"/var/lib/rpm": _PACKAGES,
    b"/var/lib/dnf": _PACKAGES,
    b"/var/lib/yum": _PACKAGES,
    b"/var/lib/zypp": _PACKAGES,
    b"/var/lib/pacman": _PACKAGES,
    b"/var/lib/snapd": _PACKAGES,
    b"/var/lib/flatpak": _PACKAGES,
    b"/var/lib/mlocate": _PACKAGES,
    b"/var/lib/plocate": _PACKAGES,
    b"/etc/letsencrypt/archive": "certbot's history",
    b"/var/lib/certops": _OWN,
}

# Folders of these names, wherever they are met.
OUT_NAMES: t.Dict[bytes, str] = {
    b".git": "version control (.git)",
    b".hg": "version control (.hg)",
    b".svn": "version control (.svn)",
    b"node_modules": "packages of a language (node_modules)",
    b"site-packages": "packages of a language (site-packages)",
    b"dist-packages": "packages of a language (dist-packages)",
    b"__pycache__": "packages of a language (__pycache__)",
    **{name: "packages of a language (" + name.decode() + ")" for name in (b".rustup", b".cargo", b".m2", b".gradle", b".npm", b".nvm", b".pyenv", b".rbenv")},
}
OUR_PREFIX = b".certops-"  # generations, staging and backups of ours, files and folders
OUR_REASON = _OWN

KERNEL_REASON = "file system of the kernel"  # nobody keeps a file there
# File systems that are not even asked about a file: they may hang, mount something, or make it up.
UNTOUCHED_FILE_SYSTEMS: t.Dict[bytes, str] = {
    **dict.fromkeys(
        (
            b"nfs",
            b"nfs4",
            b"cifs",
            b"smb3",
            b"smbfs",
            b"ncpfs",
            b"afs",
            b"9p",
            b"ceph",
            b"glusterfs",
            b"lustre",
            b"gpfs",
            b"beegfs",
            b"ocfs2",
            b"gfs2",
            b"coda",
        ),
        "network file system",
    ),
    b"autofs": "automounted file system",
    **dict.fromkeys(
        (b"proc", b"sysfs", b"devtmpfs", b"devpts", b"cgroup", b"cgroup2", b"securityfs", b"debugfs", b"tracefs", b"bpf", b"pstore", b"configfs", b"mqueue"),
        KERNEL_REASON,
    ),
    **dict.fromkeys(
        (b"hugetlbfs", b"binfmt_misc", b"efivarfs", b"rpc_pipefs", b"nsfs", b"selinuxfs", b"fusectl"),
        KERNEL_REASON,
    ),
}
FUSE_PREFIX = b"fuse"  # fuse, fuse.sshfs, fuseblk …
FUSE_REASON = "fuse file system"
# File systems that are not walked into, though a single file that is named in them is read. The root file system is always walked.
OUT_FILE_SYSTEMS: t.Dict[bytes, str] = {b"overlay": "overlay file system", b"aufs": "overlay file system"}

# Folders, and files, of the system's trust anchors.
TRUST_FOLDERS = (
    b"/etc/ssl/certs",
    b"/etc/ssl/cert.pem",
    b"/etc/ca-certificates",
    b"/usr/share/ca-certificates",
    b"/usr/local/share/ca-certificates",
    b"/etc/pki/ca-trust",
    b"/etc/pki/tls/certs",
    b"/etc/pki/tls/cert.pem",
    b"/etc/pki/java",
    b"/etc/pki/trust",
    b"/usr/share/pki",
    b"/var/lib/ca-certificates",
)

# What a path says of the certificates at it: the first row that fits counts, of these four tables in this order. Whatever a service names is in use instead.
_COPIES = (
    *(b"~", b".bak", b".backup", b".old", b".orig", b".save", b".swp"),
    *(b".dpkg-old", b".dpkg-dist", b".dpkg-new", b".dpkg-bak", b".ucf-old", b".ucf-dist", b".rpmsave", b".rpmorig", b".rpmnew"),
)
_DATED = tuple(b"*." + kind + mark + b"20*" for kind in (b"pem", b"crt", b"cer", b"p12", b"pfx", b"jks") for mark in (b".", b"-", b"_"))

# 1. The name of the file itself.
FILE_CLASSES: t.Tuple[t.Tuple[bytes, str], ...] = (
    (b".certops-*", "history"),
    *((name, "history") for name in (b"kubelet-client-20*.pem", b"kubelet-server-20*.pem")),
    *((b"*" + ending, "backup") for ending in _COPIES),
    *((name, "backup") for name in _DATED),
    *((name, "test_or_package") for name in (b"ssl-cert-snakeoil.*", b"debug.keystore")),
)

# 2. Where anchors are trusted: only files that hold nothing but anchors, without a private key on this host. A server's certificate is none.
ANCHOR_CLASSES: t.Tuple[t.Tuple[bytes, str], ...] = (
    *((folder, "trust_store") for folder in TRUST_FOLDERS),
    (b"/etc/chef/trusted_certs", "trust_copy"),
)

# 3. The path itself, or a folder above it.
CLASSES: t.Tuple[t.Tuple[bytes, str], ...] = (
    *((folder, "container_layer") for folder, reason in OUT_FOLDERS.items() if reason == _CONTAINERS),
    *((name, "container_layer") for name in (b"containers/storage", b"storage/overlay", b"overlay2", b"io.containerd.*", b"runc-overlayfs", b"rootfs")),
    *((folder, "history") for folder in (b"/etc/letsencrypt/archive", b"/etc/letsencrypt/keys", b"/var/lib/certops")),
    *((name, "history") for name in (b".certops-*", b"newcerts", b"certs_by_serial", b"ca/signed", b"dehydrated/archive")),
    *((folder, "backup") for folder in (b"/var/backups", b"/etc/kubernetes/tmp")),
    *((b"*" + ending, "backup") for ending in _COPIES),
    *((name, "backup") for name in (b"backup", b"backups", b".snapshots", b"rsnapshot", b"share/Trash")),
    *((folder + b"/Downloads", "backup") for folder in (b"/home/*", b"/root")),
    *((folder, "trust_store") for folder in (b"/etc/pki/ca-trust/extracted", b"/etc/pki/ca-trust/source/blacklist", b"/etc/pki/ca-trust/source/blocklist")),
    *(
        (name, "test_or_package")
        for name in (b"tests", b"__tests__", b"testdata", b"test-data", b"test_data", b"fixtures", b"examples", b"samples", b"src/test", b"lib/python*/test")
    ),
    *((name, "test_or_package") for name in (b"openssl*/test", b"openssl*/apps")),  # also where they were unpacked from an archive
    *((name, "test_or_package") for name in (b"site-packages", b"dist-packages", b"node_modules", b"go/pkg/mod", b"vendor/bundle")),
    *((name, "test_or_package") for name in (b"lib/ruby/gems", b"rubygems/ssl_certs", b".cache/pip", b".cache/uv", b".cache/go-build")),
    *((name, "test_or_package") for name in (b".mitmproxy", b"share/mkcert", b".minikube", b".android")),
    *((b"/home/*/" + name, "test_or_package") for name in (b".kube", b".docker", b".config/k3d")),
    (b"/etc/pki/tls/certs/localhost.crt", "test_or_package"),
    *((folder, "test_or_package") for folder in (b"/usr/share", b"/usr/lib", b"/usr/lib64", b"/lib", b"/lib64", b"/snap")),
)

# 4. Names of folders that say something only in a checkout of version control: elsewhere they are stages of an application, or sites.
CHECKOUT_CLASSES: t.Tuple[t.Tuple[bytes, str], ...] = tuple(
    (name, "test_or_package") for name in (b"test", b"spec", b"e2e", b"demo", b"demos", b"example", b"sample", b"doc", b"docs")
)
CHECKOUT_MARKS = (b".git", b".hg", b".svn")
NO_CHECKOUTS = (b"/", b"/etc")  # a history of the whole configuration says nothing of what lies in it

# A file that is reached by several paths has the best class of them; the first is the best.
BEST_CLASSES = ("in_use", "installed", "trust_store", "trust_copy", "history", "backup", "test_or_package", "container_layer")

# What a unit or a command line names below these folders and may be executed is a program, not a certificate.
PROGRAM_FOLDERS = (b"/bin/", b"/sbin/", b"/usr/bin/", b"/usr/sbin/", b"/usr/lib/", b"/usr/libexec/", b"/usr/lib64/", b"/lib/", b"/lib64/")
BINARY_FOLDERS = (b"/bin/", b"/sbin/", b"/usr/bin/", b"/usr/sbin/", b"/usr/games/")  # links of /etc/alternatives to these are not followed
