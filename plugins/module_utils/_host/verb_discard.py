# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `discard`: remove staged keys that will not be used."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal, prepare


def run(args: t.Dict[str, t.Any], context: Context) -> t.Dict[str, t.Any]:
    """Remove what these transactions staged; one that is not known, or done with, is passed over."""
    discarded = []
    with prepare.changing(context):
        for name in args["transactions"]:
            record = journal.load(context.state, journal.check_transaction(name))
            if record is not None and record.has(journal.KEY):
                journal.remove_material(record)
                discarded.append(name)
    return {"discarded": discarded}
