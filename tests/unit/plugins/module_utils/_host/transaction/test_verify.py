# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging handshakes: what is good, what is a reason to go back."""

import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.verify import Expected, judge, judge_loaded, same_as_before, unseen

SAME_KIND = Expected(old="old", old_type="rsa", new="new", new_type="rsa")
OTHER_KIND = Expected(old="old", old_type="rsa", new="new", new_type="ec")
FIRST = Expected(old=None, old_type=None, new="new", new_type="ec")


def looks(**shown):
    """Handshakes with one listener by kind of key; a list is several in a row, None is an error."""
    found = []
    for key_type, values in shown.items():
        for value in values if isinstance(values, list) else [values]:
            error = "127.0.0.1:443 refused the handshake" if value is None else None
            found.append({"address": "127.0.0.1", "port": 443, "name": "a.example.org", "key_type": key_type, "sha256": value, "error": error})
    return found


class TestJudge(unittest.TestCase):
    """The rule for each listener, name and kind of key."""

    def test_what_is_good(self):
        """What showed the old certificate shows the new one, the rest is no worse than before."""
        table = (
            ("rotated", SAME_KIND, looks(any="old", rsa="old"), looks(any="new", rsa="new"), True),
            ("other kind of key", OTHER_KIND, looks(any="old", rsa="old", ec=None), looks(any="new", rsa=None, ec="new"), True),
            ("other certificate of the old kind", OTHER_KIND, looks(any="old", rsa="old", ec=None), looks(any="new", rsa="third", ec="new"), True),
            ("two kinds for one name", SAME_KIND, looks(any="other", rsa="old"), looks(any="other", rsa="new"), True),
            ("standby", SAME_KIND, looks(any=None, rsa=None), looks(any=None, rsa=None), False),
            ("first", FIRST, looks(any=None, ec=None), looks(any="new", ec="new"), True),
            ("another virtual host", SAME_KIND, looks(any="other", rsa="other"), looks(any="other", rsa="other"), False),
            ("nothing to look at", SAME_KIND, [], [], False),
        )
        for name, expected, before, after, shown in table:
            with self.subTest(name):
                verdict = judge(before, after, expected)
                self.assertEqual((verdict.problems, verdict.shown), ((), shown))

    def test_what_could_not_be_seen(self):
        """A listener that answered no handshake is named; one that answered some kind of client was seen."""
        self.assertEqual(unseen(looks(any="new", rsa=None)), ())
        self.assertEqual(unseen(looks(any=None, rsa=None)), ("127.0.0.1:443 for 'a.example.org' could not be looked at: 127.0.0.1:443 refused the handshake",))

    def test_what_is_a_problem(self):
        """A listener that kept the old certificate, or lost what it showed, is named."""
        table = (
            ("still old", SAME_KIND, looks(any="old"), looks(any="old"), "still shows the old certificate"),
            ("one worker still old", SAME_KIND, looks(any="old"), looks(any=["new", "old"]), "still shows the old certificate"),
            ("dead", SAME_KIND, looks(any="old"), looks(any=None), "does not answer as it should"),
            ("third certificate", SAME_KIND, looks(any="old"), looks(any="third"), "shows another certificate instead of the new"),
            ("old where it was not", SAME_KIND, looks(any="other"), looks(any="old"), "shows the old certificate now"),
            ("other listener lost", SAME_KIND, looks(any="other"), looks(any=None), "does not answer as it should"),
            (
                "any client lost with the kind",
                OTHER_KIND,
                looks(any="old", rsa="old", ec=None),
                looks(any=None, rsa=None, ec="new"),
                "does not answer as it should",
            ),
            ("a copy of the old key's kind", OTHER_KIND, looks(rsa="old"), looks(rsa="old"), "still shows the old certificate"),
        )
        for name, expected, before, after, text in table:
            with self.subTest(name):
                self.assertIn(text, " ".join(judge(before, after, expected).problems))

    def test_a_kind_of_key_that_is_gone_is_told(self):
        """Clients that take only the old kind of key find nothing; that is no failure and worth a word."""
        verdict = judge(looks(rsa="old"), looks(rsa=None), OTHER_KIND)
        self.assertEqual(verdict.told, ("127.0.0.1:443 for 'a.example.org' no longer serves a key of the kind rsa, which the old certificate had",))


class TestJudgeLoaded(unittest.TestCase):
    """The rule for a reload alone."""

    def test_what_answered_shows_the_file(self):
        """Only probes of the file's own kind of key are asked, and only where there was an answer before."""
        expected = Expected("new", "rsa", "new", "rsa")
        table = (
            (looks(any="stale", rsa="stale"), looks(any="new", rsa="new"), ()),
            (looks(any="other", rsa="stale"), looks(any="other", rsa="new"), ()),
            (looks(rsa=None), looks(rsa=None), ()),
            (
                looks(rsa="stale"),
                looks(rsa="stale"),
                ("127.0.0.1:443 for 'a.example.org' does not show the certificate on the disk: it shows another certificate",),
            ),
        )
        for before, after, problems in table:
            with self.subTest(before=before, after=after):
                self.assertEqual(judge_loaded(before, after, expected).problems, problems)


class TestSameAsBefore(unittest.TestCase):
    """After an undo."""

    def test_what_differs_is_named(self):
        """An error where there was one is the same; another certificate is not."""
        self.assertEqual(same_as_before(looks(any="old", rsa=None), looks(any="old", rsa=None)), ())
        self.assertEqual(len(same_as_before(looks(any="old"), looks(any=None))), 1)


if __name__ == "__main__":
    unittest.main()
