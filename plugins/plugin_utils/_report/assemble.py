# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report and its papers, read from the inventory in one pass."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report, build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import NAMES, Cell, Paper, policy, standard
from ansible_collections.certops.fleet.plugins.plugin_utils._report.register import Certificates, open_keys, register, subjects
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import Settings


def assembled(inventory: Inventory, settings: Settings, now: datetime, measured: tuple[tuple[Cell, ...], ...] = ()) -> tuple[Report, tuple[Paper, ...]]:
    """What is written for an inventory. Raises ReportSettingsError or FuseError for settings that cannot be read, before the inventory is."""
    demanded = standard(settings)
    issuers = tuple(inventory.documents("issuers"))
    certificates = Certificates(subjects(issuers))
    passing = certificates.passing(inventory.documents("certificates"))
    served = (endpoint for endpoint in inventory.documents("endpoints") if endpoint["sha256"])
    places = itertools.chain(inventory.documents("places"), served)
    report = build_report(inventory.documents("hosts"), passing, places, now, inventory.documents("services"), chains=inventory.chains())
    held = register(settings, report, certificates, open_keys(inventory.documents("keys")), measured)
    return dataclasses.replace(report, documents=tuple(NAMES.items())), (policy(settings, issuers), demanded, held)
