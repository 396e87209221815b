# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.announce import announced
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import host_variables, shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.authority import ISSUING, ROOT, certificate_facts
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import Outcome, ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import register
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issuers import embedded_settings, parse_issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import KEY_TYPES, checked_passphrase
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import IssuerSettings
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import AuthoritySettings, authority_settings

ARGUMENT_SPEC: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present"], "default": "present"},
    "name": {"type": "str"},
    "directory": {"type": "path"},
    "passphrase": {"type": "str", "no_log": True},
    "common_name": {"type": "str", "default": "Internal"},
    "organization": {"type": "str"},
    "root_key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa_p384", "no_log": False},
    "issuing_key_type": {"type": "str", "choices": list(KEY_TYPES), "default": "ecdsa_p384", "no_log": False},
    "root_lifetime_days": {"type": "int", "default": 7300},
    "issuing_lifetime_days": {"type": "int", "default": 1825},
    "permitted_names": {"type": "list", "elements": "str", "default": []},
    "excluded_names": {"type": "list", "elements": "str", "default": []},
    "crl_urls": {"type": "list", "elements": "str", "default": []},
    "aia_urls": {"type": "list", "elements": "str", "default": []},
    "ocsp_urls": {"type": "list", "elements": "str", "default": []},
    "root_crl_urls": {"type": "list", "elements": "str", "default": []},
    "root_aia_urls": {"type": "list", "elements": "str", "default": []},
    "root_ocsp_urls": {"type": "list", "elements": "str", "default": []},
    "inventory": {"type": "str"},
}


def _issuer(task: Task) -> IssuerSettings:
    """The declared issuer, with what the task says of it."""
    variables = host_variables(task.action, task.variables)
    declared = parse_issuers(shared_variable(task.action, variables, "certops_issuers"), environ=os.environ)
    settings = embedded_settings(declared, name=task.args["name"], environ=os.environ)
    passphrase = task.args["passphrase"]
    return replace(
        settings,
        directory=os.path.normpath(task.args["directory"] or settings.directory),
        passphrase=checked_passphrase(passphrase or settings.passphrase),
    )


def _result(task: Task, issuer: EmbeddedIssuer, outcome: Outcome, registered: bool) -> dict[str, t.Any]:
    status = None if outcome.authority.issuing is None else issuer.status(now())
    result: dict[str, t.Any] = {
        "changed": bool(outcome.actions) or registered,
        "name": issuer.name,
        "directory": outcome.authority.directory,
        "actions": list(outcome.actions),
        "differences": list(outcome.differences),
        "root_path": outcome.authority.path(ROOT),
        "issuing_path": outcome.authority.path(ISSUING),
        "root": certificate_facts(outcome.authority.root),
        "issuing": certificate_facts(outcome.authority.issuing),
        "warnings": [*outcome.differences, *([status.reason] if status and status.reason else [])],
    }
    if task.diff:
        result["diff"] = {"before": outcome.before, "after": outcome.after, "before_header": issuer.name, "after_header": issuer.name}
    return result


def _made(inventory: Inventory, name: str, settings: AuthoritySettings, passphrase: bytes) -> Outcome:
    would = ensure_authority(settings, passphrase, now=now(), check=True)
    if not would.actions:
        return would
    with announced(inventory, "ca.change", subject=name, directory=settings.directory, actions=list(would.actions)):
        outcome = ensure_authority(settings, passphrase, now=now())
    made = {role: (certificate_facts(found) or {}).get("sha256") for role, found in (("root", outcome.authority.root), ("issuing", outcome.authority.issuing))}
    inventory.append_event("ca.change_ended", subject=name, detail={"directory": settings.directory, **made})
    return outcome


def ca(task: Task) -> dict[str, t.Any]:
    """The CA on disk first, then its certificates in the inventory; nothing is made when the inventory cannot be written."""
    issuer = _issuer(task)
    settings = authority_settings(task.args, issuer.directory)
    passphrase = checked_passphrase(issuer.passphrase)
    if task.check_mode:
        return _result(task, EmbeddedIssuer(issuer), ensure_authority(settings, passphrase, now=now(), check=True), registered=False)
    with task.inventory() as inventory:
        inventory.check_writable()
        outcome = _made(inventory, issuer.name, settings, passphrase)
        provider = EmbeddedIssuer(issuer)
        return _result(task, provider, outcome, register(provider, inventory))


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.ca)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, ca)}
