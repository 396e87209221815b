# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clauses that requirements stand on, what their sources bind, and which of them were read. Data alone.

A clause that was not read in its primary text is never told as binding.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

READ, RELATED, UNREAD = "read", "related", "unread"
NOT_VERIFIED = "not verified"


@dataclass(frozen=True, slots=True)
class Source:
    """Where clauses stand; C(binds) says whom, C(draft) that it may still change."""

    name: str
    binds: str
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; C(mark): read in the primary text, related by its topic alone, or not verified. C(demands): it binds those in its source's scope."""

    source: str
    number: str
    mark: str
    demands: bool = False

    @property
    def key(self) -> str:
        return f"{self.source} {self.number}"

    @property
    def verified(self) -> bool:
        return self.mark == READ

    @property
    def status(self) -> str:
        """C(binding) is only what was read and is no draft."""
        if SOURCES[self.source].draft:
            return "draft"
        return "binding" if self.demands and self.verified else "good_practice"

    def text(self) -> str:
        notes = {"draft": ["draft"], "binding": ["binding in its scope"], "good_practice": []}[self.status] + ([NOT_VERIFIED] if self.mark == UNREAD else [])
        return self.number + (f" ({', '.join(notes)})" if notes else "")


def told(keys: t.Iterable[str], marks: t.Collection[str]) -> str:
    """The clauses that have one of the marks, those of one source behind its name once."""
    clauses = [CLAUSES[key] for key in keys if CLAUSES[key].mark in marks]
    groups = itertools.groupby(clauses, key=lambda clause: clause.source)
    return "; ".join(f"{SOURCES[source].name} {', '.join(clause.text() for clause in group)}" for source, group in groups)


SOURCES: dict[str, Source] = {
    "BR": Source("CA/Browser Forum Baseline Requirements", "publicly trusted CAs; an internal CA follows it as good practice"),
    "PCI": Source("PCI DSS v4.0.1", "systems in its scope, and 3.6 and 3.7 only keys that protect stored data; good practice elsewhere"),
    "NCSC": Source("NCSC guidance", "nobody; good practice"),
    "ISO": Source("ISO/IEC 27001:2022 Annex A", "where the statement of applicability has the control"),
    "800-53": Source("NIST SP 800-53", "where it was adopted; good practice elsewhere"),
    "800-57": Source("NIST SP 800-57 Part 1 Revision 5", "where it was adopted; good practice elsewhere"),
    "1800-16B": Source("NIST SP 1800-16B", "nobody; good practice"),
    "8547": Source("NIST IR 8547", "nobody; a draft", draft=True),
    "RFC": Source("RFC", "software that speaks the protocol"),
}

_MARKED: tuple[tuple[str, str, bool, tuple[str, ...]], ...] = (
    (
        *("BR", READ, False),
        (
            *("1.6.1", "4.2.1", "4.9.1.1 (1)-(5)", "4.9.1.1 (6)-(16)", "4.9.1.2", "4.9.7", "4.9.9", "4.10.1", "5.2.2", "5.4.3"),
            *("5.7.1.2", "6.1.5", "6.1.6", "6.3.2", "7.1.3.2.1"),
        ),
    ),
    ("PCI", READ, True, ("4.2.1.1", "12.3.3")),
    ("PCI", READ, False, ("3.7.5",)),
    ("PCI", RELATED, False, ("3.6", "4.2.1", "6.5.1", "10.2-10.5", "12.1", "12.6", "12.10")),
    ("PCI", UNREAD, False, ("7.2.4",)),
    ("NCSC", READ, False, ("on private PKI principle 2",)),
    ("NCSC", RELATED, False, ("on private PKI", "on private PKI principle 3", "on the Web PKI", "on TLS")),
    ("NCSC", UNREAD, False, ("on the post-quantum timeline",)),
    (
        *("ISO", RELATED, False),
        (
            *("5.1", "5.2", "5.3", "5.9", "5.15", "5.18", "5.19-5.23", "5.24-5.26", "5.28", "5.29", "5.30", "5.33", "5.37", "6.3"),
            *("8.2", "8.12", "8.13", "8.14", "8.15", "8.24", "8.32"),
        ),
    ),
    (
        *("800-53", RELATED, False),
        (
            *("AC-2", "AC-5", "AC-6", "AT-3", "AU-2", "AU-9", "AU-10", "AU-11", "CM-3", "CM-8", "CP-2", "CP-9", "CP-10", "IA-5(2)", "IR-4", "PL-1"),
            *("PM-5", "SC-12", "SC-12(3)", "SC-13", "SC-17"),
        ),
    ),
    ("800-57", UNREAD, False, ("5.3.6", "Tables 2 and 4")),
    ("1800-16B", UNREAD, False, ("on inventories", "on ownership", "on mass replacement")),
    ("8547", UNREAD, False, ("on the transition",)),
    ("RFC", RELATED, False, ("5280", "6960", "9608")),
)
CLAUSES: t.Mapping[str, Clause] = {
    clause.key: clause
    for clause in itertools.chain.from_iterable((Clause(source, number, mark, demands) for number in numbers) for source, mark, demands, numbers in _MARKED)
}
