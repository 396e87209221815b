# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declaration as it comes from the controller."""

import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import declared

PAIR = {"name": "web", "certificate_path": "/etc/tls/a.crt", "key_path": "/etc/tls/a.key"}


class TestDeclared(unittest.TestCase):
    """What is accepted, what it becomes, and what is refused."""

    def test_roles(self):
        """The key comes before the certificate; two paths that are one make a combined file."""
        table = (
            ({}, ["key", "certificate"]),
            ({"key_path": "/etc/tls/a.crt"}, ["combined"]),
            ({"chain_path": "/etc/tls/c", "fullchain_path": "/etc/tls/f"}, ["key", "certificate", "chain", "fullchain"]),
        )
        for changes, roles in table:
            with self.subTest(changes=changes):
                self.assertEqual([role.name for role in declared.from_args(dict(PAIR, **changes)).roles], roles)

    def test_modes(self):
        """A key has the key's mode, one file of everything has either."""
        combined = declared.from_args(dict(PAIR, key_path="/etc/tls/a.crt", mode="0640"))
        pair = declared.from_args(dict(PAIR, mode="0644", key_mode="0400"))
        self.assertEqual([combined.mode_of(role) for role in combined.roles], ["0640"])
        self.assertEqual([pair.mode_of(role) for role in pair.roles], ["0400", "0644"])

    def test_what_is_refused(self):
        """Each sentence names the certificate, the option and the value."""
        table = (
            ({"certificate_path": "tls.crt"}, "certificate_path must be an absolute path of a file .* got 'tls.crt'"),
            ({"key_path": "/etc/../a.key"}, "key_path must be an absolute path"),
            ({"key_path": "/etc/tls/"}, "key_path must be an absolute path"),
            ({"key_path": None}, "key_path must be an absolute path"),
            ({"key_path": "/a\0b"}, "key_path must be an absolute path"),
            ({"chain_path": "/etc/tls/a.key"}, "chain_path and fullchain_path must be files of their own"),
            ({"mode": "rw"}, "mode must be 3 or 4 octal digits such as '0640', got 'rw'"),
            ({"key_mode": 420}, "key_mode must be 3 or 4 octal digits"),
            ({"verify": "maybe"}, "verify must be one of when_seen_before, required, none, got 'maybe'"),
            ({"layout": "tree"}, "layout must be one of auto, in_place, link, exchange, got 'tree'"),
            ({"rollback": "yes"}, "rollback must be one of auto, always, never, got 'yes'"),
        )
        for changes, text in table:
            with self.subTest(text), self.assertRaisesRegex(HostError, "certificate 'web': " + text):
                declared.from_args(dict(PAIR, **changes))


if __name__ == "__main__":
    unittest.main()
