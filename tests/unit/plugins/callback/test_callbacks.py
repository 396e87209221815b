# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both displays, as a user starts them: on a terminal, in a log, beside the default one, under ansible-runner."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._display import text

COLLECTIONS = pathlib.Path(text.__file__).parents[6]
FIXTURES = pathlib.Path(__file__).parent / "fixtures"
PLAYBOOK = pathlib.Path(sys.executable).with_name("ansible-playbook")
LONG = f"long.{'x' * 42}.{'y' * 40}.example.com"  # 100 characters
DISPLAY = {"ANSIBLE_STDOUT_CALLBACK": "certops.fleet.fleet"}
SUMMARY = {"ANSIBLE_CALLBACKS_ENABLED": "certops.fleet.fleet_summary"}

CHECKED = """
- hosts: web1
  gather_facts: false
  tasks:
    - certops.fleet.ca: {directory: "{{ work }}/ca", passphrase: a passphrase of a test, common_name: Test}
    - certops.fleet.certificate:
      check_mode: true
      diff: true
"""


class Estate(t.NamedTuple):
    """A folder with a playbook, an inventory of names of this machine, and the environment that they need."""

    folder: pathlib.Path
    environment: dict[str, str]

    @property
    def command(self) -> list[str]:
        return [str(PLAYBOOK), "-i", str(self.folder / "hosts.json"), str(self.folder / "play.yml")]

    def run(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run([*self.command, *arguments], env={**self.environment, **environment}, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def _hosts(work: pathlib.Path) -> dict[str, t.Any]:
    certificate = {"name": "web", "names": ["{{ inventory_hostname }}"], "certificate_path": f"{work}/{{{{ inventory_hostname_short }}}}/web.pem"}
    refused = {**certificate, "certificate_path": "/nonexistent/web.pem"}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "work": str(work),
        "certops_inventory": f"sqlite:///{work}/inventory.db",
        "certops_services": [],
        "certops_issuers": [{"name": "internal", "type": "embedded", "directory": f"{work}/ca", "passphrase": "a passphrase of a test"}],
        "certops_certificates": [certificate],
    }
    # In this order, for a play that loses all hosts of a batch ends.
    hosts: dict[str, t.Any] = {"web1": {}, "dead": {"ansible_connection": "dead"}, "web2": {"certops_certificates": [refused]}, LONG: {}}
    return {"all": {"hosts": hosts, "vars": variables}}


@pytest.fixture
def estate(tmp_path: pathlib.Path) -> Estate:
    shutil.copytree(FIXTURES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "play").rename(tmp_path / "play.yml")  # under another name, as its tasks are meant to be odd and no linter has to say so
    for host in ("web1", LONG.partition(".")[0]):
        (tmp_path / host).mkdir()
    (tmp_path / "hosts.json").write_text(json.dumps(_hosts(tmp_path)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CERTOPS_", "AWX_"))}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOWS": "1", "ANSIBLE_NOCOLOR": "1"}
    return Estate(tmp_path, environment)


def _on_terminal(estate: Estate, columns: int, *arguments: str) -> str:
    """What a terminal of so many columns gets."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        command = [*estate.command, *arguments]
        os.execve(command[0], command, {**estate.environment, **DISPLAY, "TERM": "xterm"})
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 1 << 16)
        except OSError:  # how Linux says that the other side is closed
            break
    os.waitpid(process, 0)
    os.close(terminal)
    return shown.decode()


def _table(shown: str) -> list[str]:
    return [" ".join(line.split()) for line in re.split(r"FLEET \*+\r?\n", shown)[-1].splitlines() if line.strip()]


REFUSED = "certificate 'web': folder '/nonexistent' does not exist; make it first, or correct key_path"
END = [
    "hosts 4 2 ok, 2 changed, 1 failed, 1 unreachable",
    "certificates 3 3 due, 2 rotated, 0 reloaded, 1 refused, 2 not verified",
]


def _check_end(shown: str) -> None:
    table = _table(shown)
    assert table[:2] == END
    assert table[2].startswith("discovery 3 3 scanned completely")
    assert table[3:6] == ["Needs attention:", "dead unreachable: no route to \\x1b[2Jhost", f"web2 {REFUSED}"]
    assert table[-1] == "2 certificates were rotated; 4 of 4 hosts need attention."
    assert "a-secret-name" not in "".join(table)  # the default display of ansible-core 2.19 shows the message of a failure also with no_log


def _check_log(shown: str) -> None:
    """The lines of a log: progress of tasks and hosts that are not as they should be."""
    lines = shown.splitlines()
    assert lines.count("Look around: 0 of 2 hosts") == 2
    assert "dead: unreachable: no route to \\x1b[2Jhost" in lines
    assert f"web2: failed: {REFUSED}" in lines
    rotated = [line for line in lines if "web rotated (" in line]
    assert sorted(line.partition(": ")[0] for line in rotated) == [LONG, "web1"]
    assert "changed: [web1]" in lines
    assert "a-secret-name" not in shown
    assert not [line for line in lines if line.startswith(("ok: ", "skipping: ", "fatal: ", "TASK [Keep"))]
    assert [line for line in lines if line.startswith("web1: failed (ignored): ")]
    assert "web1: failed (ignored): the output has been hidden due to the fact that 'no_log: true' was specified for this result" in lines
    assert "nobody has to see" not in shown
    assert "\x1b[2J" not in shown


def test_a_log_is_short_and_complete(estate: Estate) -> None:
    """Batches, a free strategy, ignored and rescued failures, loops, delegates: one line for what matters, and true figures."""
    shown = estate.run(**DISPLAY)
    _check_log(shown)
    assert shown.count("PLAY [Look and keep]") == 1
    _check_end(shown)


def test_check_mode_says_what_would_be(estate: Estate) -> None:
    """With -v there is a block for each result, and beside our own display the summary is silent."""
    (estate.folder / "play.yml").write_text(CHECKED)
    shown = estate.run("-v", **DISPLAY, **SUMMARY)
    assert re.search(r"^web1: web would be rotated \(.*\)$", shown, re.MULTILINE)
    assert re.search(r"^web1: web would be rotated.*\n(?:    .*\n)*?    - name: web\n      actions: \[issue\]\n", shown, re.MULTILINE)
    assert '"certificates": [' not in shown
    assert re.search(r"^--- before", shown, re.MULTILINE)
    assert shown.count("FLEET ***") == 1
    assert _table(shown)[-1] == "1 certificate would be rotated; no host needs attention."


def test_a_terminal_has_one_line_of_progress(estate: Estate) -> None:
    """It is rewritten in the columns that there are, and gives way to all that is printed."""
    shown = _on_terminal(estate, 50)
    _check_end(shown)
    drawn = re.findall(r"\r\x1b\[K([^\r]*)", shown)
    assert "Look around: 0 of 2 hosts" in drawn
    assert max(map(len, drawn)) > 50  # a message that follows an erased line may be as long as it likes
    assert all(len(line) < 50 for line in drawn if re.search(r" of \d+ hosts", line))
    assert not re.search(r"\d+ hosts?[^\r\n]*PLAY|\d+ hosts?[^\r\n]*(web|dead)\d*:", shown)


def test_the_summary_stands_beside_the_default_display(estate: Estate) -> None:
    """What the default display shows is as ever."""
    shown = estate.run(**SUMMARY)
    _check_end(shown)
    assert "PLAY RECAP" in shown


INTERRUPTED = """
- hosts: web1
  gather_facts: false
  tasks:
    - certops.fleet.host_scan_info: {paths: [/nonexistent], record: false}
    - ansible.builtin.shell: touch {{ work }}/begun && sleep 20
"""


def test_an_interrupted_run_shows_what_was_done(estate: Estate) -> None:
    """Ctrl-C in the second task."""
    (estate.folder / "play.yml").write_text(INTERRUPTED)
    with (estate.folder / "log").open("wb") as log:
        process = subprocess.Popen(estate.command, env={**estate.environment, **DISPLAY}, stdout=log, stderr=log)
        while process.poll() is None and not (estate.folder / "begun").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait()
    table = _table((estate.folder / "log").read_text())
    assert table[0] == "hosts 1 1 ok, 0 changed, 0 failed, 0 unreachable"
    assert table[-1].startswith("The run did not get to its end. 1 host was scanned, nothing was changed until then;")


@pytest.mark.parametrize("display", [DISPLAY, SUMMARY], ids=["fleet", "fleet_summary"])
def test_under_ansible_runner_as_in_awx(estate: Estate, display: dict[str, str]) -> None:
    """Its own display wraps ours or stands beside it; there is no terminal to rewrite a line on, although it looks like one."""
    pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")
    code = "import ansible_runner, sys; ansible_runner.run(private_data_dir=sys.argv[1], playbook=sys.argv[2], inventory=sys.argv[3])"
    folder = str(estate.folder)
    command = [sys.executable, "-c", code, folder, f"{folder}/play.yml", f"{folder}/hosts.json"]
    environment = {**estate.environment, **display, "PATH": f"{PLAYBOOK.parent}:{os.environ['PATH']}"}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    _check_end(plain)
    assert "\r\x1b[K" not in plain
    if display is DISPLAY:
        _check_log(plain)
