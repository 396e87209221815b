# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts on a folder: which names change, and the way back from anywhere."""

import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import declared, layout, staging, swap

MARK = "0123456789abcdef0123456789abcdef"


class FolderCase(unittest.TestCase):
    """A folder with nothing in it."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.folder = os.path.join(self.root, "tls")
        os.mkdir(self.folder)

    def declare(self, **changes):
        """A declaration of a pair in the folder."""
        args = {"name": "web", "certificate_path": os.path.join(self.folder, "a.crt"), "key_path": os.path.join(self.folder, "a.key")}
        return declared.from_args(dict(args, **changes))

    def write(self, name, text="old"):
        """Write one file of the folder."""
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text + " " + name)

    def state(self):
        """Every name below the folder with what it leads to."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                path = os.path.join(folder, name)
                key = os.path.relpath(path, self.root)
                if os.path.isfile(path):
                    with open(path) as file:
                        found[key] = (os.path.islink(path), file.read())
        return found

    def planned(self, declaration):
        """Stage new content for everything and return the plan."""
        plan = layout.plan(declaration, MARK, declaration.roles)
        content = {role.name: b"new " + os.path.basename(role.path) for role in declaration.roles}
        return staging.stage(plan, declaration, content)


class TestChoice(FolderCase):
    """The layout `auto`."""

    def test_auto(self):
        """Plain files stay plain, one file is one rename, what is new in one folder becomes links."""
        table = (
            ("new pair", (), {}, "link"),
            ("plain pair", ("a.crt", "a.key"), {}, "in_place"),
            ("half a pair", ("a.key",), {}, "in_place"),
            ("two folders", (), {"key_path": os.path.join(self.root, "a.key")}, "in_place"),
            ("one file", (), {"key_path": os.path.join(self.folder, "a.crt")}, "combined"),
            ("asked for", ("a.crt", "a.key"), {"layout": "link"}, "link"),
        )
        for name, present, changes, expected in table:
            with self.subTest(name):
                for file in present:
                    self.write(file)
                declaration = self.declare(**changes)
                self.assertEqual(layout.plan(declaration, MARK, declaration.roles).layout, expected)
                for file in present:
                    os.unlink(os.path.join(self.folder, file))

    def test_our_links_stay_links(self):
        """A pair that was put in place as links is replaced as links."""
        declaration = self.declare()
        plan = self.planned(declaration)
        swap.swap(plan.moves)
        self.assertEqual(layout.plan(declaration, MARK[::-1], declaration.roles).layout, "link")
        self.assertIsNone(layout.foreign_link(declaration))

    def test_links_of_others_are_named(self):
        """A link that we did not make is never followed to write."""
        os.symlink("/etc/hostname", os.path.join(self.folder, "a.crt"))
        self.assertEqual(layout.foreign_link(self.declare()), os.fsencode(os.path.join(self.folder, "a.crt")))

    def test_what_cannot_be(self):
        """An exchange needs a folder of its own, links need one folder."""
        self.write("other")
        with self.assertRaisesRegex(HostError, "needs a folder that holds nothing else"):
            layout.plan(self.declare(layout="exchange"), MARK, ())
        with self.assertRaisesRegex(HostError, "needs all files in one folder"):
            layout.plan(self.declare(layout="link", key_path=os.path.join(self.root, "a.key")), MARK, ())

    def test_names_never_share_a_store(self):
        """Names that differ only in what a file name cannot hold have folders of their own."""
        stores = {layout.plan(self.declare(name=name), MARK, self.declare().roles).moves[0].target for name in ("a/b", "a_b", "a b", "a" * 99, "a" * 98)}
        self.assertEqual(len(stores), 5)


class TestThereAndBack(FolderCase):
    """Every layout, forward and back, from wherever it stopped."""

    def layouts(self):
        """Each layout with what was there before."""
        combined = {"key_path": os.path.join(self.folder, "a.crt")}
        yield from (("in_place", True, {}), ("in_place", False, {"layout": "in_place"}), ("link", False, {}), ("link", True, {"layout": "link"}))
        yield from (("exchange", True, {"layout": "exchange"}), ("combined", True, combined))

    def test_undo_from_every_step(self):
        """After any number of moves, undone once or twice, every name leads to what it led to before and nothing of ours is left."""
        for name, present, changes in self.layouts():
            for steps in range(4):
                with self.subTest(name, present=present, steps=steps):
                    shutil.rmtree(self.folder)
                    os.mkdir(self.folder)
                    for file in ("a.crt", "a.key") if present and name != "combined" else ("a.crt",) if present else ():
                        self.write(file)
                    before = self.state()
                    plan = self.planned(self.declare(**changes))
                    swap.swap(plan.moves[:steps])
                    for _round in range(2):
                        swap.undo(plan.moves)
                    staging.remove_staged(plan)
                    self.assertEqual(self.state(), before)

    def test_commit(self):
        """After a swap the ordinary names lead to the new content, and only a store of ours may be left beside them."""
        for name, present, changes in self.layouts():
            with self.subTest(name, present=present):
                shutil.rmtree(self.folder)
                os.mkdir(self.folder)
                for file in ("a.crt", "a.key") if present and name != "combined" else ("a.crt",) if present else ():
                    self.write(file)
                declaration = self.declare(**changes)
                plan = self.planned(declaration)
                swap.swap(plan.moves)
                staging.remove_kept(plan)
                for role in declaration.roles:
                    with open(role.path) as file:
                        self.assertEqual(file.read(), "new " + os.path.basename(role.path.decode()))
                self.assertEqual(sorted(os.listdir(self.root)), ["tls"])
                ours = {name for name in os.listdir(self.folder) if name.startswith(".")}
                self.assertEqual(ours, {".certops-web"} if name == "link" else set())

    def test_a_plan_survives_the_journal(self):
        """What undoes a transaction is read back as it was written, whatever bytes the paths have."""
        declaration = self.declare(certificate_path=self.folder + "/\\xffa\\x0a.crt")
        plan = self.planned(declaration)
        read = layout.Plan.from_json(plan.to_json())
        self.assertEqual((read.moves, read.staged, read.undo_folders), (plan.moves, plan.staged, plan.undo_folders))

    def test_what_changed_meanwhile_is_left(self):
        """A file that somebody else put there after the staging is not overwritten."""
        self.write("a.crt")
        self.write("a.key")
        plan = self.planned(self.declare())
        self.write("theirs")
        os.rename(os.path.join(self.folder, "theirs"), os.path.join(self.folder, "a.crt"))
        with self.assertRaisesRegex(swap.ChangedMeanwhile, "was changed by somebody else"):
            swap.swap(plan.moves)


if __name__ == "__main__":
    unittest.main()
