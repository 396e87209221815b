# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of paths."""

import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.scan.patterns import Patterns

FITS = (
    (b"/etc/ssl", b"/etc/ssl"),
    (b"/etc/*/ssl", b"/etc/a/ssl"),
    (b"/etc/**/ssl", b"/etc/a/b/ssl"),
    (b"**/storage", b"/a/b/storage"),
    (b"*.bak", b"/etc/a.bak"),
    (b"cache", b"/srv/a/cache"),
    (b"a/*.pem", b"/srv/a/b.pem"),
    (b"/srv/a[1].(x)", b"/srv/a[1].(x)"),
    (b"/srv/\xff*", b"/srv/\xff\xfe\n"),
)
FAILS = (
    (b"/etc/ssl", b"/etc/ssl2"),
    (b"/etc/ssl", b"/srv/etc/ssl"),
    (b"/etc/ssl", b"/etc/ssl/certs"),
    (b"/etc/*", b"/etc/a/b"),
    (b"*.bak", b"/etc/a.bak2"),
    (b"cache", b"/srv/mycache"),
    (b"/srv/a.b", b"/srv/aXb"),
)


class PatternsFit(unittest.TestCase):
    def test_table(self):
        """A pattern that begins with a slash is a path, any other the end of one; a star stays in its name, two do not."""
        for table, expected in ((FITS, 0), (FAILS, None)):
            for pattern, path in table:
                with self.subTest(pattern=pattern, path=path):
                    self.assertEqual(Patterns([pattern]).index(path), expected)

    def test_below(self):
        """With `below` a pattern fits what lies deeper as well, and still no name that only begins like it."""
        patterns = Patterns([b"/etc/ssl", b"tests"], below=True)
        for path, expected in ((b"/etc/ssl/certs/a.pem", 0), (b"/etc/ssl", 0), (b"/srv/tests/a/b", 1), (b"/etc/ssl2/a", None), (b"/srv/tests2", None)):
            with self.subTest(path=path):
                self.assertEqual(patterns.index(path), expected)

    def test_first(self):
        """The first of several patterns that fit counts; no patterns fit nothing."""
        self.assertEqual(Patterns([b"x", b"/a/*", b"b"]).index(b"/a/b"), 1)
        self.assertIsNone(Patterns([]).index(b"/a"))
        self.assertEqual((bool(Patterns([])), bool(Patterns([b"a"]))), (False, True))
