# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run as lines: a table, the hosts that a person should look at, and one sentence."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._display.tally import Figures
from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, fitted, padded, width

LONGEST_NAME = 40


class Line(t.NamedTuple):
    """A line and how it is meant: as C(plain), C(ok), C(changed), C(warning) or C(bad)."""

    text: str
    tone: str = "plain"


def _row(label: str, number: int, details: list[tuple[int, str]], always: tuple[str, ...]) -> Line:
    told = ", ".join(f"{figure:,} {word}" for figure, word in details if figure or word in always)
    return Line(f"  {label:<12} {number:>7,}   {told}")


def _certificate_rows(figures: Figures) -> list[Line]:
    would = "would be " if figures.check else ""
    details = [
        (figures.kept(lambda kept: kept.due), "due"),
        (figures.kept(lambda kept: "rotated" in kept.done), f"{would}rotated"),
        (figures.kept(lambda kept: "reloaded" in kept.done), f"{would}reloaded"),
        (figures.kept(lambda kept: "mended" in kept.done), f"{would}mended"),
        (figures.kept(lambda kept: kept.outcome == "failed"), "refused"),
        (figures.kept(lambda kept: kept.outcome == "undone"), "put back"),
        (figures.kept(lambda kept: kept.outcome == "unknown"), "unknown"),
        (figures.kept(lambda kept: kept.unverified), "not verified"),
    ]
    always = ("due", f"{would}rotated", f"{would}reloaded", "refused", "not verified")
    return [_row("certificates", len(figures.certificates), details, always)] if figures.certificates else []


def _scan_rows(figures: Figures) -> list[Line]:
    if not figures.scans:
        return []
    complete = sum(scan.complete for scan in figures.scans)
    found = sum(scan.certificates for scan in figures.scans)
    problems = sum(scan.problems for scan in figures.scans)
    details = [(complete, "scanned completely"), (found, "certificates found"), (problems, "problems told")]
    return [_row("discovery", len(figures.scans), details, tuple(word for _number, word in details))]


def _table(figures: Figures) -> list[Line]:
    details = [(figures.ok, "ok"), (figures.changed, "changed"), (figures.failed, "failed"), (figures.unreachable, "unreachable")]
    return [_row("hosts", figures.hosts, details, tuple(word for _number, word in details)), *_certificate_rows(figures), *_scan_rows(figures)]


def _attention(figures: Figures, most: int) -> list[Line]:
    """One line a host, C(most) of them at most; the rest is counted."""
    shown, hidden = figures.attention[:most], figures.attention[most:]
    if not figures.attention:
        return []
    column = min(max((width(one.host) for one in shown), default=0), LONGEST_NAME)
    lines = [Line(f"  {padded(fitted(one.host, column), column)}  {one.text}", "bad" if one.urgency < 3 else "warning") for one in shown]
    more = [Line(f"  and {count(len(hidden), 'more host')}, see the report", "warning")] if hidden else []
    return [Line(""), Line("Needs attention:"), *lines, *more]


def _done(figures: Figures) -> str:
    """What the run did, in a sentence without its end."""
    rotated = figures.kept(lambda kept: "rotated" in kept.done)
    other = figures.kept(lambda kept: kept.done and "rotated" not in kept.done)
    due = figures.kept(lambda kept: kept.due)
    would = "would be" if figures.check else None
    if rotated or other:
        parts = [f"{count(number, 'certificate')} {would or _was(number)} {verb}" for number, verb in ((rotated, "rotated"), (other, "mended")) if number]
        return " and ".join(parts)
    if figures.changed:
        return f"{count(figures.changed, 'host')} {would or _was(figures.changed)} changed"
    if due:
        return f"{count(due, 'certificate')} {'is' if due == 1 else 'are'} due, nothing was changed"
    if figures.certificates:
        return "Nothing was due, nothing was changed"
    if figures.scans:
        return f"{count(len(figures.scans), 'host')} {_was(len(figures.scans))} scanned, nothing was changed"
    return "Nothing was changed"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _last(figures: Figures) -> Line:
    number = len(figures.attention)
    if not figures.ended:
        return Line(f"The run did not get to its end. {_done(figures)} until then; what was under way shows when it is run again.", "bad")
    if number:
        text = f"{_done(figures)}; {number} of {count(max(figures.hosts, number), 'host')} {'needs' if number == 1 else 'need'} attention."
        return Line(text, "bad" if figures.attention[0].urgency < 3 else "warning")
    changed = figures.changed or figures.kept(lambda kept: kept.done)
    return Line(f"{_done(figures)}; no host needs attention.", "changed" if changed else "ok")


def summary(figures: Figures, *, most: int) -> list[Line]:
    """All of it; at most C(most) hosts are named."""
    return [*_table(figures), *_attention(figures, most), Line(""), _last(figures)]
