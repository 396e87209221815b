# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the integration targets on this machine, with the installed collection and without root.

A target is a role in tests/integration/targets, laid out as `ansible-test integration` wants it. Its file `aliases` may hold `needs/root`
or `disabled`; a target named setup_* is there for others to depend on. A deprecation warning that is printed is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from project import BUILD, COPY, CommandError, in_venv, run, tool_environment

TARGETS = COPY / "tests/integration/targets"
# The interpreter is named, because discovery may find a shim that leads nowhere.
INVENTORY = """\
localhost ansible_connection=local ansible_python_interpreter="{{ ansible_playbook_python }}"
"""
PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  roles:
    - role: {target}
"""


def find_targets() -> list[str]:
    """The names of the targets that are run for themselves."""
    folders = sorted(path for path in TARGETS.glob("*") if path.is_dir())
    return [path.name for path in folders if not path.name.startswith("setup_")]


def run_targets(targets: list[str]) -> str:
    """Run each target and print its closing line; raise CommandError naming those that failed."""
    failed, skipped = [], 0
    for target in targets:
        if reason := reason_to_skip(target):
            skipped += 1
            print(f"integration: {target}: skipped, {reason}", flush=True)
        elif not target_passes(target):
            failed.append(target)
    if failed:
        raise CommandError(f"failed: {', '.join(failed)}")
    return f"{len(targets) - skipped} targets, {skipped} skipped"


def reason_to_skip(target: str) -> str | None:
    path = TARGETS / target / "aliases"
    aliases = path.read_text().split() if path.is_file() else []
    if "disabled" in aliases:
        return "it is disabled"
    if "needs/root" in aliases and os.geteuid() != 0:
        return "it needs root"
    programs = [alias.rpartition("/")[2] for alias in aliases if alias.startswith("needs/program/")]
    return next((f"it needs the program {program}" for program in programs if not shutil.which(program)), None)


def target_passes(target: str) -> bool:
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=f"{target}-", dir=BUILD))
    try:
        output = run_target(target, work)
        if warned := re.findall(r"^\[DEPRECATION WARNING\].*", output, re.MULTILINE):
            raise CommandError("\n".join(warned))
    except CommandError as exc:
        print(f"{exc}\nintegration: {target}: failed", flush=True)
        return False
    finally:
        shutil.rmtree(work, ignore_errors=True)
    counted = re.search(r"ok=(\d+) +changed=(\d+)", output)
    tasks = f"{counted[1]} tasks" if counted else "its script ended well"
    print(f"integration: {target}: passed, {tasks} in {time.monotonic() - start:.0f} s", flush=True)
    return True


def run_target(target: str, work: Path) -> str:
    """Run the target's runme.sh or its role; `output_dir` is a folder of its own that goes away."""
    env = {**tool_environment(), "ANSIBLE_ROLES_PATH": str(TARGETS), "ANSIBLE_NOCOLOR": "1", "OUTPUT_DIR": str(work)}
    env["ANSIBLE_DEPRECATION_WARNINGS"] = "true"
    # For this path Ansible goes by the user's name instead of HOME.
    env["ANSIBLE_REMOTE_TMP"] = str(work / "remote_tmp")
    if (TARGETS / target / "runme.sh").is_file():
        return run([TARGETS / target / "runme.sh"], cwd=TARGETS / target, env=env)
    inventory = work / "inventory.ini"
    inventory.write_text(INVENTORY)
    playbook = work / "target.yml"
    playbook.write_text(PLAYBOOK.format(target=target))
    return run([in_venv("ansible-playbook"), playbook, "-i", inventory, "-e", f"output_dir={work}"], cwd=work, env=env)
