# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a host while a play runs: one line, and nothing of a host that is as it should be."""

from __future__ import annotations

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, printable
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import Certificate, Told

SHOWN = 3


def _some(texts: list[str]) -> str:
    shown = texts[:SHOWN] + ([f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else [])
    return "; ".join(shown)


def _why(certificate: Certificate) -> str:
    if not certificate.reasons:
        return ""
    others = len(certificate.reasons) - 1
    more = f", and {count(others, 'more reason')}" if others else ""
    return f" ({certificate.reasons[0]}{more})"


def certificate_text(certificate: Certificate, *, would: bool = False) -> str:
    """What was done, or would be, with one certificate, why, and what its services say."""
    text = f"{certificate.name} {'would be ' if would else ''}{certificate.done}{_why(certificate)}"
    if would:
        return text
    remark = certificate.text.partition("; ")[2]
    unverified = f"not verified: {certificate.unverified}" if certificate.unverified else ""
    return ", ".join(part for part in (text, *certificate.services, remark, unverified) if part)


def change_text(told: Told, *, would: bool = False) -> str:
    """What a result changed, or would change, on a host; an empty text when its certificates are as they were."""
    outcome = "pending" if would else "committed"
    changes = [certificate_text(certificate, would=would) for certificate in told.certificates if certificate.outcome == outcome]
    healed = [f"{'left open by an earlier run' if would else 'an earlier run was ended'}: {text}" for text in told.recovered]
    return printable(_some(changes + healed), 1000)
