# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate register as of a day: what the fleet measures of the requirements, and every certificate in use or installed. Pure."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, WARNING_DAYS
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import CURVES, PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Document, Report, Row, certificate_facts
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import NAMES, Block, Cell, Heading, Paper, Paragraph, Table, facts_of
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import Settings
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import TIME_FORMAT

LISTED = 10_000  # certificates
FEW = 5  # names and places of each
LONG = 200  # characters of each
UNKNOWN = "unknown"
WEAK_HASHES = ("sha1", "md5", "md2")
_KINDS = {"RSA": "rsa", "ECC": "ec", "Ed25519": "ed25519"}
_LONGEST = max(profile.lifetime for profile in PROFILES.values())
Name = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Certificates:
    """What the register needs of the certificates while they pass: counts of all in use or installed, and those that end first.

    C(approved) are the subjects of approved issuers.
    """

    approved: frozenset[Name] = frozenset()
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    _rows: list[tuple[t.Any, tuple[Cell, ...]]] = field(default_factory=list)
    _last: t.Any = None  # the key behind which nothing is listed

    def passing(self, certificates: t.Iterable[Document]) -> t.Iterator[Document]:
        """The same documents, each of them counted."""
        for certificate in certificates:
            places = [place for place in certificate.get("places") or () if place.get("gone_at") is None and place.get("class") in ALARMED]
            if places:
                self._add(certificate, places)
            yield certificate

    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """Those that end first, at most LISTED."""
        self._rows.sort(key=lambda row: t.cast("tuple[str, ...]", row[0]))
        del self._rows[LISTED:]
        self._last = self._rows[-1][0] if len(self._rows) == LISTED else None
        return tuple(cells for _key, cells in self._rows)

    def _add(self, certificate: Document, places: t.Sequence[Document]) -> None:
        facts, owner = certificate_facts(certificate), certificate.get("owner")
        self.counts.update(name for name, holds in _counted(certificate, self.approved, owner).items() if holds)
        days = certificate.get("days_remaining")
        key = (days is None, days or 0, str(facts["name"]), certificate["sha256"])
        if self._last is None or key < self._last:
            self._rows.append((key, _cells(certificate, facts, places, owner or UNKNOWN)))
        if len(self._rows) > 2 * LISTED:
            self.rows()


def subjects(issuers: t.Iterable[Document]) -> frozenset[Name]:
    """The subjects of the approved issuers."""
    return frozenset(_name(issuer["certificate"].get("subject_ordered")) for issuer in issuers if issuer.get("certificate")) - {()}


def open_keys(keys: t.Iterable[Document]) -> int:
    """How many private keys every account of their host can read."""
    return sum(bool(key.get("everyone")) and key.get("gone_at") is None for key in keys)


def _name(pairs: t.Sequence[t.Sequence[str]] | None) -> Name:
    return tuple((str(key), str(value)) for key, value in pairs or ())


def _counted(certificate: Document, approved: frozenset[Name], owner: str | None) -> dict[str, bool]:
    issuer, subject = _name(certificate.get("issuer_ordered")), _name(certificate.get("subject_ordered"))
    return {
        "all": True,
        "unread": certificate.get("status") is None,
        "expired": certificate.get("status") == "expired",
        "warning": certificate.get("status") == "warning",
        "ownerless": owner is None,
        "foreign": issuer not in approved and subject not in approved,
        "weak": _has_weak_key(certificate),
        "long": _lasts_too_long(certificate),
        # A root is trusted for itself and not for its signature.
        "hash": issuer != subject and any(name in str(certificate.get("signature_algorithm")).lower() for name in WEAK_HASHES),
    }


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=timezone.utc) if text else None
    except ValueError:  # it may claim any time
        return None


def _has_weak_key(certificate: Document) -> bool:
    """Whether no profile allows its key; one that could not be read is not called weak."""
    kind, data = str(certificate.get("public_key_type") or ""), certificate.get("public_key_data") or {}
    if not kind:
        return False
    if kind == "ECC" and data.get("curve") not in CURVES:
        return True
    size = data.get("size") or data.get("exponent_size")
    return not any(profile.allows_key(_KINDS.get(kind, kind), size) for profile in PROFILES.values())


def _lasts_too_long(certificate: Document) -> bool:
    start, end = _time(certificate.get("not_before")), _time(certificate.get("not_after"))
    if start is None or end is None or "CA:TRUE" in (certificate.get("basic_constraints") or ()):
        return False
    return end - start >= _LONGEST + timedelta(days=1)


def _few(texts: t.Sequence[str]) -> tuple[str, ...]:
    """Some of them, none too long, and how many more there are."""
    some = tuple(text if len(text) <= LONG else f"{text[:LONG]}\u2026" for text in texts[:FEW])
    return some if len(texts) <= FEW else (*some, f"and {len(texts) - FEW} more")


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d}" if time else UNKNOWN


def _cells(certificate: Document, facts: Row, places: t.Sequence[Document], owner: str) -> tuple[Cell, ...]:
    own = [facts["name"]] if facts["name"] not in [name.partition(":")[2] for name in facts["names"]] else []
    start, end = (_day(_time(certificate.get(name))) for name in ("not_before", "not_after"))
    return (
        str(certificate.get("status") or UNKNOWN),
        _few([*own, *facts["names"]]),
        (f"from {start}", f"until {end}", *_few([facts["problem"]] if facts["problem"] else [])),
        _few([facts["issuer"], facts["key"], str(certificate.get("signature_algorithm") or "")]),
        _few([f"{place.get('host')} {place.get('path')}" for place in places]),
        _few(sorted({str(service) for place in places for service in place.get("services") or ()})),
        owner,
        (f"serial {facts['serial']}", f"SHA-256 {certificate['sha256']}"),
        str(certificate.get("first_seen") or "")[:10],
    )


def _measures(report: Report, counts: t.Mapping[str, int], open_keys: int) -> tuple[tuple[Cell, ...], ...]:
    """Requirement, what is measured, and how much of it there is."""
    figures, total = report.figures, counts["all"]
    silent = sum(bool(host["reason"]) for host in report.hosts)
    return (
        ("CMP-1", "certificates in use or installed", str(total)),
        ("CMP-1", "of them with an end that could not be read", str(counts["unread"])),
        ("CMP-1", "stores that could not be opened", str(figures.get("locked", 0))),
        ("CMP-2", "hosts scanned completely", f"{figures['hosts_complete']} of {figures['hosts_known']}"),
        ("CMP-2", "hosts that gave nothing, or were never scanned as a whole", str(silent)),
        ("CMP-3", "certificates whose owner is unknown", f"{counts['ownerless']} of {total}"),
        ("CMP-4", "certificates of other issuers than the approved ones, by the issuer's name", f"{counts['foreign']} of {total}"),
        ("CMP-5", "certificates that have expired", str(counts["expired"])),
        ("CMP-5", f"certificates that end within {WARNING_DAYS} days", str(counts["warning"])),
        ("CMP-15", "listeners that serve another certificate than their files hold", str(figures.get("not_loaded", 0))),
        ("CKS-1", "certificates with a key that no profile allows", str(counts["weak"])),
        ("CKS-6", "private keys that every account of their host can read", str(open_keys)),
        ("CKS-10", f"certificates that are valid for more than {_LONGEST.days} days, CAs left out", str(counts["long"])),
        ("CKS-12", "certificates signed with SHA-1 or MD5, roots left out", str(counts["hash"])),
    )


def _list(certificates: Certificates) -> t.Iterator[Block]:
    total = certificates.counts["all"]
    if not total:
        yield Paragraph("The inventory holds no certificate that is in use or installed.")
        return
    heads = ("State", "Names", "Valid", "Issuer, key, signature", "Places", "Services", "Owner", "Identity", "First seen")
    yield Table(heads, certificates.rows())
    if total > LISTED:
        yield Paragraph(f"These are the {LISTED} that end first; {total - LISTED} more stand in places.csv beside this document.")


def register(settings: Settings, report: Report, certificates: Certificates, open_keys: int = 0, measured: tuple[tuple[Cell, ...], ...] = ()) -> Paper:
    """The certificate register as of the day of the report; C(measured) is what somebody else has measured."""
    day = report.generated[:10]
    scope = "It lists each certificate that is in use or installed once; trust stores, backups and other copies are in places.csv beside this document."
    blocks = (
        Paragraph(f"As of {day}: what the inventory held when this report was written. {scope}"),
        Paragraph("Approvers, business applications and applicable regulations are not in it."),
        Heading("Measured"),
        Table(("Requirement", "Measure", "Value"), (*_measures(report, certificates.counts, open_keys), *measured)),
        Heading("Certificates"),
        *_list(certificates),
    )
    return Paper("register", NAMES["register"], (("As of", f"{day} (UTC)"), *facts_of(settings)), blocks)
