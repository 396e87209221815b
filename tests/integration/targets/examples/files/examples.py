# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation: EXAMPLES of plugins, and the yaml blocks of README, guides and roles.

examples.py FOLDER    write FOLDER/examples.yml, a playbook that runs them on this machine below FOLDER, and say what is left out
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[5]
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What needs more than this machine surely has; all of it is checked by tests/unit/test_examples.py.
NOT_RUN = {
    "docs/services.md 1": "slapd and its user",
    "docs/my_own_hosts.md 2": "postfix and a user 'agent'",
    "docs/nginx.md 2": "a web server whose health is asked",
    "docs/questions.md 7": "a job 'Nightly discovery' that has run",
    "docs/requirements.md 1": "nginx and a rule of sudo",
    "plugins/modules/audit_info.py": "a copy of the audit log that somebody sent",
    "plugins/modules/inventory_host.py": "hosts that were recorded under those names",
}


class Example(t.NamedTuple):
    """One example: where it stands, and what it is: a list of C(plays) or C(tasks), or a dictionary of C(variables) or an C(inventory)."""

    name: str
    kind: str
    content: t.Any


def _kind(content: t.Any) -> str:
    if isinstance(content, list):
        return "plays" if "hosts" in content[0] else "tasks"
    return "inventory" if "all" in content else "variables"


def _blocks(path: pathlib.Path) -> t.Iterator[Example]:
    for number, text in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), 1):
        content = yaml.safe_load(text)
        yield Example(f"{path.relative_to(ROOT)} {number}", _kind(content), content)


def _of_plugin(path: pathlib.Path) -> t.Iterator[Example]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            content = yaml.safe_load(ast.literal_eval(node.value))
            yield Example(str(path.relative_to(ROOT)), _kind(content), content)


def examples() -> list[Example]:
    """All of them; a plugin without any is not there."""
    found = [example for kind in ("modules", "filter", "lookup") for path in sorted((ROOT / "plugins" / kind).glob("*.py")) for example in _of_plugin(path)]
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
    return found + [example for page in pages for example in _blocks(page)]


def as_plays(example: Example) -> list[dict[str, t.Any]]:
    """What runs the example: plays as they are, tasks in a play, variables with the roles that read them."""
    if example.kind == "plays":
        return t.cast("list[dict[str, t.Any]]", example.content)
    play: dict[str, t.Any] = {"name": example.name, "hosts": "localhost", "gather_facts": False}
    if example.kind == "tasks":
        return [{**play, "tasks": example.content}]
    if example.kind == "inventory":
        return []
    roles = [
        *(["certops.fleet.ca"] if "certops_issuers" in example.content else []),
        *(["certops.fleet.certificate"] if "certops_certificates" in example.content else []),
    ]
    return [{**play, "vars": example.content, "tasks": [{"name": role, "ansible.builtin.import_role": {"name": role}} for role in roles]}]


def main(folder: pathlib.Path) -> None:
    runs = [example for example in examples() if example.name not in NOT_RUN]
    plays = [play for example in runs for play in as_plays(example)]
    for name, why in NOT_RUN.items():
        print(f"not run: {name}, it needs {why}")
    (folder / "tls").mkdir()
    text = yaml.safe_dump(plays, sort_keys=False)
    for path, here in (("/srv/certops", folder), ("/etc/nginx/tls", folder / "tls"), ("/srv/tls", folder / "tls"), ("/etc/ssl/private", folder / "tls")):
        text = text.replace(path, str(here))
    (folder / "examples.yml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
