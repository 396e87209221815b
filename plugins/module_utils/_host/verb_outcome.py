# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `outcome`: what became of a transaction whose answer was lost."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal, prepare


def run(args: t.Dict[str, t.Any], context: Context) -> t.Dict[str, t.Any]:
    """Wait until nobody works on the transaction any more, bring it to an end if its worker is gone, and answer its last result."""
    name = journal.check_transaction(args["transaction"])
    with prepare.changing(context):
        record = journal.load(context.state, name)
    if record is None:
        return {"known": False, "state": None, "result": None}
    return {"known": True, "state": record.state, "result": record.result(record.data["results"].get("last", ""))}
