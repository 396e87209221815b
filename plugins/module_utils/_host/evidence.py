# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is known by besides its name: read from files and the kernel, no command is started."""

import binascii
import hashlib
import os
import re
import socket
import struct
import sys
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import user_name

_SSH = b"/etc/ssh"
_MACHINE_ID = (b"/etc/machine-id", b"/var/lib/dbus/machine-id")
_PRODUCT_UUID = (b"/sys/class/dmi/id/product_uuid",)

# linux/rtnetlink.h, linux/if_addr.h, linux/netlink.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_REQUEST_DUMP = 0x001 | 0x300
_DONE, _ERROR = 3, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_SCOPE_UNIVERSE = 0


def host_evidence(now: float) -> t.Dict[str, t.Any]:
    """Return the `host` part of an answer; what cannot be read is null or left out."""
    uid = os.geteuid()
    return {
        "now": now,
        "uid": uid,
        "user": user_name(uid),
        "hostname": socket.gethostname(),
        "machine_id": _first_match(_MACHINE_ID, "[0-9a-f]{32}"),
        "product_uuid": _first_match(_PRODUCT_UUID, "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "ssh_host_keys": ssh_host_keys(_SSH),
        "addresses": addresses(),
        "python": "{}.{}.{}".format(*sys.version_info),
        "openssl": None,
    }


def ssh_host_keys(folder: bytes) -> t.List[str]:
    """Return the SHA-256 of each public host key of the SSH server whose settings lie in `folder`, sorted."""
    found = set()
    for name in _names(folder):
        if name.startswith(b"ssh_host_") and name.endswith(b"_key.pub"):
            words = _read(os.path.join(folder, name)).split()
            try:
                found.add(hashlib.sha256(binascii.a2b_base64(words[1])).hexdigest())
            except (IndexError, binascii.Error):
                continue
    return sorted(found)


def addresses() -> t.List[str]:
    """Return the addresses of this host that others can reach, sorted; loopback and link-local ones are left out."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
            kernel.settimeout(2)
            # struct nlmsghdr (length, type, flags, sequence, port), struct rtgenmsg (family, padded)
            kernel.send(struct.pack("=IHHII", 20, _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + struct.pack("=B3x", socket.AF_UNSPEC))
            return sorted(set(_dumped(kernel)))
    except (AttributeError, OSError):  # not Linux, or a sandbox without netlink
        return []


def _dumped(kernel: socket.socket) -> t.Iterator[str]:
    while True:
        for kind, payload in _attributes(kernel.recv(65536), "=IH10x"):
            if kind in (_DONE, _ERROR):
                return
            if kind == _RTM_NEWADDR:
                yield from _address(payload)


def _address(payload: bytes) -> t.Iterator[str]:
    family, scope = struct.unpack_from("=BxxB", payload)  # struct ifaddrmsg
    values = dict(_attributes(payload[8:], "=HH"))
    value = values.get(_IFA_LOCAL, values.get(_IFA_ADDRESS))
    if value is not None and scope == _SCOPE_UNIVERSE and family in (socket.AF_INET, socket.AF_INET6):
        yield socket.inet_ntop(family, value)


def _attributes(data: bytes, header: str) -> t.Iterator[t.Tuple[int, bytes]]:
    # Messages and attributes of netlink have one form: length, type, value, padded to four bytes.
    size = struct.calcsize(header)
    while len(data) >= size:
        length, kind = struct.unpack_from(header, data)
        if length < size:
            return
        yield kind, data[size:length]
        data = data[(length + 3) & ~3 :]


def _first_match(paths: t.Sequence[bytes], pattern: str) -> t.Optional[str]:
    for path in paths:
        text = _read(path).decode("ascii", "replace").strip().lower()
        if re.fullmatch(pattern, text):
            return text
    return None


def _names(folder: bytes) -> t.List[bytes]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: bytes) -> bytes:
    try:
        # Never wait for a writer, should somebody have put a FIFO there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
