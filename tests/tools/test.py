# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's tests, step by step, and end with one line per step.

    test.py [STEP ...]

Each step works on the copy in .build, so that the working tree stays as it is. A step that cannot run here says why and counts as skipped.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import integration
import sanity
from install import install_requirements
from interpreters import HOST_PYTHONS, find_host_interpreters
from project import BUILD, COPY, ROOT, CommandError, in_venv, project_files, run, tool_environment

HOST_TESTS = "tests/unit/plugins/module_utils/_host"
CONTROLLER_RING = "plugins/plugin_utils"
LEAST_COVERAGE = 90
CACHE = BUILD / "cache"
# For what no test imports.
COMPILE = "import sys; [compile(open(name, encoding='utf-8').read(), name, 'exec') for name in sys.argv[1:]]"


class StepSkippedError(Exception):
    """The step cannot run here; the message says why."""


def format_step() -> str:
    return run([in_venv("ruff"), "format", "--check", "--cache-dir", CACHE / "ruff", "."], cwd=COPY)


def lint_step() -> str:
    run([in_venv("ruff"), "check", "--output-format", "concise", "--cache-dir", CACHE / "ruff", "."], cwd=COPY)
    scripts = shell_scripts()
    run([in_venv("shellcheck"), *scripts], cwd=COPY)
    return f"ruff and shellcheck ({len(scripts)} scripts) found nothing"


def shell_scripts() -> list[str]:
    """What begins with a shell's name, whatever its own."""
    names = project_files()
    return [name for name in names if (COPY / name).read_bytes()[:32].split(b"\n")[0].endswith((b"bash", b"/sh"))]


def types_step() -> str:
    if not any((COPY / "plugins").rglob("*.py")):
        raise StepSkippedError("there is no plugin")
    # Without a cache: one made before a file of a namespace package was added goes on missing that file.
    command = [in_venv("mypy"), "--config-file", COPY / "pyproject.toml", "--cache-dir", os.devnull]
    return run([*command, Path(*COPY.parts[-3:]) / "plugins"], cwd=BUILD, env=tool_environment())


def changelog_step() -> str:
    run([in_venv("antsibull-changelog"), "lint"], cwd=COPY, env=tool_environment())
    return "the fragments are well-formed"


def ansible_lint_step() -> str:
    try:
        install_requirements(REQUIREMENTS["ansible-lint"])
    except CommandError as exc:
        raise StepSkippedError(f"ansible-lint does not install: {last_line(str(exc))}") from exc
    # Not what ansible-test makes there at the same time.
    command = [in_venv("ansible-lint"), "--offline", "--profile", "production", "--nocolor", "--exclude", "tests/output"]
    return run(command, cwd=COPY, env=tool_environment())


def galaxy_step() -> str:
    """What Galaxy does with an upload, its own ansible-lint included; ansible-test, which it runs in a container, has a step of its own."""
    try:
        install_requirements(REQUIREMENTS["galaxy"])
    except CommandError as exc:
        raise StepSkippedError(f"galaxy-importer does not install: {last_line(str(exc))}") from exc
    (artefact,) = (BUILD / "dist").glob("*.tar.gz")
    work = BUILD / "galaxy"
    work.mkdir(exist_ok=True)
    output = run([in_venv("python"), "-m", "galaxy_importer.main", artefact], cwd=work, env=tool_environment())
    if told := re.findall("^(?:WARNING|ERROR|CRITICAL): .*", output, re.MULTILINE):
        raise CommandError("\n".join(told))
    return output


def host_step() -> str:
    """The tests of what runs on managed hosts, with the standard library alone, under every Python of this machine."""
    tests = sorted(str(path.relative_to(BUILD)) for path in (COPY / HOST_TESTS).rglob("test_*.py"))
    if not tests:
        raise StepSkippedError("there is no test of the host ring")
    sources = sorted(str(path.relative_to(BUILD)) for path in (COPY / "plugins/module_utils/_host").rglob("*.py"))
    interpreters = host_interpreters()
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:  # these tests wait for their servers half of the time
        outcomes = dict(zip(interpreters, pool.map(lambda python: host_outcome(python, sources, tests), interpreters.values()), strict=True))
    for version, outcome in outcomes.items():
        print(f"host: Python {version}: {outcome}", flush=True)
    if failed := [version for version, outcome in outcomes.items() if outcome.startswith("failed")]:
        raise CommandError(f"failed under Python {', '.join(failed)}")
    return f"{len(tests)} files"


def host_interpreters() -> dict[str, Path | None]:
    """Those of this machine; the newest, which few have yet, is unpacked where that is possible."""
    found = find_host_interpreters()
    if found[HOST_PYTHONS[-1]] is None:
        try:
            run([ROOT / "tests/tools/newest_python"])
        except CommandError as exc:
            print(f"host: {exc}", flush=True)
        found = find_host_interpreters()
    return found


def host_outcome(python: Path | None, sources: list[str], tests: list[str]) -> str:
    """One interpreter's outcome: passed, failed with all that it printed, or skipped."""
    if python is None:
        return "skipped, this machine has none"
    try:
        run([python, "-B", "-S", "-c", COMPILE, *sources], cwd=BUILD)
        output = run([python, "-B", "-S", "-m", "unittest", "--verbose", *tests], cwd=BUILD, env=tool_environment())
    except CommandError as exc:
        return f"failed\n{errors_of(str(exc))}"
    skipped = [f"\n  skipped: {reason}" for reason in sorted(set(re.findall(r" skipped ['\"](.+)['\"]$", output, re.MULTILINE)))]
    return f"passed, {', '.join(output.strip().splitlines()[-3::2])}{''.join(skipped)}"


def errors_of(output: str) -> str:
    """What unittest says of errors and failures, after the names of all tests; an interpreter that died says none."""
    listed, ruler, errors = output.partition(f"\n{'=' * 70}\n")
    return ruler + errors if ruler else "\n".join(listed.splitlines()[-40:])


def unit_step() -> str:
    """All other unit tests, shown as they run: pytest's own closing line counts them. They must reach most lines of what runs on the controller."""
    CACHE.mkdir(parents=True, exist_ok=True)
    measured = {"COVERAGE_FILE": str(CACHE / "coverage"), "COVERAGE_CORE": "sysmon" if sys.version_info >= (3, 12) else "ctrace"}
    env = {**tool_environment(), **measured, "PYTHONPATH": str(BUILD), "ANSIBLE_DEPRECATION_WARNINGS": "true"}
    command = [in_venv("python"), "-m", "pytest", "-q", "--numprocesses", "logical", "-o", f"cache_dir={CACHE / 'pytest'}", f"--ignore={HOST_TESTS}"]
    coverage = [f"--cov={CONTROLLER_RING}", f"--cov-fail-under={LEAST_COVERAGE}", "--cov-report=term:skip-covered"]
    done = subprocess.run([*command, *coverage], cwd=COPY, env=env, check=False)
    if done.returncode:
        raise CommandError(f"pytest ended with status {done.returncode}")
    return "see pytest's closing line above"


def sanity_step() -> str:
    return sanity.run_sanity()


def integration_step() -> str:
    targets = integration.find_targets()
    if not targets:
        raise StepSkippedError("there is no integration target")
    return integration.run_targets(targets)


STEPS: dict[str, t.Callable[[], str]] = {
    "format": format_step,
    "lint": lint_step,
    "types": types_step,
    "changelog": changelog_step,
    "host": host_step,
    "unit": unit_step,
    "integration": integration_step,
    "ansible-lint": ansible_lint_step,
    "galaxy": galaxy_step,
    "sanity": sanity_step,
}
# Each of these keeps one processor busy: sanity takes about as long as the others together.
BESIDE = (("integration", "ansible-lint", "galaxy"), ("sanity",))
REQUIREMENTS = {"ansible-lint": "requirements-lint.txt", "galaxy": "requirements-galaxy.txt"}


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "ok"


def run_step(name: str) -> str:
    """Run one step, print its closing line and return passed, failed or skipped."""
    start = time.monotonic()
    try:
        outcome, closing = "passed", last_line(STEPS[name]())
    except StepSkippedError as exc:
        outcome, closing = "skipped", str(exc)
    except CommandError as exc:
        print(exc)
        outcome, closing = "failed", last_line(str(exc))
    print(f"{name}: {outcome} in {time.monotonic() - start:.0f} s: {closing}", flush=True)
    return outcome


def run_steps(names: t.Sequence[str]) -> list[str]:
    """Run the steps that keep all processors busy one after the other, and then the rest in two lanes; return the outcomes."""
    lanes = [[name for name in names if name in lane] for lane in BESIDE]
    outcomes = [run_step(name) for name in names if not any(name in lane for lane in lanes)]
    for name in (*lanes[0], *lanes[1]):
        if name in REQUIREMENTS:
            with contextlib.suppress(CommandError):  # the step says it; now, because another lane must not see .venv change
                install_requirements(REQUIREMENTS[name])
    with ThreadPoolExecutor(len(lanes)) as pool:
        return outcomes + [outcome for lane in pool.map(lambda lane: [run_step(name) for name in lane], lanes) for outcome in lane]


def main() -> int:
    names = sys.argv[1:] or list(STEPS)
    if unknown := [name for name in names if name not in STEPS]:
        print(f"there is no step {unknown[0]!r}; the steps are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    outcomes = run_steps(names)
    passed, failed, skipped = (outcomes.count(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"steps: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
