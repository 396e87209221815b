# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange under real ansible-core: each row of the table of ways and errors."""

from __future__ import annotations

import base64
import os
import re
import stat
import sys
import typing as t
import zlib
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[5] / "tests/tools"))
from interpreters import find_host_interpreters

if t.TYPE_CHECKING:
    from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._host.conftest import Estate

TRANSACTION = "0" * 32
SECRET = "correct-horse-battery-staple"
ODD = {"ansible_connection": "certops.fleet.odd"}
MODULE = {**ODD, "oddity": "no_pipelining"}
BOTH = pytest.mark.parametrize("variables", [pytest.param({}, id="program"), pytest.param(MODULE, id="module")])


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return str(path)


def become(exe: str, **more: t.Any) -> dict[str, t.Any]:
    return {"ansible_become": True, "ansible_become_user": "root", "ansible_become_exe": exe, **more}


# Stands in for sudo: runs the command that follows the options, as the same user.
SUDO = 'while [ "$1" != /bin/sh ]; do shift; done; exec "$@"'


class TestWay:
    @pytest.mark.parametrize(
        ("variables", "way"),
        [
            pytest.param({}, "program", id="local"),
            pytest.param({**ODD, "oddity": "banner"}, "program", id="noise of the shell around it"),
            pytest.param({**ODD, "oddity": "windows"}, "program", id="line ends of a terminal"),
            pytest.param({**ODD, "oddity": "no_pipelining"}, "module", id="no pipelining"),
            pytest.param({**ODD, "oddity": "no_host"}, "module", id="no host of its own"),
        ],
    )
    def test_way(self, estate: Estate, variables: dict[str, t.Any], way: str) -> None:
        """The program where the connection can carry it, else the module; the verb runs once."""
        answer = estate.ask("scan", {"say": "hello"}, variables=variables).result["answer"]
        assert (answer["way"], answer["said"], estate.log()) == (way, "hello", ["scan"])

    def test_both_ways_say_the_same(self, estate: Estate) -> None:
        """Result, actor and transaction are the same whichever way was taken, file names included."""
        answers = [estate.ask("install", {"say": "ü" * 100}, variables=variables).result["answer"] for variables in ({}, MODULE)]
        assert [(answer["said"], answer["actor"], answer["transaction"]) for answer in answers] == [("ü" * 100, "the tester", TRANSACTION)] * 2
        assert answers[1]["file"].endswith(answers[0]["file"])
        assert answers[0]["file"] == "ansible_collections/certops/fleet/plugins/module_utils/_host/verb_install.py"

    def test_compiled_where_the_host_has_the_same_python(self, estate: Estate) -> None:
        """A host that has the controller's Python, or of which that is not known, runs the compiled program, whose errors have no line."""
        own = "{}.{}.0".format(*sys.version_info)
        assert estate.ask("scan", {"say": "hello"}, python=own).result["answer"]["said"] == "hello"
        messages = [estate.ask("scan", {"do": "fail", "say": "x"}, python=python).result["msg"] for python in (own, None, "3.6.8")]
        assert messages[:2] == ["internal error KeyError in verb_scan.py (_fail)"] * 2
        assert re.fullmatch(r"internal error KeyError in verb_scan\.py line \d+ \(_fail\)", messages[2])

    def test_sources_where_the_host_has_another_python_by_now(self, estate: Estate) -> None:
        """What the inventory knows may be old: the host refuses what is compiled for another Python, is sent the sources, and the verb runs once."""
        other = next((path for version, path in find_host_interpreters().items() if path and version != "{}.{}".format(*sys.version_info)), None)
        if other is None:
            pytest.skip("this machine has no second version of Python")
        own = "{}.{}.0".format(*sys.version_info)
        for python in (own, None):
            answer = estate.ask("scan", {"say": "hello"}, python=python, variables={"ansible_python_interpreter": str(other)}).result["answer"]
            assert (answer["way"], answer["said"], estate.log()) == ("program", "hello", ["scan"])

    def test_program_writes_nothing(self, estate: Estate) -> None:
        """The program leaves no file in the temporary folder of the host, the module way removes its own."""
        for variables in ({}, MODULE):
            estate.ask("scan", {}, variables=variables)
            remote = estate.folder / "remote"
            assert not remote.exists() or not list(remote.iterdir())

    def test_become(self, estate: Estate) -> None:
        """Through become without a password the program is sent, too."""
        play = estate.ask("install", {}, variables=become(script(estate.folder, "sudo", SUDO)))
        assert (play.result["answer"]["way"], estate.log()) == ("program", ["install"])

    def test_terminal(self, estate: Estate) -> None:
        """A terminal on standard input, as local has it for a password of become: exit 97, then the module."""
        sudo = script(estate.folder, "sudo-password", 'for word; do case $word in \\[sudo*) printf %s "$word" >&2;; esac; done; read password; ' + SUDO)
        play = estate.ask("install", {}, variables=become(sudo, ansible_become_pass="x"))
        assert (play.result["answer"]["way"], estate.log()) == ("module", ["install"])

    def test_must_have_a_terminal(self, estate: Estate) -> None:
        """Where become refuses to run without a terminal the module is tried, which is refused in Ansible's way."""
        refusal = "echo sudo: sorry, you must have a tty to run sudo >&2; exit 1"
        sudo = script(estate.folder, "sudo-requiretty", f'case "$*" in *"test -t 0"*) {refusal};; esac; {SUDO}')
        play = estate.ask("install", {}, variables=become(sudo))
        assert (play.result["answer"]["way"], estate.log()) == ("module", ["install"])

    def test_environment(self, estate: Estate) -> None:
        """The environment of the task reaches the verb, quoted; PYTHON variables and a foreign sitecustomize do not."""
        (estate.folder / "sitecustomize.py").write_text("raise SystemExit(3)")
        environment = {"CERTOPS_TEST_A": "a 'b' $(id) \"c\" ;x", "PYTHONPATH": str(estate.folder), "PYTHONVERBOSE": "1"}
        try:
            answer = estate.ask("scan", {}, task={"environment": environment}).result["answer"]
        finally:
            (estate.folder / "sitecustomize.py").unlink()
        assert answer["environment"] == {"CERTOPS_TEST_A": environment["CERTOPS_TEST_A"]}

    def test_delegated(self, estate: Estate) -> None:
        """A delegated task asks the delegate, with the delegate's interpreter."""
        play = estate.ask("scan", {}, variables={"ansible_python_interpreter": "/nonexistent/python"}, task={"delegate_to": "other"})
        assert play.result["answer"]["_host"]["python"] == sys.version.split()[0]

    def test_async(self, estate: Estate) -> None:
        """Async is refused with a sentence and nothing is started."""
        play = estate.ask("scan", {}, task={"async": 10, "poll": 1})
        assert "certops.fleet.probe cannot be run with async, got 10" in play.output
        assert estate.log() == []


class TestInterpreter:
    def test_discovered(self, estate: Estate) -> None:
        """An interpreter that was discovered is handed back as a fact, so that the next task does not search."""
        variables = {"ansible_python_interpreter": "auto_silent", "ansible_interpreter_python_fallback": ["/nonexistent", sys.executable]}
        told = {"name": "Told", "ansible.builtin.debug": {"var": "ansible_facts.discovered_interpreter_python"}}
        ask = {"verb": "scan", "args": {"log": str(estate.folder / "log")}}
        results = estate.play([{"name": "Ask", "certops.fleet.probe": ask}, told], variables=variables).results
        found = results["Ask"]["answer"]["ansible_facts"]["discovered_interpreter_python"]
        assert found == sys.executable
        assert results["Told"]["ansible_facts.discovered_interpreter_python"] == found

    def test_arguments(self, estate: Estate) -> None:
        """An interpreter with arguments is used as written."""
        assert estate.ask("scan", {"say": 1}, variables={"ansible_python_interpreter": f"/usr/bin/env {sys.executable}"}).result["answer"]["said"] == 1

    @pytest.mark.parametrize("verb", ["scan", "install"])
    def test_missing(self, estate: Estate, verb: str) -> None:
        """A missing interpreter is told in Ansible's words, never as an unknown outcome."""
        play = estate.ask(verb, {}, variables={"ansible_python_interpreter": "/nonexistent/python"})
        assert "The module interpreter '/nonexistent/python' was not found. Consider overriding the configured interpreter path" in play.output
        assert "unknown" not in play.output

    def test_not_executable(self, estate: Estate) -> None:
        """So is one that may not be run."""
        plain = estate.folder / "plain-python"
        plain.write_text("")
        assert f"The module interpreter '{plain}' was not found." in estate.ask("scan", {}, variables={"ansible_python_interpreter": str(plain)}).output

    def test_too_old(self, estate: Estate) -> None:
        """What is no Python 3.6 gives its own words, and the module is not tried."""
        old = script(estate.folder, "old-python", "echo 'Unknown option: -I' >&2; exit 2")
        result = estate.ask("scan", {}, variables={"ansible_python_interpreter": old}).result
        assert (result["kind"], result["msg"]) == ("host", "the host program did not start (code 2): Unknown option: -I")


class TestErrors:
    @BOTH
    def test_refusal(self, estate: Estate, variables: dict[str, t.Any]) -> None:
        """What the host refuses is its sentence without control characters."""
        result = estate.ask("install", {"do": "refuse"}, variables=variables).result
        assert (result["kind"], result["msg"]) == ("host", "the file '/etc/x' cannot be read [31m")

    @BOTH
    def test_internal(self, estate: Estate, variables: dict[str, t.Any]) -> None:
        """An error of the program's own is its type and place, and no value."""
        result = estate.ask("scan", {"do": "fail", "say": SECRET}, variables=variables).result
        assert re.fullmatch(r"internal error KeyError in verb_scan.py( line \d+)? \(_fail\)", result["msg"])

    @BOTH
    def test_looking_verb_dies(self, estate: Estate, variables: dict[str, t.Any]) -> None:
        """A looking verb that dies fails; it is not started again, nor by the module."""
        result = estate.ask("scan", {"do": "die"}, variables=variables).result
        assert (result["kind"], estate.log()) == ("died", ["scan"])

    @BOTH
    @pytest.mark.parametrize("oddity", ["die", "lie"])
    def test_changing_verb_dies(self, estate: Estate, variables: dict[str, t.Any], oddity: str) -> None:
        """A changing verb that dies is never started again: the journal is asked and its result returned."""
        environment = {"CERTOPS_TEST_OUTCOME": "record", "CERTOPS_TEST_LOG": str(estate.folder / "log")}
        args = {"do": oddity, "say": "Traceback"}
        answer = estate.ask("install", args, variables=variables, task={"environment": environment}).result["answer"]
        assert (answer["said"], estate.log()) == (f"from the journal of {TRANSACTION}", ["install", "outcome"])
        assert answer["_host"]["uid"] == os.geteuid()

    @pytest.mark.parametrize(
        ("outcome", "text"), [("forget", "the journal's state is 'None'"), ("die", "the journal could not be asked: the host program ended without an answer")]
    )
    def test_unknown(self, estate: Estate, outcome: str, text: str) -> None:
        """Where the journal knows no result either, the outcome is unknown."""
        environment = {"CERTOPS_TEST_OUTCOME": outcome, "CERTOPS_TEST_LOG": str(estate.folder / "log")}
        result = estate.ask("install", {"do": "die"}, task={"environment": environment}).result
        assert result["kind"] == "unknown"
        assert f"the outcome of transaction {TRANSACTION} is unknown, {text}" in result["msg"]

    def test_output_is_lost(self, estate: Estate) -> None:
        """An end in good order without a word is an unknown outcome for a changing verb: it may have run."""
        result = estate.ask("install", {}, variables={**ODD, "oddity": "loses_output"}).result
        assert (result["kind"], estate.log()[0]) == ("unknown", "install")

    def test_connection(self, estate: Estate) -> None:
        """A connection that breaks is Ansible's own error: the host is unreachable."""
        play = estate.ask("install", {}, variables={**ODD, "oddity": "cut"}, task={"ignore_unreachable": True})
        assert play.result["unreachable"] is True
        assert "the connection was cut" in play.result["msg"]
        assert estate.log() == ["install"]

    def test_become_refuses(self, estate: Estate) -> None:
        """A become that says no is told in its words and is not an unknown outcome."""
        sudo = script(estate.folder, "sudo-no", "echo 'somebody is not in the sudoers file.' >&2; exit 1")
        play = estate.ask("install", {}, variables=become(sudo))
        assert "somebody is not in the sudoers file." in play.output
        assert "unknown" not in play.output

    @pytest.mark.parametrize(
        ("variables", "task", "missing"),
        [
            pytest.param(become("/nonexistent/sudo"), {}, "/nonexistent/sudo", id="become"),
            pytest.param({}, {"environment": {"NOT-A-NAME": "x"}}, "NOT-A-NAME=x", id="environment"),
        ],
    )
    def test_something_else_is_missing(self, estate: Estate, variables: dict[str, t.Any], task: dict[str, t.Any], missing: str) -> None:
        """What a shell cannot find before it comes to the interpreter is told, and is not laid to the interpreter."""
        result = estate.ask("install", {}, variables=variables, task=task).result
        assert re.search(f"{missing}: not found", result["msg"])
        assert not re.search("interpreter|unknown", result["msg"])

    def test_timeout(self, estate: Estate) -> None:
        """The time limit of the task ends the exchange as it ends any task."""
        play = estate.ask("scan", {}, variables={"ansible_python_interpreter": script(estate.folder, "slow", "exec sleep 60")}, task={"timeout": 2})
        assert re.search("Timed out after 2|in the expected time frame", play.result["msg"])


class TestAnswer:
    """A host is not trusted."""

    def test_no_facts(self, estate: Estate) -> None:
        """A host cannot set facts."""
        result = estate.ask("scan", {"do": "facts"}).result
        assert (result["ansible_facts"], "ansible_facts" in result["answer"]) == ({}, False)

    def test_noise(self, estate: Estate) -> None:
        """What commands print, frames with a wrong nonce included, does not disturb."""
        assert estate.ask("scan", {"do": "noise", "say": 1}).result["answer"]["said"] == 1

    def test_large(self, estate: Estate) -> None:
        """Five megabytes that pack well arrive; sixty that unpack beyond the limit are told by the host itself."""
        assert len(estate.ask("scan", {"do": "much", "size": 5_000_000}).result["answer"]["much"]) == 5_000_000
        result = estate.ask("scan", {"do": "much", "size": 201 * 1024 * 1024}).result
        assert result["kind"] == "host"
        assert "the answer to 'scan' has 21" in result["msg"]


class TestSecrets:
    @BOTH
    @pytest.mark.parametrize("environment", [{}, {"ANSIBLE_DEBUG": "1"}], ids=["verbose", "debug"])
    def test_nothing_is_printed(self, estate: Estate, variables: dict[str, t.Any], environment: dict[str, str]) -> None:
        """At the highest verbosity and in debug mode nothing of a request is printed, packed or not."""
        play = estate.ask("scan", {"password": SECRET, "say": "x"}, variables=variables, arguments=("-vvvvv",), environment=environment, task={"no_log": True})
        assert play.code == 0
        assert not any(SECRET in text for text in estate.readable(play.output))

    def test_the_test_would_see_it(self, estate: Estate) -> None:
        """What the test above looks for is found when it is there."""
        packed = base64.b64encode(zlib.compress(f'{{"password": "{SECRET}"}}'.encode())).decode()
        assert any(SECRET in text for text in estate.readable(f"EXEC python '{packed}'"))

    def test_module_survives_censoring(self, estate: Estate) -> None:
        """Ansible replaces the values of unlogged options in a module's result; an answer that names them arrives whole."""
        said = ["scan", "verb", "request", "host_program"] * 50
        assert estate.ask("scan", {"say": said}, variables=MODULE).result["answer"]["said"] == said
