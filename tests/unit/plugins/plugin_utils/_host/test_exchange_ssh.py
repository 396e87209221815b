# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange over ssh, against a server of the test's own on a loopback port."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._host.conftest import Estate

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
TOOLS = (SSHD, shutil.which("ssh"), shutil.which("ssh-keygen"))
pytestmark = pytest.mark.skipif(None in TOOLS, reason="this machine has no sshd, ssh and ssh-keygen")

SETTINGS = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PermitRootLogin yes
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, t.Any]]:
    """Start sshd as an ordinary process and yield the variables that reach it."""
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "settings").write_text(SETTINGS.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd demands it of root
    with (folder / "log").open("w") as log, subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "settings")], stderr=log) as process:
        try:
            wait_for(port, process, folder / "log")
            yield {
                "ansible_connection": "ssh",
                "ansible_host": "127.0.0.1",
                "ansible_port": port,
                "ansible_user": getpass.getuser(),
                "ansible_ssh_private_key_file": str(folder / "user"),
                "ansible_ssh_common_args": f"-F none -o ControlMaster=no -o ControlPath=none -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=no",
            }
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"sshd does not listen: {log.read_text()}")


def with_arguments(server: dict[str, t.Any], arguments: str, **more: t.Any) -> dict[str, t.Any]:
    return {**server, "ansible_ssh_common_args": server["ansible_ssh_common_args"] + " " + arguments, **more}


@pytest.mark.parametrize("arguments", ["", "-tt", "-o RequestTTY=force", "-t"])
def test_no_terminal(estate: Estate, server: dict[str, t.Any], arguments: str) -> None:
    """The program has no terminal, whatever the arguments of ssh ask for: it would echo the request."""
    play = estate.ask("scan", {"do": "terminal"}, variables=with_arguments(server, arguments))
    assert play.result["answer"]["terminals"] == [False, False, False]
    assert play.result["answer"]["input"] == ""


def test_terminal_of_a_configuration(estate: Estate, server: dict[str, t.Any]) -> None:
    """So it is where ssh's own configuration asks for a terminal, which Ansible cannot see; modules get theirs afterwards."""
    (estate.folder / "ssh_config").write_text("RequestTTY force\n")
    variables = {**server, "ansible_ssh_common_args": server["ansible_ssh_common_args"].replace("-F none", f"-F {estate.folder}/ssh_config")}
    ask = {"verb": "scan", "args": {"log": str(estate.folder / "log"), "do": "terminal"}}
    tasks = [{"name": "Ask", "certops.fleet.probe": ask}, {"name": "Tty", "ansible.builtin.raw": "test -t 1 && echo terminal"}]
    results = estate.play(tasks, variables=variables).results
    assert results["Ask"]["answer"]["terminals"] == [False, False, False]
    assert "terminal" in results["Tty"]["stdout"]


def test_large_request(estate: Estate, server: dict[str, t.Any]) -> None:
    """Four megabytes that do not pack are sent and come back."""
    said = os.urandom(2_000_000).hex()
    assert estate.ask("scan", {"say": said}, variables=server).result["answer"]["said"] == said


def test_missing_interpreter(estate: Estate, server: dict[str, t.Any]) -> None:
    """A missing interpreter is told in Ansible's words over ssh, too, however much was sent to it."""
    play = estate.ask("install", {"say": os.urandom(500_000).hex()}, variables={**server, "ansible_python_interpreter": "/nonexistent/python"})
    assert "The module interpreter '/nonexistent/python' was not found." in play.output


def test_module(estate: Estate, server: dict[str, t.Any]) -> None:
    """The module way works over the same connection."""
    refusal = '#!/bin/sh\ncase "$*" in *\'test -t 0\'*) echo you must have a tty >&2; exit 1;; esac\nwhile [ "$1" != /bin/sh ]; do shift; done; exec "$@"\n'
    exe = estate.folder / "sudo-over-ssh"
    exe.write_text(refusal)
    exe.chmod(0o755)
    variables = {**server, "ansible_become": True, "ansible_become_user": "root", "ansible_become_exe": str(exe)}
    assert estate.ask("install", {}, variables=variables).result["answer"]["way"] == "module"


def test_no_way(estate: Estate, server: dict[str, t.Any]) -> None:
    """Where become refuses both ways nothing has run: it is told in its words, and is no unknown outcome."""
    exe = estate.folder / "sudo-that-refuses"
    exe.write_text("#!/bin/sh\necho sorry, you must have a tty >&2; exit 1\n")
    exe.chmod(0o755)
    variables = {**server, "ansible_become": True, "ansible_become_user": "root", "ansible_become_exe": str(exe), "ansible_pipelining": True}
    result = estate.ask("install", {}, variables=variables).result
    assert (result["kind"], estate.log()) == ("host", [])
    assert result["msg"].startswith("the module host_program did not start: ")
    assert "sorry, you must have a tty" in result["msg"]


def test_cut_without_retries(estate: Estate, server: dict[str, t.Any]) -> None:
    """A connection that is cut makes the host unreachable, as for any task; the verb was started once."""
    play = estate.ask("install", {"do": "cut", "cuts": 1}, variables=server, task={"ignore_unreachable": True})
    assert play.result["unreachable"] is True
    assert estate.log() == ["install"]


def test_cut_with_retries(estate: Estate, server: dict[str, t.Any]) -> None:
    """With retries of ssh the verb is started again, under the same transaction, and its answer counts."""
    play = estate.ask("install", {"do": "cut", "cuts": 2, "say": "third"}, variables={**server, "ansible_ssh_retries": 3})
    assert (play.result["answer"]["said"], play.result["answer"]["transaction"]) == ("third", "0" * 32)
    assert estate.log() == ["install"] * 3


def test_nothing_is_printed(estate: Estate, server: dict[str, t.Any]) -> None:
    """Nothing of a request is in the debug output, even where ssh is told to force a terminal."""
    marks = {"say": "x", "password": "correct-horse"}
    play = estate.ask("scan", marks, variables=with_arguments(server, "-tt"), arguments=("-vvvvv",), environment={"ANSIBLE_DEBUG": "1"})
    assert play.result["answer"]["way"] == "program"
    assert not any("correct-horse" in text for text in estate.readable(play.output))
