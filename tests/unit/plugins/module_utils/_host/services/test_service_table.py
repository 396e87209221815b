# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of services and what users add to it."""

import json
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.services import entries
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import all_shipped, check_entries

DECLARED = {
    "name": "ldap",
    "uses": [{"certificate": "/etc/ldap/tls.pem", "key": "/etc/ldap/tls.key", "listeners": [0]}],
    "listeners": [{"port": 636}],
}


def by_name(entries):
    """The entries by their names."""
    return {entry["name"]: entry for entry in entries}


class Shipped(unittest.TestCase):
    def test_entries_are_plain_data(self):
        """The table survives JSON, and completing it again changes nothing."""
        entries = check_entries([])
        self.assertEqual(json.loads(json.dumps(entries)), entries)
        self.assertEqual(check_entries(entries), entries)
        self.assertEqual(list(all_shipped().values()), entries)

    def test_entries_are_as_the_schema_says(self):
        """Given by a user, each shipped entry is accepted, and completed to the same."""
        table = by_name(check_entries([]))
        for entry in all_shipped().values():
            with self.subTest(entry=entry["name"]):
                self.assertEqual(by_name(check_entries([entry]))[entry["name"]], table[entry["name"]])
                self.assertTrue(entry["processes"])
        self.assertGreaterEqual(len(table), 18)
        self.assertEqual(set(entries.OTHERS) | {entry["name"] for entry in entries.WEB_SERVERS}, set(table))

    def test_what_validation_proves(self):
        """nginx and haproxy check the pair; apache only its syntax, and a bad pair ends it."""
        table = by_name(check_entries([]))
        wanted = {
            "nginx": ("pair", "keeps_old_on_error"),
            "apache": ("syntax", "dies_on_error"),
            "httpd": ("syntax", "dies_on_error"),
            "haproxy": ("pair", "keeps_old_on_error"),
        }
        self.assertEqual({name: (table[name]["validates"], table[name]["reload"]) for name in wanted}, wanted)
        self.assertTrue(table["haproxy"]["loads_folder"])


class Users(unittest.TestCase):
    def test_own_entry(self):
        """An entry of the user's own needs little; the rest is completed."""
        entry = by_name(check_entries([DECLARED]))["ldap"]
        self.assertEqual((entry["syntax"], entry["validates"], entry["reads_as"]), ("declared", "nothing", "root"))
        self.assertEqual(entry["listeners"], [{"address": "127.0.0.1", "port": 636, "names": [], "protocol": "tls"}])
        self.assertEqual(entry["uses"][0]["names"], [])

    def test_templated_values(self):
        """A number and a truth that a template made are text before ansible-core 2.19."""
        entry = by_name(check_entries([{"name": "a", "loads_folder": "True", "listeners": [{"port": "636"}]}]))["a"]
        self.assertIs(entry["loads_folder"], True)
        self.assertEqual(entry["listeners"][0]["port"], 636)

    def test_entry_of_a_shipped_name_overrules_it(self):
        """What the user states wins, the rest of the shipped entry stays."""
        entry = by_name(check_entries([{"name": "nginx", "unit": "edge.service"}]))["nginx"]
        self.assertEqual((entry["unit"], entry["validates"]), ("edge.service", "pair"))
        self.assertEqual(by_name(check_entries([]))["nginx"]["unit"], "nginx.service")

    def test_uses_for_a_shipped_name(self):
        """Who says the files and listeners of a service that is read by rows says everything; its way to reload stays known."""
        table = check_entries([{"name": "redis", "uses": DECLARED["uses"], "listeners": [{"port": 6380}]}])
        entry = by_name(table)["redis"]
        self.assertEqual((entry["syntax"], entry["reads"]["files"], entry["reload"]), ("declared", [], "restart"))
        self.assertEqual(check_entries(table), table)

    def test_rows_and_settings(self):
        """Names stand alone or in lists, truths in the ways of configurations; every wrong place is told."""
        files = [{"certificate": "cert", "key": ["key", "/k.pem"], "when": {"tls": True, "mode": ["on", None, False]}}]
        reads = {"files": files, "ports": [{"setting": "port", "port": "993", "protocol": "imap"}]}
        entry = by_name(check_entries([{"name": "a", "syntax": "lines", "reads": reads}]))["a"]
        (row,) = entry["reads"]["files"]
        self.assertEqual((row["certificate"], row["key"]), (["cert"], ["key", "/k.pem"]))
        self.assertEqual(row["when"], {"tls": ["true", "yes", "on", "1"], "mode": ["on", None, "false", "no", "off", "0"]})
        self.assertEqual((entry["reads"]["ports"][0]["port"], entry["reads"]["base"]), (993, []))
        for reads, message in (
            ({}, "certops_services[0].reads.files must say which settings name files when syntax is 'lines'"),
            (1, "certops_services[0].reads must be a dictionary, got 1"),
            ({"files": [{"certificate": 1}]}, "certops_services[0].reads.files[0].certificate must be the name of a setting, or a list of names, got 1"),
            (
                {"files": [{"certificate": "c", "when": {"a": "b"}}]},
                "certops_services[0].reads.files[0].when must be a dictionary of settings, each with true, false or a list of the values accepted, got",
            ),
            (
                {"files": [{"certificate": "c"}], "ports": [{"protocol": "gopher"}]},
                "certops_services[0].reads.ports[0].protocol must be one of tls, smtp, lmtp",
            ),
            ({"files": [{"certificate": "c"}], "color": 1}, "certops_services[0].reads.color is not known, accepted are files, ports, scopes, "),
        ):
            with self.subTest(reads=reads), self.assertRaises(HostError) as caught:
                check_entries([{"name": "a", "syntax": "lines", "reads": reads}])
            self.assertIn(message, str(caught.exception))
        with self.assertRaises(HostError) as caught:
            check_entries([{"name": "a", "configuration_arguments": ["-c"]}])
        self.assertIn("configuration_arguments must be a dictionary of options, each with the file in the folder that it names", str(caught.exception))

    def test_result_is_accepted_again(self):
        """A table with users' entries is a fixed point, too."""
        table = check_entries([DECLARED, {"name": "nginx", "unit": None}])
        self.assertEqual(check_entries(table), table)

    def test_wrong_entries(self):
        """Each wrong entry is refused with one sentence that names its place, the value and what is accepted."""
        for given, message in (
            ({}, "certops_services must be a list of service entries, got {}"),
            (["x"], "certops_services[0] must be a dictionary with a name, got 'x'"),
            ([{"syntax": "nginx"}], "certops_services[0] must be a dictionary with a name, got {'syntax': 'nginx'}"),
            ([{"name": ""}], "certops_services[0].name must be a text that is not empty, got ''"),
            ([{"name": "a"}, {"name": "a"}], "certops_services[1].name must be unique, got 'a' again"),
            (
                [{"name": "a"}, {"name": "b"}, {"name": "c", "reload": "maybe"}],
                "certops_services[2].reload must be one of keeps_old_on_error, dies_on_error, restart, by_itself, none, got 'maybe'",
            ),
            ([{"name": "a", "reload_command": "systemctl reload a"}], "certops_services[0].reload_command must be a list of texts, the program first or null"),
            ([{"name": "a", "reload_command": []}], "certops_services[0].reload_command must be a list of texts, the program first or null, got []"),
            ([{"name": "a", "validate": ["x", 1]}], "certops_services[0].validate must be a list of texts, the program first or null, got ['x', 1]"),
            ([{"name": "a", "configurations": ["etc/a"]}], "certops_services[0].configurations must be a list, each of it an absolute path, got ['etc/a']"),
            ([{"name": "a", "pid_file": "a.pid"}], "certops_services[0].pid_file must be an absolute path or null, got 'a.pid'"),
            ([{"name": "a", "loads_folder": "yes"}], "certops_services[0].loads_folder must be true or false, got 'yes'"),
            ([{"name": "a", "color": 1}], "certops_services[0].color is not known, accepted are name, syntax, "),
            ([{"name": "a", "uses": 1}], "certops_services[0].uses must be a list, got 1"),
            ([{"name": "a", "uses": [1]}], "certops_services[0].uses must be a list, each of it a dictionary, got [1]"),
            ([{"name": "a", "uses": [{"key": "k"}]}], "certops_services[0].uses[0].key must be an absolute path or null, got 'k'"),
            (
                [{"name": "a", "uses": [{"key": "/k", "listeners": [0]}]}],
                "certops_services[0].uses[0].listeners must be below the 0 listeners of the entry, got 0",
            ),
            ([{"name": "a", "uses": [{"listeners": 0}]}], "certops_services[0].uses[0].listeners must be a list, got 0"),
            ([{"name": "a", "uses": [{"listeners": ["x"]}]}], "certops_services[0].uses[0].listeners must be a list, each of it the number of a listener"),
            ([{"name": "a", "listeners": [{}]}], "certops_services[0].listeners[0].port must be a port from 1 to 65535, got None"),
            ([{"name": "a", "listeners": [{"port": "ldaps"}]}], "certops_services[0].listeners[0].port must be a port from 1 to 65535, got 'ldaps'"),
            ([{"name": "a", "listeners": [{"port": "0"}]}], "certops_services[0].listeners[0].port must be a port from 1 to 65535, got 0"),
            ([{"name": "a", "listeners": [{"port": True}]}], "certops_services[0].listeners[0].port must be a port from 1 to 65535, got True"),
            ([{"name": "a", "validates": "pair"}], "certops_services[0].validate must be a command when validates is 'pair'"),
            ([{"name": "nginx", "listeners": [{"port": 1}]}], "certops_services[0].uses and listeners are for the syntax 'declared', a service of the syntax"),
        ):
            with self.subTest(given=given):
                with self.assertRaises(HostError) as caught:
                    check_entries(given)
                self.assertEqual(str(caught.exception)[: len(message)], message)

    def test_all_problems_at_once(self):
        """Several problems are told together."""
        with self.assertRaises(HostError) as caught:
            check_entries([{"name": "a", "reload": 1}, {"name": "b", "validates": 2}])
        self.assertIn("certops_services[0].reload", str(caught.exception))
        self.assertIn("certops_services[1].validates", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
