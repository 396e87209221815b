# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` where nothing but a package index can be reached."""

from __future__ import annotations

import ast
import configparser
import os
import re
from pathlib import Path

import ansible_test
from interpreters import find_interpreters
from project import BUILD, COPY, HOME, CommandError, in_venv, run, tool_environment

PYTHONS = tuple(f"3.{minor}" for minor in range(6, 15))
GET_PIP = """\
# Stands in for the download of get-pip.py, which ansible-test wants from a server of its own.
import subprocess
import sys

arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install"] + arguments)
"""


def run_sanity() -> str:
    """Run every sanity test with the project's own home folder; print what ansible-test skipped and return a closing line."""
    write_get_pip()
    write_pip_settings()
    env = tool_environment()
    folders = {str(python.parent) for python in find_interpreters(PYTHONS).values() if python}
    env["PATH"] = ":".join([*sorted(folders), env["PATH"]])
    log = BUILD / "sanity.log"
    try:
        output = run([in_venv("ansible-test"), "sanity", "--venv", "--color", "no"], cwd=COPY, env=env)
    except CommandError as exc:
        log.write_text(str(exc))
        raise CommandError(errors_of(str(exc))) from exc
    log.write_text(output)
    for line in skips_of(output):
        print(f"sanity: {line}", flush=True)
    count = len(re.findall("^Running sanity test", output, re.MULTILINE))
    if not count:
        raise CommandError(f"{output}\nno sanity test was run")
    return f"{count} tests, no entry ignored"


def skips_of(output: str) -> list[str]:
    return sorted({line.removeprefix("WARNING: ") for line in output.splitlines() if line.startswith("WARNING: Skipping")})


def errors_of(output: str) -> str:
    """What ansible-test calls an error, or else its last words; all of it stays in the log."""
    shown = re.findall(r"^(?:ERROR:|FATAL: The) .*", output, re.MULTILINE)
    return "\n".join((shown or output.splitlines())[-40:])


def write_get_pip() -> None:
    """Put the stand-in where ansible-test looks for what it has downloaded before."""
    cache = HOME / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    source = Path(ansible_test.__path__[0], "_internal/python_requirements.py").read_text()
    for version in re.findall(r"""pip=['"]([\d.]+)['"]""", source):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    for left_over in cache.glob("*.download"):
        left_over.unlink()


def write_pip_settings() -> None:
    """Write pip's settings as a file, as ansible-test passes none of the environment on and has another home folder."""
    sections: dict[str, dict[str, str]] = {}
    listed = run([in_venv("python"), "-m", "pip", "config", "list"]).splitlines()
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        if match := re.fullmatch(r"(:env:|\w+)\.([\w-]+)=(.*)", line):
            section, name, value = match.groups()
            sections.setdefault("global" if section == ":env:" else section, {})[name] = str(ast.literal_eval(value))
    settings = configparser.RawConfigParser()
    settings.read_dict(sections)
    path = HOME / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        settings.write(file)
