# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the cases of files/cases.yml, each by an ansible-playbook of its own, and print a line for each.

    run_cases.py folders    what a controller inside the container needs of this machine, a folder a line
    run_cases.py run        run them

CERTOPS_PLAYBOOK_BIN  the folder of the ansible-playbook to try (default: that of .venv)
CERTOPS_CASES         a regular expression: only the cases whose name it finds
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import typing as t
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
BUILD = PROJECT / ".build"
SHARED = BUILD / "molecule"
STATE = SHARED / "connections"
BIN = Path(os.environ.get("CERTOPS_PLAYBOOK_BIN") or PROJECT / ".venv/bin").absolute()
CONTAINER = "certops-connections"
# Of PyPI's package of them all.
COLLECTIONS = ("ansible/posix", "community/docker", "community/library_inventory_filtering_v1", "containers/podman")
PARAMIKO = ("paramiko<4", "bcrypt", "pynacl", "invoke")
WORKERS = 2
SCAN = {"paths": ["/srv/connections/{{ as_user }}.pem"], "record": False, "return_certificates": True}
RIGHT = [
    "seen.certificates | map(attribute='sha256') == [sha256]",
    "seen.certificates[0].places[0].path == '/srv/connections/' ~ as_user ~ '.pem'",
    "seen.privileged == (as_user == 'root')",
]
# What ansible-playbook says at -vvv when it runs the module.
MODULE = re.compile(r"Using module file \S*/host_program\.py")
# What it must not say; that paramiko was to go is Ansible's own matter.
UNWANTED = re.compile(r"Unexpected failure|Unhandled exception|DEPRECATION WARNING\](?!: The paramiko)")
TIMED_OUT = 124  # of timeout(1)


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the table: how the host is reached, and what must come out.

    way: program or module; error: a pattern of what is printed instead of a result. as_user: whose file is read, which tells who became whom.
    that: conditions on `seen`, the result, in place of those. task: keywords of the task. arguments: of the verb's action. host: what a shell on
    the host must find afterwards. controller: the user on the host as whom the controller runs there, for local connections. needs: "paramiko",
    "core 2.19" (or later), "python 3.6" (of this machine).
    """

    name: str
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    way: str | None = None
    error: str | None = None
    as_user: str = "root"
    that: list[str] | None = None
    task: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    action: str = "certops.fleet.host_scan_info"
    arguments: dict[str, t.Any] | None = None
    host: str | None = None
    controller: str | None = None
    needs: tuple[str, ...] = ()
    verbosity: str = "-vvv"
    seconds: int = 120

    @property
    def folder(self) -> Path:
        return STATE / re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclasses.dataclass(frozen=True)
class Controller:
    """The ansible-core that is tried, and what it may be tried with."""

    core: str
    python: str
    base: Path
    has_paramiko: bool
    interpreters: dict[str, str]

    @property
    def folders(self) -> list[Path]:
        prefixes = [self.base, *(Path(path).parent.parent for path in self.interpreters.values())]
        return sorted({PROJECT, BIN.parent, *(folder for folder in prefixes if folder.parts[1:2] != ("usr",))})


def find_controller() -> Controller:
    program = "import json, sys, importlib.util as u, ansible.release as r; found = u.find_spec('ansible.plugins.connection.paramiko_ssh')\n"
    program += "print(json.dumps([r.__version__, '%d.%d' % sys.version_info[:2], sys.base_prefix, bool(found)]))"
    core, python, base, has_paramiko = json.loads(capture([BIN / "python", "-c", program]))
    return Controller(core, python, Path(base), has_paramiko, machine_interpreters())


def machine_interpreters() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("interpreters", PROJECT / "tests/tools/interpreters.py")
    if spec is None or spec.loader is None:
        return {}
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Path | None] = module.find_host_interpreters()
    return {version: str(path) for version, path in found.items() if path}


def capture(argv: t.Sequence[str | Path]) -> str:
    return subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


# What the cases need besides the project.


def prepare(controller: Controller) -> dict[str, str]:
    """Fetch the connection plugins of others; return the environment of every case."""
    STATE.mkdir(parents=True, exist_ok=True)
    others = SHARED / f"others-{controller.python}"
    if not others.is_dir():
        fetch_others(others, controller.python)
    if controller.has_paramiko and not (others / "python").is_dir():
        pip("install", controller.python, "--target", others / "python", *PARAMIKO)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "MOLECULE_"))}
    return {
        **kept,
        "PATH": f"{others / 'bin'}:{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(others / "python") if controller.has_paramiko else "",
        "ANSIBLE_COLLECTIONS_PATH": f"{BUILD}:{others}",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "1",
        "ANSIBLE_TIMEOUT": "30",  # for become's prompt: this machine may be busy
        "LC_ALL": "C.UTF-8",
    }


def fetch_others(folder: Path, python: str) -> None:
    download = SHARED / f"download-{python}"
    pip("download", python, "--dest", download, "ansible")
    (wheel,) = download.glob("ansible-*.whl")
    wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    making = folder.with_suffix(".new")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(making, [name for name in archive.namelist() if name.startswith(wanted)])
    wheel.unlink()
    # The docker connection plugin calls docker, which podman can play.
    (making / "bin").mkdir()
    (making / "bin/docker").symlink_to("/usr/bin/podman")
    making.rename(folder)


def pip(command: str, python: str, *arguments: str | Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--python-version", python]
    subprocess.run([sys.executable, "-m", "pip", command, *options, *map(str, arguments)], stdin=subprocess.DEVNULL, check=True)


def base_variables(controller: Controller) -> dict[str, t.Any]:
    molecule = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    inspected = json.loads(capture(["podman", "inspect", CONTAINER]))[0]
    shown = capture(["podman", "exec", CONTAINER, "openssl", "x509", "-in", "/srv/connections/root.pem", "-noout", "-fingerprint", "-sha256"])
    return {
        "ansible_connection": "ssh",
        "ansible_host": inspected["NetworkSettings"]["IPAddress"],
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(molecule / "ssh_key"),
        "ansible_ssh_args": "-F none -o ControlMaster=no -o ControlPath=none -o ConnectTimeout=5",
        "ansible_ssh_common_args": "-o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no",
        "ansible_host_key_checking": False,
        "right_password": (molecule / "password").read_text().split()[0],
        "container": CONTAINER,
        "container_process": inspected["State"]["Pid"],
        "sha256": shown.partition("=")[2].replace(":", "").lower(),
        "pythons": controller.interpreters,
        "folder": str(STATE),
        "certops_environment": "connections",
        "certops_inventory": f"sqlite:///{STATE}/inventory.db",
        "certops_issuers": [{"name": "internal", "type": "embedded", "directory": f"{STATE}/ca", "passphrase": "not a secret of anybody"}],
    }


# One case.


@dataclasses.dataclass(frozen=True)
class Outcome:
    case: Case
    problem: str | None
    seconds: float
    way: str = ""
    skipped: str | None = None

    def __str__(self) -> str:
        word = "skipped" if self.skipped else "FAILED" if self.problem else "ok"
        return f"{word:8}{self.way:8} {self.seconds:5.1f} s  {self.case.name}" + (f": {self.skipped or self.problem}" if self.skipped or self.problem else "")


def run_case(case: Case, controller: Controller, variables: dict[str, t.Any], environment: dict[str, str]) -> Outcome:
    if reason := missing(case, controller):
        return Outcome(case, None, 0, skipped=reason)
    write_play(case, variables)
    started = time.monotonic()
    with (case.folder / "output").open("wb") as output:
        code = subprocess.run(
            command(case, environment), cwd=case.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    if code == TIMED_OUT:
        return Outcome(case, f"no end within {case.seconds} s, see {case.folder}/output", time.monotonic() - started)
    seconds = time.monotonic() - started
    text = (case.folder / "output").read_text(errors="replace")
    way = "module" if MODULE.search(text) else "program" if case.verbosity else ""
    problem = judged(case, code, text, way)
    return Outcome(case, problem and f"{problem}, see {case.folder}/output", seconds, "" if case.error else way)


def missing(case: Case, controller: Controller) -> str | None:
    for need in case.needs:
        kind, _space, version = need.partition(" ")
        if kind == "paramiko" and not controller.has_paramiko:
            return f"ansible-core {controller.core} has no paramiko connection"
        if kind == "core" and numbers(controller.core) < numbers(version):
            return f"it is for ansible-core {version} and later"
        if kind == "python" and version not in controller.interpreters:
            return f"this machine has no Python {version}"
    return None


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def write_play(case: Case, variables: dict[str, t.Any]) -> None:
    case.folder.mkdir(exist_ok=True)
    asked = {"name": "Ask", case.action: SCAN if case.arguments is None else case.arguments, "register": "seen", **case.task}
    that = case.that or (RIGHT if case.arguments is None else ["true"])
    judge = {"name": "Judge", "ansible.builtin.assert": {"that": that}, "delegate_to": "localhost"}
    play = {"hosts": "target", "gather_facts": False, "tasks": [asked, judge], "vars": {"as_user": case.as_user}}
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}", "ansible_become": False}
    others = {"other": {"ansible_host": variables["ansible_host"]}, "third": {"ansible_host": variables["ansible_host"], "ansible_user": "other"}}
    hosts = {"target": case.variables, **others, "localhost": local}
    (case.folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    (case.folder / "play.json").write_text(json.dumps([play]))


def command(case: Case, environment: dict[str, str]) -> list[str]:
    limit = ["timeout", "--kill-after=5", str(case.seconds)]
    playbook = [*limit, str(BIN / "ansible-playbook"), "-i", f"{case.folder}/inventory.json", f"{case.folder}/play.json", *filter(None, [case.verbosity])]
    if case.controller is None:
        return playbook
    passed = [f"{name}={environment[name]}" for name in environment if name.startswith(("ANSIBLE_", "LC_", "PYTHON"))]
    return ["podman", "exec", f"--user={case.controller}", "--workdir=/tmp", CONTAINER, "env", *passed, *playbook]


def judged(case: Case, code: int, text: str, way: str) -> str | None:
    """Return what is wrong with an output, or None."""
    if unwanted := UNWANTED.search(text):
        return f"it prints {unwanted[0]!r}"
    if bool(code) != bool(case.error):
        return f"it ends with status {code}"
    if case.error and not re.search(case.error, text, re.DOTALL):
        return f"it does not say {case.error!r}"
    if case.way is not None and way != case.way:
        return f"it took the way {way}, not {case.way}"
    if case.host is not None and subprocess.run(["podman", "exec", CONTAINER, "sh", "-c", case.host], capture_output=True, check=False).returncode:
        return f"on the host this is not so: {case.host}"
    return None


def make_ca(environment: dict[str, str], variables: dict[str, t.Any]) -> None:
    settings = {name: value for name, value in variables.items() if name.startswith("certops_")}
    more = {"ca_directory": f"{STATE}/ca", "ca_passphrase": variables["certops_issuers"][0]["passphrase"]}
    argv = [str(BIN / "ansible-playbook"), "-i", "localhost,", "certops.fleet.create_ca", "--extra-vars", json.dumps({**settings, **more})]
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def run() -> int:
    controller = find_controller()
    pattern = re.compile(os.environ.get("CERTOPS_CASES", ""))
    cases = [case for row in yaml.safe_load((HERE / "files/cases.yml").read_text()) if pattern.search((case := Case(**row)).name)]
    environment = prepare(controller)
    variables = base_variables(controller)
    print(f"connections: ansible-core {controller.core}, Python {controller.python}", flush=True)
    if any(case.action.endswith(".certificate") for case in cases):
        make_ca(environment, variables)
    outcomes = []
    with ThreadPoolExecutor(WORKERS) as workers:
        for outcome in workers.map(lambda case: run_case(case, controller, variables, environment), cases):
            print(outcome, flush=True)
            outcomes.append(outcome)
    failed = sum(1 for outcome in outcomes if outcome.problem)
    skipped = sum(1 for outcome in outcomes if outcome.skipped)
    print(f"connections: {len(outcomes) - failed - skipped} cases passed, {failed} failed, {skipped} skipped")
    return 1 if failed or skipped == len(outcomes) else 0


def main() -> int:
    if sys.argv[1:] == ["folders"]:
        print(*find_controller().folders, sep="\n")
        return 0
    return run()


if __name__ == "__main__":
    sys.exit(main())
