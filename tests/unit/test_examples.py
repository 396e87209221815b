# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of plugins, README, guides and roles are what Ansible and the collection accept; the integration target `examples` runs them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml

from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries
from ansible_collections.certops.fleet.plugins.plugin_utils._action.variables import KNOWN, SHARED
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import VARIABLE, audit_settings
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import locate
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issuers import parse_issuers
from ansible_collections.certops.fleet.tests.integration.targets.examples.files.examples import NOT_RUN, ROOT, Example, as_plays, examples
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.conftest import checked

ALL = examples()
VARIABLES = [example for example in ALL if example.kind == "variables"]


def _filled(content: t.Any) -> t.Any:
    """The variables with a word in place of each template."""
    home = re.sub(r"\{\{ lookup\(.*?\}\}", "/home/x", json.dumps(content))
    return json.loads(re.sub(r"\{\{.*?\}\}", "filled.example.com", home))


def _of_roles() -> set[str]:
    return {name for path in (ROOT / "roles").glob("*/defaults/main.yml") for name in yaml.safe_load(path.read_text(encoding="utf-8"))}


def test_every_plugin_role_and_guide_has_examples() -> None:
    """Each module, filter and lookup, and the pages that a user begins with."""
    named = {example.name.rpartition(" ")[0] or example.name for example in ALL}
    plugins = {str(path.relative_to(ROOT)) for kind in ("modules", "filter", "lookup") for path in (ROOT / "plugins" / kind).glob("*.py")}
    assert plugins - named == set()
    assert {"README.md", "docs/first_hour.md", "docs/my_own_hosts.md", "docs/nginx.md", "docs/requirements.md", "docs/what_it_does.md"} <= named
    assert set(NOT_RUN) <= {example.name for example in ALL}


def test_ansible_accepts_every_play(tmp_path: pathlib.Path) -> None:
    """Modules, roles, keywords and options of tasks."""
    plays = [play for example in ALL for play in as_plays(example)]
    (tmp_path / "examples.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
    command = [sys.executable, "-m", "ansible", "playbook", "--syntax-check", "-i", "localhost,", "examples.yml"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT.parents[2]), "ANSIBLE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", VARIABLES, ids=lambda example: example.name)
def test_variables_are_known_and_accepted(example: Example) -> None:
    """By the functions that read them."""
    variables = _filled(example.content)
    assert {name for name in variables if not name.startswith("ansible_")} <= {*KNOWN, *_of_roles()}
    assert {*SHARED.values(), VARIABLE} & set(variables)
    audit_settings(variables.get(VARIABLE))
    checked(variables.get("certops_certificates", []))
    parse_issuers(variables.get("certops_issuers"), environ={"HOME": "/home/x"})
    check_entries(variables.get("certops_services", []))
    if str(variables.get("certops_inventory", "")).startswith("sqlite"):
        locate(variables["certops_inventory"], environ={}, mounts="")
