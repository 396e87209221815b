# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at some paths after something was done to them, as a scan would have found them."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, scan

Answer = t.Dict[str, t.Any]


def what_lies_at(args: Answer, context: Context, found: t.Sequence[Answer]) -> Answer:
    """Look at the paths of `args` alone, and at what the services `found` name; the result is that of a scan of these paths."""
    looking = scan.Scan(scan.Options.from_args(args), mounts.read_mounts(), [context.state], run)
    looking.named(found, ())
    looking.walk()
    return dict(looking.answer(frozenset(args["known_bundles"])), services=found)
