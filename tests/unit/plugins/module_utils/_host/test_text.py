# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's paths as text."""

import os
import random
import subprocess
import sys
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text

PATHS = (
    (b"/etc/ssl/a.pem", "/etc/ssl/a.pem"),
    ("/srv/zert-\u00e4\U0001f512".encode(), "/srv/zert-\u00e4\U0001f512"),
    (b"/srv/\xff\xe4.pem", "/srv/\\xff\\xe4.pem"),
    (b"a\nb\tc\x7f\x1b[31m", "a\\x0ab\\x09c\\x7f\\x1b[31m"),
    ("a\u0085b".encode(), "a\\xc2\\x85b"),
    (b"a\\b", "a\\x5cb"),
    (b"a\\xff", "a\\x5cxff"),
    (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a surrogate is not UTF-8
    (b"", ""),
)


class PathText(unittest.TestCase):
    def test_form(self):
        """UTF-8 stays readable; control characters, backslashes and other bytes are written by their numbers."""
        for path, text in PATHS:
            with self.subTest(path=path):
                self.assertEqual(path_text(path), text)
                self.assertEqual(path_bytes(text), path)

    def test_no_byte_is_lost(self):
        """Any bytes come back from their text, and two paths never share one."""
        source = random.Random(7)
        for length in list(range(40)) * 20:
            path = bytes(source.choice((source.randrange(256), 0x5C, 0x78, 0x66)) for _byte in range(length))
            self.assertEqual(path_bytes(path_text(path)), path)

    def test_text_of_a_user(self):
        """A backslash that begins no number stands for itself."""
        for text, path in (("C:\\x", b"C:\\x"), ("\\xfg\\xFF", b"\\xfg\\xFF"), ("a\\", b"a\\")):
            with self.subTest(text=text):
                self.assertEqual(path_bytes(text), path)

    def test_half_a_character(self):
        """Text that UTF-8 cannot write is refused with the text and what is accepted."""
        with self.assertRaisesRegex(HostError, r"path '/a\\udcff' must be text that UTF-8 can write"):
            path_bytes("/a\udcff")

    def test_locale_changes_nothing(self):
        """Under a locale without UTF-8 the text is the same."""
        program = f"from {path_text.__module__} import path_text; print(ascii(path_text(bytes.fromhex('e4c3a40a5c'))))"
        for locale in ("C", "POSIX", "C.UTF-8"):
            environment = {"LC_ALL": locale, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path), "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
            with self.subTest(locale=locale):
                output = subprocess.check_output([sys.executable, "-S", "-c", program], env=environment)
                self.assertEqual(output.strip(), b"'\\\\xe4\\xe4\\\\x0a\\\\x5c'")


if __name__ == "__main__":
    unittest.main()
