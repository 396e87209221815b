# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup as a play meets it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from datetime import datetime, timezone

import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import values
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName

COLLECTIONS = pathlib.Path(values.__file__).parents[6]
EVIL = "{{ lookup('pipe', 'touch evil') }}"
QUESTIONS = {
    "events": "query('certops.fleet.certificates', 'events', select='[].subject')",
    "expression": "query('certops.fleet.certificates', '[].host', '[].namespace', kind='hosts')",
    "one": "lookup('certops.fleet.certificates', kind='hosts', select='[].host', namespace='prod')",
    "another": "query('certops.fleet.certificates', 'issuers', inventory=where ~ '/other.db')",
    "wrong": "query('certops.fleet.certificates', '[?')",
}


def test_answers(tmp_path: pathlib.Path) -> None:
    """Of kinds and expressions, from the inventory of the play or another one; text of others is never a template, and what is wrong is one sentence."""
    for name in ("inventory.db", "other.db"):
        with open_inventory(str(tmp_path / name), now=lambda: datetime.now(timezone.utc)) as inventory:
            inventory.append_event("test.event", subject=EVIL)
            for namespace in ("lab", "prod"):
                inventory.record_silent_host(HostName(namespace, f"{namespace}1"), reason="unreachable")
    tasks = [{"name": name, "ansible.builtin.debug": {"msg": f"{{{{ {text} }}}}"}, "ignore_errors": True} for name, text in QUESTIONS.items()]
    variables = {"where": str(tmp_path), "certops_inventory": "{{ where }}/inventory.db"}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(tmp_path)}
    environment |= {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_NOCOLOR": "1"}
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "play.yml"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    answers = [json.JSONDecoder().raw_decode(part.lstrip())[0] for part in done.stdout.split("=> ")[1:]]
    events, expression, one, another, wrong = (answer["msg"] for answer in answers)
    assert EVIL in events
    assert expression == ["lab1", "prod1", "lab", "prod"]
    assert one == "prod1"
    assert another == []
    assert "select '[?' is not possible: " in wrong
    assert not (tmp_path / "evil").exists()
