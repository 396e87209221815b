# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy and standard as papers: headings, paragraphs, requirements and tables that any format can show. Pure.

Both hold settings and approved issuers and no date, so that they change only when what they say does.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import Window, effective_window
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES, Profile
from ansible_collections.certops.fleet.plugins.plugin_utils._report.clauses import CLAUSES, NOT_VERIFIED, READ, RELATED, SOURCES, UNREAD, told
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Document, certificate_facts
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import POLICY, STANDARD, Requirement, Settings, key_text, values_of

Cell = str | tuple[str, ...]  # one line, or several
NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    kind: str = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Stated:
    """A requirement as a paper has it: C(notes) are label and text."""

    number: str
    sentence: str
    notes: tuple[tuple[str, str], ...]
    kind: str = "stated"


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: str = "table"


Block = Heading | Paragraph | Stated | Table


@dataclass(frozen=True, slots=True)
class Paper:
    """One document. C(name) is that of its files, C(facts) are label and text below the title."""

    name: str
    title: str
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


NAMES = {"policy": "Certificate management policy", "standard": "Certificate and key security standard", "register": "Certificate register"}

# CA/B Forum BR sections 6.3.2 and 4.2.1: issued from, before, validity, reuse of a validation.
PUBLIC_LIFETIMES = (
    ("", "2026-03-15", "398 days", "398 days"),
    ("2026-03-15", "2027-03-15", "200 days", "200 days"),
    ("2027-03-15", "2029-03-15", "100 days", "100 days"),
    ("2029-03-15", "", "47 days", "10 days"),
)


def facts_of(settings: Settings) -> tuple[tuple[str, str], ...]:
    texts = (("Organisation", settings.organisation), ("Owner", settings.policy_owner), ("Contact", settings.contact))
    return tuple((label, text.strip() or NOT_SET) for label, text in texts)


def stated(requirement: Requirement, values: t.Mapping[str, str]) -> Stated:
    notes = (
        ("Clauses", told(requirement.clauses, (READ, UNREAD))),
        ("Related controls", told(requirement.clauses, (RELATED,))),
        ("Kept by", requirement.kept),
    )
    return Stated(requirement.number, requirement.filled(values), tuple((label, text) for label, text in notes if text))


def _demands(requirements: t.Iterable[Requirement], values: t.Mapping[str, str]) -> t.Iterator[Block]:
    """The requirements under the headings of their sections."""
    for section, group in itertools.groupby(requirements, key=lambda requirement: requirement.section):
        yield Heading(section)
        yield from (stated(requirement, values) for requirement in group)


def _sources(requirements: t.Sequence[Requirement]) -> tuple[Block, ...]:
    """What the clauses are worth, for those that these requirements name."""
    used = dict.fromkeys(CLAUSES[key].source for requirement in requirements for key in requirement.clauses)
    rows = tuple((SOURCES[name].name, SOURCES[name].binds) for name in SOURCES if name in used)
    unread = f'A clause with "{NOT_VERIFIED}" was not read in its primary text: check it before you name it as binding.'
    related = "A related control is named for its topic alone; what it demands is not quoted here."
    return Heading("Sources"), Paragraph(f"{unread} {related}"), Table(("Source", "Whom it binds"), rows)


def _issuer_row(issuer: Document) -> tuple[Cell, ...]:
    certificate = issuer.get("certificate")
    facts = certificate_facts(certificate or {})
    ends = _day((certificate or {}).get("not_after"))
    return str(issuer.get("name")), str(issuer.get("kind")), facts["name"], facts["key"] if certificate else "", ends, str(issuer.get("sha256") or "")


def _day(time: str | None) -> str:
    """The day of a time in community.crypto's format."""
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}" if time else ""


def _issuers(issuers: t.Iterable[Document]) -> tuple[Block, ...]:
    rows = tuple(map(_issuer_row, issuers))
    if not rows:
        return (Paragraph("The inventory knows no issuer yet: they are entered by the first certificate that they issue."),)
    return (Table(("Name", "Kind", "CA", "Key", "Ends", "SHA-256"), rows),)


def _profile_row(profile: Profile) -> tuple[Cell, ...]:
    days = effective_window(Window(percent=profile.renew_percent), profile.lifetime)[0].total_seconds() / 86400
    renewed = f"{profile.renew_percent:g} % of the lifetime before its end ({days:.1f} days)"
    usages = tuple(profile.extended_key_usage_texts)
    return profile.name, usages, profile.keys_text(), key_text(*profile.default_key), f"{profile.lifetime.days} days", renewed


def policy(settings: Settings, issuers: t.Iterable[Document]) -> Paper:
    """Who must do what: the certificate management policy."""
    scope = "It holds for every X.509 certificate of servers, services and their clients on the hosts of the fleet, and for whoever has to do with one."
    blocks = (
        Heading("Purpose and scope"),
        Paragraph(f"This policy says how certificates are known, issued, renewed, revoked and accounted for, so that none ends unseen. {scope}"),
        Paragraph(f"What keys and certificates must be like stands in the {NAMES['standard'].lower()}, what there is in the {NAMES['register'].lower()}."),
        *_demands(POLICY, values_of(settings)),
        Heading("Approved issuers"),
        *_issuers(issuers),
        *_sources(POLICY),
    )
    return Paper("policy", NAMES["policy"], facts_of(settings), blocks)


def standard(settings: Settings) -> Paper:
    """What must be like what: the certificate and key security standard."""
    heads = ("Profile", "Extended key usages", "Keys", "Key where none is declared", "Valid for", "Renewed")
    public = tuple((start or "-", end or "-", validity, reuse) for start, end, validity, reuse in PUBLIC_LIFETIMES)
    blocks = (
        Heading("Purpose and scope"),
        Paragraph(
            f"This standard says what keys and certificates of the fleet must be like. It serves the {NAMES['policy'].lower()} and holds where that holds."
        ),
        *_demands(STANDARD, values_of(settings)),
        Heading("Profiles"),
        Table(heads, tuple(map(_profile_row, PROFILES.values()))),
        Heading("Lifetimes of publicly trusted certificates"),
        Paragraph(f"From {told(('BR 6.3.2', 'BR 4.2.1'), (READ,))}. An internal CA is not bound by them."),
        Table(("Issued from", "before", "Valid for at most", "Validation reused for at most"), public),
        *_sources(STANDARD),
    )
    return Paper("standard", NAMES["standard"], facts_of(settings), blocks)
