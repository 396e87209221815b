# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `inspect`: everything that the decision about declared certificates needs, in one look."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import baseline, staged
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.inspection import inspect
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock, no_change


def run(args: t.Dict[str, t.Any], context: Context) -> t.Dict[str, t.Any]:
    """Answer `inspect`; with `heal` open transactions are brought to an end and expired keys removed first, without it they are told."""
    if not args.get("heal"):
        with no_change(context.state):
            return inspect(args, context, baseline.services_here(args["services"]), staged.still_open(context))
    with host_lock(context.state):
        recovered = staged.heal(context) + staged.expire(context)
        return inspect(args, context, baseline.services_here(args["services"]), recovered)
