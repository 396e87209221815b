# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services, joined from the table, configurations written here and processes written here."""

import json
import os
import pwd
import shutil
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.services import entries, units
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries
from ansible_collections.certops.fleet.plugins.module_utils._host.services.services import find_services

SITE = "http { server { listen 443 ssl; listen [::]:443 ssl; server_name a.example; ssl_certificate /a.pem; ssl_certificate_key /a.key; } }"
TITLE = b"nginx: master process /usr/sbin/nginx -g daemon on; master_process on;"


def process(pid, name, *argv, parent=1, uid=0, unit=None, listeners=(("0.0.0.0", 443),)):
    """A process as processes.listening tells it."""
    return Process(pid, parent, uid, name, argv, unit, listeners)


class Services(unittest.TestCase):
    def setUp(self):
        """A folder for configurations; there is no systemd."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        patch = mock.patch.object(units, "_SYSTEMD", "/nowhere")
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, name, text):
        """Write a file below the folder."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def entries(self, **configurations):
        """The table, with the entries of these names alone, their configurations here."""
        given = [{"name": name, "configurations": [os.path.join(self.folder, each) for each in paths]} for name, paths in configurations.items()]
        return [entry for entry in check_entries(given) if entry["name"] in configurations]

    def test_stopped(self):
        """A configuration without a process is a service of which nothing is known to run."""
        path = self.write("nginx.conf", SITE)
        (found,) = find_services(self.entries(nginx=["missing.conf", "nginx.conf"]), [])
        self.assertEqual(json.loads(json.dumps(found)), found)
        self.assertEqual(
            found,
            {
                "name": "nginx",
                "entry": "nginx",
                "unit": "nginx.service",
                "active": None,
                "configuration": path,
                "uses": [{"certificate": "/a.pem", "key": "/a.key", "chain": None, "folder": None, "store": None, "names": ["a.example"], "listeners": [0, 1]}],
                "listeners": [{"address": address, "port": 443, "protocol": "tls", "names": ["a.example"]} for address in ("127.0.0.1", "::1")],
                "validate": ["nginx", "-t", "-q", "-c", path],
                "validates": "pair",
                "reload": "keeps_old_on_error",
                "reload_command": None,
                "start_command": None,
                "status_command": None,
                "pid_file": None,
                "reads_as": "root",
                "loads_folder": False,
                "pids": [],
                "problems": [],
            },
        )

    def test_running(self):
        """A process tells its unit, which wins over the table's; its children belong to it."""
        self.write("nginx.conf", SITE)
        processes = [
            process(20, "nginx", b"nginx: worker process", parent=7, uid=33, unit="edge.service"),
            process(7, "nginx", TITLE, unit="edge.service"),
        ]
        (found,) = find_services(self.entries(nginx=["nginx.conf"]), processes)
        self.assertEqual((found["unit"], found["active"], found["pids"], found["reads_as"], found["problems"]), ("edge.service", True, [7, 20], "root", []))

    def test_outside_of_units(self):
        """A server that no unit runs cannot be reloaded by one, and that is told; whoever runs it reads the files."""
        self.write("nginx.conf", SITE)
        (found,) = find_services(self.entries(nginx=["nginx.conf"]), [process(7, "nginx", TITLE, uid=pwd.getpwnam("nobody").pw_uid)])
        self.assertEqual((found["unit"], found["active"], found["reads_as"]), (None, True, "nobody"))
        self.assertEqual(found["problems"], ["nginx runs outside of any unit of systemd, and no reload_command is given"])

    def test_other_ports_than_those_of_the_configuration(self):
        """A port that is configured but not listened on is told, unless the sockets cannot be seen."""
        self.write("nginx.conf", SITE)
        for listeners, problems in (
            ((("0.0.0.0", 443),), []),
            ((("0.0.0.0", 8443),), ["the configuration has a listener on port 443, but no process of the service listens there"]),
            (None, []),
        ):
            with self.subTest(listeners=listeners):
                (found,) = find_services(self.entries(nginx=["nginx.conf"]), [process(7, "nginx", TITLE, unit="nginx.service", listeners=listeners)])
                self.assertEqual(found["problems"], problems)

    def test_configurations_of_command_lines(self):
        """A configuration that a process names is a service of its own name; the usual one is still there."""
        usual, other = self.write("nginx.conf", SITE), self.write("other.conf", SITE)
        for argv in (
            (b"nginx: master process nginx -c " + os.fsencode(other),),
            (b"nginx", b"-c", os.fsencode(other)),
            (b"/usr/sbin/nginx", b"-c" + os.fsencode(other)),
            (b"nginx", b"-p", os.fsencode(self.folder), b"-c", b"other.conf"),
        ):
            with self.subTest(argv=argv):
                found = find_services(self.entries(nginx=["nginx.conf"]), [process(7, "nginx", *argv)])
                self.assertEqual(
                    [(each["name"], each["configuration"], each["pids"]) for each in found], [("nginx@" + other, other, [7]), ("nginx", usual, [])]
                )
                self.assertEqual(found[0]["validate"][-1], other)

    def test_apache(self):
        """apache's definitions come from the running program, its configuration from -f and -d."""
        self.write("apache2.conf", "Listen 443\n<IfDefine TLS>\n<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile /a.pem\n</VirtualHost>\n</IfDefine>\n")
        entries = self.entries(apache=["apache2.conf"])
        self.assertEqual(find_services(entries, [])[0]["uses"], [])
        (found,) = find_services(entries, [process(7, "apache2", b"/usr/sbin/apache2", b"-d", os.fsencode(self.folder), b"-f", b"apache2.conf", b"-DTLS")])
        self.assertEqual((found["name"], found["uses"][0]["key"], found["reload"]), ("apache", "/a.pem", "dies_on_error"))

    def test_haproxy(self):
        """All files of a command line are read, and all are validated."""
        first, second = self.write("haproxy.cfg", "global\ncrt-base /base\n"), self.write("b.cfg", "frontend x\nbind :443 ssl crt a.pem\n")
        argv = (b"haproxy", b"-Ws", b"-f", os.fsencode(first), b"-f", os.fsencode(second), b"-p", b"/run/haproxy.pid")
        (found,) = find_services(self.entries(haproxy=["haproxy.cfg"]), [process(7, "haproxy", *argv)])
        self.assertEqual((found["name"], found["uses"][0]["certificate"], found["loads_folder"]), ("haproxy", "/base/a.pem", True))
        self.assertEqual(found["validate"], ["haproxy", "-c", "-f", first, "-f", second])
        argv = (b"haproxy", b"-C", os.fsencode(self.folder), b"--", b"haproxy.cfg", b"b.cfg")
        (found,) = find_services(self.entries(haproxy=["haproxy.cfg"]), [process(7, "haproxy", *argv)])
        self.assertEqual(found["validate"][-1], second)

    def test_configuration_that_is_not_known(self):
        """A process whose configuration lies nowhere is told, not forgotten."""
        for argv in ((b"nginx",), (b"nginx", b"-c", b"relative.conf")):
            with self.subTest(argv=argv):
                (found,) = find_services(self.entries(nginx=["missing.conf"]), [process(7, "nginx", *argv, unit="nginx.service")])
                self.assertEqual((found["configuration"], found["uses"], found["active"]), (None, [], True))
                self.assertEqual(found["problems"], ["nginx runs as process 7, but where its configuration lies is not known"])

    def test_declared(self):
        """A declared service is as it was declared; it lives when its pid file says so."""
        pid_file = self.write("pid", str(os.getpid()))
        entry = {
            "name": "demo",
            "configurations": ["/nowhere/demo.conf"],
            "validate": ["demo", "--check={configuration}"],
            "validates": "syntax",
            "pid_file": pid_file,
            "uses": [{"certificate": "/d.pem", "key": "/d.key", "listeners": [0]}],
            "listeners": [{"port": 8443}],
        }
        (found,) = find_services(check_entries([entry])[-1:], [])
        self.assertEqual((found["active"], found["unit"], found["problems"], found["validate"]), (True, None, [], ["demo", "--check=/nowhere/demo.conf"]))
        self.assertEqual(
            found["uses"], [{"certificate": "/d.pem", "key": "/d.key", "chain": None, "folder": None, "store": None, "names": [], "listeners": [0]}]
        )
        self.write("pid", "999999999")
        self.assertFalse(find_services(check_entries([entry])[-1:], [])[0]["active"])

    def test_paths_that_are_no_text(self):
        """Bytes that are not UTF-8 are told in the form that all paths have."""
        path = os.fsencode(self.folder) + b"/nginx.conf"
        with open(path, "wb") as file:
            file.write(b'http { server { ssl_certificate "/\xff\\\\ \xc3\xa4.pem"; } }')
        (found,) = find_services(self.entries(nginx=["nginx.conf"]), [])
        self.assertEqual(found["uses"][0]["certificate"], "/\\xff\\x5c \u00e4.pem")

    def test_nothing_there(self):
        """A host without any of it has no service; the names to look for are those of the table."""
        self.assertEqual(find_services(self.entries(nginx=["missing.conf"]), []), [])
        self.assertIn("nginx", entries.process_names())

    def test_only_what_is_present_is_read(self):
        """The table of the other services is imported where one of them runs or lies, and not for a web server."""
        self.assertEqual([entry["name"] for entry in entries.present(["nginx"]) if entry["name"] == "nginx"], ["nginx"])
        self.assertEqual([entry["name"] for entry in entries.present(["redis-server"]) if entry["name"] == "redis"], ["redis"])


if __name__ == "__main__":
    unittest.main()
