# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can read a file, held against what the kernel lets accounts do and what getfacl says."""

import contextlib
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import readers

PASSWD = b"""root:x:0:0::/root:/bin/sh
alice:x:60001:60001::/home/alice:/bin/sh
bob:x:60002:60002::/home/bob:/bin/sh
carol:x:60003:60009::/home/carol:/bin/sh
dave:x:60004:60004::/home/dave:/bin/sh
"""
GROUP = b"root:x:0:\nalice:x:60001:\nbob:x:60002:\ndave:x:60004:\nssl-cert:x:60010:bob,elsewhere\nother:x:60009:dave\n"
UIDS = {"alice": (60001, (60001,)), "bob": (60002, (60002, 60010)), "carol": (60003, (60009,)), "dave": (60004, (60004, 60009))}
NOBODY = {"readers": [], "readers_count": 0, "everyone": False}
UNKNOWN = {"readers": None, "readers_count": None, "everyone": None}
ROOT = os.geteuid() == 0


def may_read(path, uid, gids):
    """Whether the kernel lets an account read a file."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(gids))
            os.setresgid(gids[0], gids[0], gids[0])
            os.setresuid(uid, uid, uid)
            os.close(os.open(path, os.O_RDONLY))
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def acl(*entries):
    """An ACL as the kernel hands it out."""
    return b"\2\0\0\0" + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def status(mode, uid=0, gid=0):
    """The status of a file that is not there."""
    return os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 100, 0, 0, 0))


class Files(unittest.TestCase):
    def setUp(self):
        """A folder that everybody may pass, a file in it, and the accounts of another host."""
        self.top = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        os.chmod(self.top, 0o755)
        self.file = self.write("folder/key.pem", b"key")
        self.accounts = [os.fsencode(self.write(name, content)) for name, content in (("passwd", PASSWD), ("group", GROUP))]

    def write(self, name, content):
        """Make a file and return its path."""
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def told(self, path=None):
        """What is told of a file."""
        path = self.file if path is None else path
        return readers.Readers(*self.accounts).of(os.fsencode(path), os.lstat(path))

    def set_acl(self, path, *entries):
        """Give a file an ACL, by setfacl."""
        if shutil.which("setfacl") is None:
            self.skipTest("setfacl is not installed")
        done = subprocess.run(["setfacl", "-m", ",".join(entries), path], check=False, stderr=subprocess.PIPE)
        if done.returncode:
            self.skipTest("the file system of the temporary folder has no ACLs: " + done.stderr.decode())

    def test_the_owner_alone(self):
        """Then nobody else is told, and no file of accounts is read."""
        os.chmod(self.file, 0o600)
        with mock.patch.object(readers, "_content", side_effect=AssertionError):
            self.assertEqual(self.told(), NOBODY)

    def test_everyone(self):
        """A file that the world reads names nobody, unless a folder above it bars the way."""
        os.chmod(self.file, 0o644)
        self.assertEqual(self.told(), dict(NOBODY, everyone=True))
        os.chmod(os.path.dirname(self.file), 0o700)
        self.assertEqual(self.told(), NOBODY)

    def test_other_names(self):
        """A folder bars no way to a file that has another name elsewhere."""
        os.chmod(self.file, 0o644)
        os.chmod(os.path.dirname(self.file), 0o700)
        os.link(self.file, os.path.join(self.top, "second"))
        self.assertTrue(self.told()["everyone"])

    def test_an_acl(self):
        """Named users and groups read as far as the mask lets them; members are told by name, and groups that the host's files do not know as groups."""
        os.chmod(self.file, 0o600)
        self.set_acl(self.file, "u:60001:r", "u:77777:r", "g:60010:r", "g:77777:r", "u:60004:-")
        expected = ["77777", "alice", "bob", "elsewhere", "group:77777"]
        self.assertEqual(self.told(), {"readers": expected, "readers_count": 5, "everyone": False})
        self.set_acl(self.file, "m::-")
        self.assertEqual(self.told(), NOBODY)

    def test_an_acl_of_a_folder(self):
        """Lets one through who could not pass otherwise."""
        os.chmod(self.file, 0o644)
        os.chmod(os.path.dirname(self.file), 0o700)
        self.set_acl(os.path.dirname(self.file), "u:60001:x")
        self.assertEqual(self.told()["readers"], ["alice"])

    def test_getfacl(self):
        """The rights of each entry are those that getfacl calls effective."""
        os.chmod(self.file, 0o640)
        self.set_acl(self.file, "u:60001:rw", "u:60002:-", "g:60010:rwx", "m::r")
        text = subprocess.check_output(["getfacl", "-n", "-e", self.file]).decode()
        expected = {(kind, int(number)): bits for kind, number, bits in re.findall(r"^(user|group):(\d+):\S+\s+#effective:(...)", text, re.MULTILINE)}
        own = readers.rights(os.stat(self.file), os.getxattr(self.file, "system.posix_acl_access"))
        found = {("user", number): bits for number, bits in own.users}
        found.update({("group", number): bits for number, bits in own.groups[1:]})
        self.assertEqual(found, {key: 4 * ("r" in bits) + 2 * ("w" in bits) + ("x" in bits) for key, bits in expected.items()})
        self.assertEqual(len(found), 3)

    @unittest.skipUnless(ROOT, "only root can try what others may do")
    def test_the_kernel(self):
        """Whatever modes, owners and ACLs there are: those are told whom the kernel lets read."""
        self.set_acl(self.file, "u:60001:r")
        rng = random.Random(4)
        folder = os.path.dirname(self.file)
        for _round in range(120):
            for path, wanted in ((folder, "x"), (self.file, "r")):
                subprocess.check_call(["setfacl", "-b", path])
                os.chown(path, rng.choice((0, 60001, 60002)), rng.choice((0, 60009, 60010)))
                os.chmod(path, rng.choice((0o000, 0o111, 0o444, 0o550, 0o640, 0o710, 0o750, 0o755, 0o705, 0o604, 0o044, 0o777)))
                if rng.random() < 0.6:
                    names = rng.sample(["u:60001", "u:60003", "g:60009", "g:60010", "m:", "o:"], 3)
                    self.set_acl(path, *(f"{name}:{rng.choice((wanted, '-', 'rwx'))}" for name in names))
            told, owner = self.told(), os.stat(self.file).st_uid
            able = {name for name, (uid, gids) in UIDS.items() if uid != owner and may_read(self.file, uid, gids)}
            stated = set(told["readers"]) & set(UIDS)
            shown = subprocess.check_output(["getfacl", "-n", "-p", folder, self.file]).decode()
            if told["everyone"]:
                self.assertTrue(may_read(self.file, 60050, (60050,)), shown)
            else:
                self.assertEqual(stated, able, shown)

    def test_many(self):
        """More than a few readers are counted, and a group of thousands takes no time."""
        members = [f"user{number:05}" for number in range(20000)]
        lines = "".join(f"{name}:x:{100000 + number}:{100000 + number}::/:/bin/sh\n" for number, name in enumerate(members))
        self.write("passwd", lines.encode())
        self.write("group", f"huge:x:{os.stat(self.file).st_gid}:{','.join(members)}\n".encode())
        os.chmod(self.file, 0o640)
        began = time.process_time()
        told = self.told()
        self.assertLess(time.process_time() - began, 2)
        self.assertEqual((told["readers"], told["readers_count"]), (members[: readers.MOST], 20000))

    def test_odd_accounts(self):
        """Names that are not UTF-8, lines of another form, numbers that are none and cut off files."""
        gid = os.stat(self.file).st_gid
        self.write("passwd", b"\xff\xfe:x:61000:61000::/:/bin/sh\n\0\n:::\nx:x:nan:1::/:\nalice:x:60001:6000")
        self.write("group", b"g:x:%d:\xff\xfe,,b\\d\nh:x:-1:alice\ni:x:" % gid + b"9" * 5000 + b":alice\n+::::\n")
        os.chmod(self.file, 0o640)
        self.assertEqual(self.told()["readers"], ["\\xff\\xfe", "b\\x5cd"])

    def test_what_the_system_does_not_tell(self):
        """No accounts, a file that has gone, an ACL that is none: nothing is told, which is not nobody."""
        os.chmod(self.file, 0o640)
        with mock.patch.object(readers.os, "getxattr", return_value=b"garbage"):
            self.assertEqual(self.told(), UNKNOWN)
        for wrong in ("passwd", "group"):
            os.rename(os.path.join(self.top, wrong), os.path.join(self.top, "aside"))
            self.assertEqual(self.told(), UNKNOWN)
            os.symlink(wrong, os.path.join(self.top, wrong))  # a link to itself
            self.assertEqual(self.told(), UNKNOWN)
            os.remove(os.path.join(self.top, wrong))
            os.rename(os.path.join(self.top, "aside"), os.path.join(self.top, wrong))
        gone = os.lstat(self.file)
        os.remove(self.file)
        self.assertEqual(readers.Readers(*self.accounts).of(os.fsencode(self.file), gone), UNKNOWN)


class Rights(unittest.TestCase):
    def test_modes(self):
        """The bits of owner, group and others; who is in the group has no part in what others may."""
        for mode, uid, gids, expected in (
            (0o640, 60001, (60001,), False),
            (0o640, 60001, (60001, 60010), True),
            (0o604, 60001, (60010,), False),
            (0o604, 60001, (60001,), True),
            (0o044, 60005, (60005,), False),
        ):
            with self.subTest(mode=oct(mode), gids=gids):
                own = readers.rights(status(mode, 60005, 60010), None)
                self.assertEqual(own.allows(readers.Account("a", uid, frozenset(gids)), 4), expected)

    def test_wrong_acls(self):
        """An ACL of another version, cut off, or without its three bases is refused."""
        good = acl((1, 6, 0), (4, 4, 0), (0x20, 0, 0))
        self.assertEqual(readers.rights(status(0o640), good).others, 0)
        for wrong, why in (
            (b"", "another version or is cut off"),
            (b"\3" + good[1:], "another version or is cut off"),
            (good[:-1], "another version or is cut off"),
            (good[:4], "lacks the owner, the group or the others"),
            (acl((1, 6, 0), (0x20, 0, 0)), "lacks the owner, the group or the others"),
        ):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(readers.AclError, why):
                readers.rights(status(0o640), wrong)

    def test_random_acls(self):
        """Random bytes are refused or read, nothing else."""
        rng = random.Random(5)
        for _round in range(3000):
            content = b"\2\0\0\0" + bytes(rng.getrandbits(8) for _byte in range(rng.randrange(0, 60)))
            with contextlib.suppress(readers.AclError):
                readers.rights(status(0o640), content).allows(readers.Account("a", 1, frozenset((1,))), 4)


if __name__ == "__main__":
    unittest.main()
