# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the steps that depend on ansible-core with every supported one, and end with a table.

    matrix.py [STEP ...]

CORES="2.16 2.21" names some of the cores. CORES=rota is one of those that `make test` does not cover here: which one, the commit decides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import typing as t
from importlib.metadata import version
from pathlib import Path

from interpreters import find_interpreters
from project import ROOT, CommandError, run

TOOLS = ROOT / "tests/tools"
SCENARIO = ROOT / "extensions/molecule/connections"
# Each core with the Pythons that it takes, the newest first.
CORES = {
    "2.16": ("3.12", "3.11", "3.10"),
    "2.19": ("3.13", "3.12", "3.11"),
    "2.21": ("3.14", "3.13", "3.12"),
}
STEPS = ("unit", "integration", "sanity", "connections")
# Each of these keeps one processor busy: where both are wanted they run at once.
BESIDE = ("integration", "sanity")


class Row(t.NamedTuple):
    """An ansible-core with the interpreter that it runs under."""

    core: str
    python: str
    interpreter: Path

    @property
    def bin(self) -> Path:
        """Where `project.py` has the virtual environment of this MATRIX_ROW."""
        return ROOT / ".build/matrix" / self.core / "venv/bin"

    def run(self, *command: str | Path) -> str:
        env = {**os.environ, "MATRIX_ROW": self.core, "ANSIBLE_CORE": f"ansible-core=={self.core}.*", "CERTOPS_PLAYBOOK_BIN": str(self.bin)}
        return "failed" if subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode else "passed"


class Line(t.NamedTuple):
    """A line of the closing table."""

    core: str
    python: str
    step: str
    outcome: str
    seconds: str = "-"


def row_of(core: str) -> Row | None:
    """The core with the newest interpreter of this machine that it takes."""
    found = find_interpreters(CORES[core]).items()
    return next((Row(core, python, path) for python, path in found if path and makes_environments(path)), None)


def makes_environments(interpreter: Path) -> bool:
    try:
        run([interpreter, TOOLS / "check_python.py"])
    except CommandError:
        return False
    return True


def chosen(wanted: str) -> list[str]:
    """The cores that are named, or the one whose turn it is, or all."""
    if wanted == "rota":
        others = [core for core in CORES if not version("ansible-core").startswith(f"{core}.") and row_of(core)]
        commit = int(run(["git", "rev-parse", "HEAD"]), 16)
        return [others[commit % len(others)]] if others else []
    return wanted.split() or list(CORES)


def lines_of(core: str, steps: t.Sequence[str]) -> t.Iterator[Line]:
    """Install the core and run the steps with it."""
    row = row_of(core)
    if row is None:
        yield Line(core, "-", "all", f"skipped, this machine has no Python {CORES[core][-1]} to {CORES[core][0]} that makes virtual environments")
        return
    installed = line(row, "install", row.interpreter, TOOLS / "install.py", "requirements-dev.txt")
    yield installed
    if installed.outcome == "passed":
        yield from (step_line(row, *step) for step in grouped(steps))


def grouped(steps: t.Sequence[str]) -> list[tuple[str, ...]]:
    """The steps as they run, in their order: mostly one after the other."""
    if not set(BESIDE) <= set(steps):
        return [(step,) for step in steps]
    return [BESIDE if step == BESIDE[0] else (step,) for step in steps if step not in BESIDE[1:]]


def step_line(row: Row, *steps: str) -> Line:
    name = " and ".join(steps)
    if name != "connections":
        return line(row, name, row.bin / "python", TOOLS / "test.py", *steps)
    if reason := reason_to_skip_connections():
        return Line(row.core, row.python, name, f"skipped, {reason}")
    return line(row, name, ROOT / "extensions/molecule/run", SCENARIO.name)


def reason_to_skip_connections() -> str | None:
    if not SCENARIO.is_dir():
        return f"there is no {SCENARIO.relative_to(ROOT)}"
    if os.geteuid() != 0 or not shutil.which("podman"):
        return "it needs root and podman"
    return None


def line(row: Row, step: str, *command: str | Path) -> Line:
    print(f"matrix: ansible-core {row.core}, Python {row.python}: {step}", flush=True)
    start = time.monotonic()
    outcome = row.run(*command)
    return Line(row.core, row.python, step, outcome, f"{time.monotonic() - start:.0f}")


def print_table(lines: t.Sequence[Line]) -> None:
    table = [("core", "Python", "step", "seconds", "outcome"), *((line.core, line.python, line.step, line.seconds, line.outcome) for line in lines)]
    for core, python, step, seconds, outcome in table:
        print(f"{core:<6}{python:<8}{step:<24}{seconds:>7}  {outcome}")


def main() -> int:
    cores, steps = chosen(os.environ.get("CORES", "")), sys.argv[1:] or STEPS
    for kind, names, known in (("core", cores, CORES), ("step", steps, STEPS)):
        if unknown := [name for name in names if name not in known]:
            print(f"there is no {kind} {unknown[0]!r}; the {kind}s are {', '.join(known)}", file=sys.stderr)
            return 2
    lines = [line for core in cores for line in lines_of(core, steps)]
    print_table(lines)
    passed, failed, skipped = (sum(line.outcome.startswith(outcome) for line in lines) for outcome in ("passed", "failed", "skipped"))
    print(f"matrix: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
