# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files without a trace."""

import ctypes
import mmap
import os
import random
import shutil
import socket
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import reading
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem

CONTENT = der.sequence(der.octet_string(bytes(range(200))))
BASE64 = b"MIIDADCCAgA" + b"A" * 400
BLOCK = pem.encode("CERTIFICATE", CONTENT)


class Files(unittest.TestCase):
    def setUp(self):
        """An empty folder and a reader."""
        self.folder = os.fsencode(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.reader = reading.Reader(1 << 20)

    def write(self, name, content):
        """Make a file and return its path."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_interesting(self):
        """PEM anywhere, DER, stores and SSH certificates at the beginning, and base64 in texts of some kinds are worth a closer look; nothing else is."""
        table = (
            (b"x" * 5000 + BLOCK, True),
            (CONTENT, True),
            (der.octet_string(CONTENT), False),
            (CONTENT + b"\n", True),
            (b"\xfe\xed\xfe\xed" + bytes(100), True),
            (b"\xfe\xed\xfe\xee" + bytes(100), False),
            (b"0\x82\xff\xff\2\1\3\x30" + bytes(100), True),
            (b"\x30\x80\x02\x01\x03\x30\x80" + bytes(100), True),
            (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + bytes(100), True),
            (b"SQLite format 3\0" + bytes(5000) + b"CREATE TABLE nssPublic", True),
            (b"SQLite format 3\0" + bytes(5000), False),
            (b"ssh-rsa-cert-v01@openssh.com AAAA" * 3, True),
            (b"ssh-rsa AAAA" * 10, False),
            *((start + BASE64, True) for start in (b"a: ", b"# x\n\n; y\na = ", b"\xef\xbb\xbf{", b"<a>", b"--- ", b"client\n", b"", b"- ")),
            *((start + BASE64, False) for start in (b"some words ", b"#!/bin/sh\necho ", b"<html>", b"<!DOCTYPE x>", b"package a::b;")),
            (b"a: " + BASE64[:300], False),
            (b"a: LS0tLS1CRUdJTi" + b"x" * 400, True),
            (b"a: MII" + b"x" * 400, False),
            (b"0.5 is a number, and this is text" * 3, False),
            (b"0\x82\xff\xff" + bytes(100), False),
            (b"-----BEGIN", False),
            (bytes(1000), False),
            (b"", False),
        )
        for content, expected in table:
            with self.subTest(content=content[:20]):
                seen = self.reader.look(self.write(b"file", content), None)
                self.assertEqual(seen is not None, expected)
                if seen is not None:
                    self.assertEqual((seen.content, seen.status.st_size), (content, len(content)))

    def test_left_alone(self):
        """FIFOs, sockets, devices and folders are not read, links not followed, large files not read."""
        fifo = os.path.join(self.folder, b"fifo")
        os.mkfifo(fifo)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.folder, b"socket"))
            for path, error in (
                (fifo, reading.UnusableError),
                (os.path.join(self.folder, b"socket"), OSError),
                (b"/dev/null", reading.UnusableError),
                (self.folder, reading.UnusableError),
                (self.write(b"large", bytes((1 << 20) + 1)), reading.UnusableError),
                (b"/nowhere", FileNotFoundError),
            ):
                with self.subTest(path=path), self.assertRaises(error):
                    self.reader.look(path, None)
        os.symlink(self.write(b"file", BLOCK), os.path.join(self.folder, b"link"))
        with self.assertRaises(OSError):
            self.reader.look(os.path.join(self.folder, b"link"), None)

    def test_pieces(self):
        """A file that is larger than what is read at once comes in pieces, the same bytes."""
        content = bytes(random.Random(1).getrandbits(8) for _byte in range(1000)) * 100
        path = self.write(b"file", content)
        with mock.patch.object(reading, "LARGEST_AT_ONCE", 4096):
            reader = reading.Reader(1 << 20)
            self.assertIsNone(reader.look(path, None).content)
            self.assertEqual(b"".join(reader.pieces(path)), content)

    def test_changing(self):
        """A file that changes while it is read says so."""
        path = self.write(b"file", b"x" * 10000)
        with mock.patch.object(reading, "LARGEST_AT_ONCE", 4096):
            reader = reading.Reader(1 << 20)
            with self.assertRaisesRegex(reading.UnusableError, "it changed while it was read"):
                for number, _piece in enumerate(reader.pieces(path)):
                    if number == 1:
                        self.write(b"file", b"y" * 5000)

    def test_access_time(self):
        """The access time of a file and of its folder stays what it was."""
        path = self.write(b"file", BLOCK)
        old = time.time() - 10 * 86400
        for each in (path, self.folder):
            os.utime(each, (old, old))
        self.assertIsNotNone(self.reader.look(path, None))
        descriptor = reading.open_folder(self.folder)
        os.listdir(descriptor)
        os.close(descriptor)
        self.assertEqual([round(os.stat(each).st_atime) for each in (path, self.folder)], [round(old)] * 2)

    def test_foreign_files(self):
        """Where O_NOATIME is refused the file is read without it."""
        opened = []

        def refusing(path, flags, **given):
            opened.append(flags)
            if flags & os.O_NOATIME:
                raise PermissionError(1, "Operation not permitted")
            return real(path, flags, **given)

        real = os.open
        with mock.patch.object(os, "open", refusing):
            self.assertIsNotNone(self.reader.look(self.write(b"file", BLOCK), None))
        self.assertEqual(len(opened), 2)

    @unittest.skipUnless(hasattr(os, "RWF_NOWAIT") and hasattr(os, "preadv"), "this Python cannot ask for what is in the page cache")
    def test_page_cache(self):
        """What was not in the page cache is not left in it, what was is left there."""
        path = self.write(b"file", BLOCK * 300)
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        os.fsync(descriptor)
        for wanted in (False, True):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if wanted:
                os.pread(descriptor, 1 << 20, 0)
            before = cached_pages(descriptor)
            self.assertIsNotNone(self.reader.look(path, None))
            with self.subTest(cached=wanted):
                self.assertEqual(cached_pages(descriptor), before)


def cached_pages(descriptor):
    """How many pages of a file are in the page cache (mincore(2), which brings none in)."""
    size = os.fstat(descriptor).st_size
    pages = (ctypes.c_ubyte * ((size + mmap.PAGESIZE - 1) // mmap.PAGESIZE))()
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages)
        del start
    if failed:
        raise OSError("mincore")
    return sum(page & 1 for page in pages)
