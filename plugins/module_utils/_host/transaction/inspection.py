# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the decision about declared certificates needs, in one look."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.text import base64_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import baseline, declared, found, installed, owners, staged
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.resolve import resolve

Answer = t.Dict[str, t.Any]


def inspect(args: Answer, context: Context, services: t.Sequence[Answer], recovered: t.List[Answer]) -> Answer:
    """Return what there is of the declared certificates; `services` are those of this host, `recovered` was open and has been brought to an end, or is told."""
    resolved = [resolve(each, services) for each in args["certificates"]]
    certificates = [dict(_certificate(declared.from_args(each), services, bool(args["look"]), context), declared=each) for each in resolved]
    return {"certificates": certificates, "recovered": recovered}


def _certificate(declaration: Declared, services: t.Sequence[Answer], look: bool, context: Context) -> Answer:
    there = found.look_at(declaration)
    watched, absent = baseline.watched(declaration, services)
    record = installed.installed(context.state, declaration.name)
    return {
        "name": declaration.name,
        "files": [found.file_result(file) for file in there.files],
        "certificate": None if there.leaf is None else base64_text(there.leaf),
        "chain": [base64_text(one) for one in there.chain],
        "key": found.key_result(there),
        "pair": there.pair,
        "services": [_service(declaration, item, there, look) for item in watched],
        "problems": absent,
        "owned_by": owners.owner_of([role.path for role in declaration.roles], record is not None),
        "contested": _contested(there, record),
        "installed": record,
        "staged": staged.staged_for(context.state, declaration.name, context.now()),
    }


def _service(declaration: Declared, item: baseline.Watched, there: Found, look: bool) -> Answer:
    kinds = baseline.key_types(there.key_type)
    # Another process may listen in the place of a service that does not run: nothing is done about it, but it is told.
    served = baseline.served(declaration, dict(item, active=True), kinds, times=1) if look else []
    return dict(item["service"], uses=item["uses"], active=item["active"], served=served)


def _contested(there: Found, installed: t.Optional[Answer]) -> t.Optional[str]:
    """Say that somebody else put something in place since our last transaction."""
    if installed is None:
        return None
    if there.sha256 is not None and there.sha256 != installed["sha256"]:
        return f"the certificate is not the one that transaction {installed['transaction']} put there"
    if there.key is not None and there.key.spki is not None and there.key.spki != installed["spki"]:
        return f"the private key is not the one that transaction {installed['transaction']} put there"
    return None
