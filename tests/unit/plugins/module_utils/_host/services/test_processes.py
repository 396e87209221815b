# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc tells: of a process of our own, and of tables written down here."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.services import processes
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process, bound, listening, unit_of

LISTENER = """
import socket, sys, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0
   2: 0100007F:20FB 0100007F:1111 01 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0
   3: 0100007F:20FC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 114 1 0 100 0 0 10 0
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 211 1 0 100 0 0
"""


@contextlib.contextmanager
def running(name, *arguments):
    """A process of this name that listens; yields it and its port."""
    folder = tempfile.mkdtemp()
    try:
        program = os.path.join(folder, name)
        os.symlink(sys.executable, program)
        process = subprocess.Popen(
            [program, "-S", "-c", LISTENER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, executable=sys.executable
        )
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.communicate()
    finally:
        shutil.rmtree(folder)


class Real(unittest.TestCase):
    def test_listening(self):
        """A process is found by the last part of its argv[0], with its parent, user, arguments and port."""
        name = f"certops-demo-server-{os.getpid()}"  # other interpreters run this test at the same time
        with running(name, "--x=1") as (process, port):
            found = listening([name, "certops-nobody"])
        self.assertEqual([(each.pid, each.parent, each.uid, each.name) for each in found.processes], [(process.pid, os.getpid(), os.getuid(), name)])
        self.assertEqual((found.processes[0].listeners, found.processes[0].argv[-1], found.problems), ((("127.0.0.1", port),), b"--x=1", []))
        self.assertEqual(listening([name]), ([], []))

    def test_comm(self):
        """A process is found by its comm, too, which is cut after 15 characters."""
        with open(f"/proc/{os.getppid()}/comm", encoding="utf-8") as file:
            comm = file.read().strip()
        name = comm + "x" * 20 if len(comm) == 15 else comm
        self.assertIn(os.getppid(), [process.pid for process in listening([name]).processes])

    def test_zombies_are_nobody(self):
        """A process that has ended but was not waited for is not running."""
        process = subprocess.Popen(["sleep", "0"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        try:
            self.assertNotIn(process.pid, [each.pid for each in listening(["sleep"]).processes])
        finally:
            process.wait()

    def test_paths_of_processes(self):
        """Files that a command line names are found: alone, behind an option, relative ones that look like keys; folders only if they speak of TLS."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a b.pem", "c.conf", "d.key"):
                with open(os.path.join(folder, name), "w", encoding="utf-8"):
                    pass
            for name in ("certs", "data", "named"):
                os.mkdir(os.path.join(folder, name))
            arguments = [
                f"{folder}/a b.pem",
                f"--config={folder}/c.conf",
                f"-Dkey:{folder}/d.key,{folder}/missing",
                f"{folder}/certs",
                f"{folder}/data",
                "rel.crt",
            ]
            with running("certops-demo-server", *arguments, "--tls-dir", f"{folder}/named", "/etc", "relative.conf") as (process, _port):
                own = os.readlink(f"/proc/{process.pid}/cwd")
                for name in ("rel.crt", "relative.conf"):
                    with open(os.path.join(own, name), "w", encoding="utf-8"):
                        pass
                found = [os.fsdecode(path) for path in processes.process_paths()]
        ours = sorted(path for path in found if path.startswith((folder, own)))
        self.assertEqual(ours, sorted([f"{folder}/a b.pem", f"{folder}/c.conf", f"{folder}/d.key", f"{folder}/certs", f"{folder}/named", f"{own}/rel.crt"]))
        self.assertNotIn("/etc", found)

    def test_it_is_cheap(self):
        """Looking through all processes takes a fraction of a second."""
        begin = time.monotonic()
        listening(["certops-nobody"])
        processes.process_paths()
        processes.unit_paths()
        self.assertLess(time.monotonic() - begin, 3)


class Written(unittest.TestCase):
    def setUp(self):
        """A /proc of our own."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        patch = mock.patch.object(processes, "_PROC", os.fsencode(self.folder))
        patch.start()
        self.addCleanup(patch.stop)
        self.write("net/tcp", TCP)
        self.write("net/tcp6", TCP6)

    def write(self, name, text):
        """Write a file of /proc."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def process(self, pid, cgroup="0::/system.slice/nginx.service\n", nspid="", sockets=(), cmdline="nginx: master process /usr/sbin/nginx -c /x y\0"):
        """Write down one process."""
        self.write(f"{pid}/cmdline", cmdline)
        self.write(f"{pid}/cgroup", cgroup)
        self.write(f"{pid}/status", f"Name:\tnginx\nPPid:\t1\nUid:\t33\t33\t33\t33\nNSpid:\t{pid}{nspid}\n")
        os.mkdir(os.path.join(self.folder, str(pid), "fd"))
        for number, inode in enumerate(sockets):
            os.symlink(f"socket:[{inode}]", os.path.join(self.folder, str(pid), "fd", str(number)))

    def test_process(self):
        """Unit, user and listening sockets of both families are joined; connections are no listeners."""
        self.process(7, sockets=("111", "112", "113", "211", "999"))
        listeners = (("0.0.0.0", 443), ("127.0.0.1", 8443), ("::", 443))
        argv = (b"nginx: master process /usr/sbin/nginx -c /x y",)
        self.assertEqual(listening(["nginx"]), ([Process(7, 1, 33, "nginx", argv, "nginx.service", listeners)], []))

    def test_containers(self):
        """A process in a container is told and left out."""
        self.process(7, nspid="\t1")
        self.assertEqual(listening(["nginx"]), ([], ["1 of the processes 'nginx' run in containers and were not looked at"]))

    def test_sockets_of_others(self):
        """Where the sockets of a process cannot be seen this is told, and the process is known nevertheless."""
        self.process(7)
        with mock.patch.object(processes.os, "listdir", side_effect=[["7"], PermissionError(13, "Permission denied")]):
            found = listening(["nginx"])
        problem = "the sockets of process 7 (nginx) cannot be seen: that needs root, in a container CAP_SYS_PTRACE, too"
        self.assertEqual((found.processes[0].listeners, found.problems), (None, [problem]))

    def test_workers(self):
        """A worker whose sockets cannot be seen listens with its parent: nothing is told."""
        self.process(1)
        self.process(7)
        with mock.patch.object(processes, "_listeners", side_effect=lambda pid, _sockets: () if pid == 1 else None):
            found = listening(["nginx"])
        self.assertEqual(([process.pid for process in found.processes], found.problems), ([1, 7], []))

    def test_vanishing(self):
        """Files of /proc that are gone, empty or odd are no error."""
        self.process(7)
        shutil.rmtree(os.path.join(self.folder, "7", "fd"))
        os.unlink(os.path.join(self.folder, "7", "cgroup"))
        self.write("8/cmdline", "nginx\0")
        self.write("9/cmdline", "")
        self.write("10/cmdline", "\0\0nginx")
        self.assertEqual([(each.pid, each.unit, each.listeners) for each in listening(["nginx"]).processes], [(7, None, ()), (8, None, ())])

    def test_no_network_tables(self):
        """Without the tables of sockets there are no listeners."""
        shutil.rmtree(os.path.join(self.folder, "net"))
        self.process(7, sockets=("111",))
        self.assertEqual(listening(["nginx"]).processes[0].listeners, ())


class Parsing(unittest.TestCase):
    def test_units(self):
        """The unit is that of systemd's own hierarchy; sessions, users' units and containers have none."""
        for cgroup, prefix, unit in (
            ("0::/system.slice/nginx.service\n", "", "nginx.service"),
            ("0::/system.slice/nginx.service/sub\n", "", "nginx.service"),
            ("0::/web.slice/web-edge.slice/nginx.service\n", "", "nginx.service"),
            ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "", "postgresql@15-main.service"),
            ("0::/system.slice/system-a\\x2db.slice/a\\x2db@x\\x2dy.service\n", "", "a\\x2db@x\\x2dy.service"),
            ("0::/system.slice/_cgroup.service\n", "", "cgroup.service"),
            ("12:pids:/x.service\n1:name=systemd:/system.slice/apache2.service\n0::/\n", "", "apache2.service"),
            ("12:pids:/system.slice/a.service\n1:name=systemd:/\n", "", None),
            ("0::/machine.slice/libpod-1.scope/container/system.slice/nginx.service\n", "/machine.slice/libpod-1.scope/container", "nginx.service"),
            ("0::/machine.slice/libpod-1.scope/container/system.slice/nginx.service\n", "", None),
            ("0::/system.slice/nginx.service\n", "/machine.slice/libpod-1.scope/container", None),
            ("0::/system.slice/docker-1.scope\n", "", None),
            ("0::/user.slice/user-0.slice/session-1.scope\n", "", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service\n", "", None),
            ("0::/\n", "", None),
            ("", "", None),
            ("garbage\n::\n", "", None),
        ):
            with self.subTest(cgroup=cgroup, prefix=prefix):
                self.assertEqual(unit_of(cgroup.encode(), prefix), unit)

    def test_addresses(self):
        """Addresses of both families, in the byte order of a little-endian host."""
        if sys.byteorder != "little":
            self.skipTest("these values are of a little-endian host")
        for field, address in (
            (b"0100007F:01BB", ("127.0.0.1", 443)),
            (b"00000000:0050", ("0.0.0.0", 80)),
            (b"00000000000000000000000001000000:1F90", ("::1", 8080)),
            (b"B80D0120000000000000000007000000:01BB", ("2001:db8::7", 443)),
        ):
            with self.subTest(field=field):
                self.assertEqual(bound(field), address)

    def test_units_name_files(self):
        """Command lines, environments, drop-ins and environment files of units name files; what is not there is not named."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (
                ("cert.pem", ""),
                ("key.pem", ""),
                ("env", f"KEY={folder}/key.pem\nNO={folder}/missing.pem\n"),
                ("units/a.service", f"[Service]\nExecStart=-/bin/a \\\n  --cert={folder}/cert.pem\nEnvironmentFile=-{folder}/env\n# ExecStart={folder}/no\n"),
                ("units/b.service.d/x.conf", f"[Service]\nEnvironment=\"A={folder}/b.pem\" 'B=/c'\n"),
                ("b.pem", ""),
                ("no", ""),
            ):
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            with mock.patch.object(processes, "_UNIT_FOLDERS", (os.fsencode(folder) + b"/units",)):
                found = sorted(os.path.basename(os.fsdecode(path)) for path in processes.unit_paths())
        self.assertEqual(found, ["b.pem", "cert.pem", "env", "key.pem"])


if __name__ == "__main__":
    unittest.main()
