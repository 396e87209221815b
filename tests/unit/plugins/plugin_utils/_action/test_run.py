# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all action plugins share: everything that can be refused is refused before a host is asked."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.utils.display import Display

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action

SPEC: dict[str, t.Any] = {"services": {"type": "list", "elements": "dict"}, "issuers": {"type": "list", "elements": "dict", "no_log": True}}


def _template(value: t.Any) -> t.Any:
    """Stands for a templar; a text in braces is a variable that is not set."""
    if isinstance(value, str) and value.startswith("{{"):
        raise AnsibleError("'nowhere' is undefined. 'nowhere' is undefined")
    return value


def _run(variables: dict[str, t.Any], work: t.Callable[[Task], dict[str, t.Any]] | None = None) -> dict[str, t.Any]:
    task = types.SimpleNamespace(args={}, delegate_to=None, check_mode=False, diff=False)
    action = types.SimpleNamespace(_task=task, _templar=types.SimpleNamespace(template=_template))
    return run_action(action, variables, SPEC, work or (lambda _task: pytest.fail("a host was asked")))


def test_a_misspelled_variable_is_a_warning() -> None:
    """Behind those of the task itself."""
    result = _run({"certops_inventry": "x", "certops_services": []}, lambda _task: {"changed": False, "warnings": ["own"]})
    assert result["warnings"][0] == "own"
    assert [text.partition(" is not known")[0] for text in result["warnings"][1:]] == ["the variable 'certops_inventry'"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"certops_serial": "lots"}, "certops_serial must be a number of hosts such as 5"),
        ({"certops_services": [{"name": "x", "unitt": "y"}]}, "certops_services[0].unitt is not known, accepted are name, "),
        ({"certops_services": {"nginx": {}}}, "certops_services must be a list of dictionaries, got {'nginx': {}}"),
        ({"certops_issuers": "secret"}, "certops_issuers must be a list of dictionaries, got a value of the type str"),
        ({"certops_issuers": "{{ nowhere }}"}, "certops_issuers cannot be used: 'nowhere' is undefined"),
    ],
)
def test_a_variable_that_cannot_be_used(variables: dict[str, t.Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and no host is asked; a misspelled one is told beside it."""
    told: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _display, text: told.append(text))
    with pytest.raises(AnsibleActionFail) as error:
        _run({**variables, "certops_issuer": "x"})
    assert [text.partition(" is not known")[0] for text in told] == ["the variable 'certops_issuer'"]
    assert str(error.value).startswith(message)
    assert str(error.value).count("undefined") <= 1


def test_what_the_work_refuses_becomes_the_message() -> None:
    """Without the text of its cause."""

    def work(_task: Task) -> dict[str, t.Any]:
        raise ValueError("one sentence") from KeyError("cause")

    with pytest.raises(AnsibleActionFail) as error:
        _run({}, work)
    assert (str(error.value), error.value.__cause__) == ("one sentence", None)
