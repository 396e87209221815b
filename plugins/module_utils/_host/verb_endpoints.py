# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `endpoints`: what listeners show to this host. Nothing is written, and nothing that is shown is verified here."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context


def run(args: t.Dict[str, t.Any], _context: Context) -> t.Dict[str, t.Any]:
    """args: probes [[host, port, name, starttls]] and settings, as engine.py has them. Result: that of engine.look_at."""
    # asyncio and ssl take 80 ms that no other verb needs to pay, where all of them are in one module.
    from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Probe, Settings, look_at  # noqa: PLC0415

    settings = dict(args["settings"], alpn=tuple(args["settings"]["alpn"]))
    return look_at([Probe(*item) for item in args["probes"]], Settings(**settings))
