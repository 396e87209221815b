# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of the policy and of the standard, as one table. Numbers are never given to another requirement.

A sentence has the names of settings in braces; C(values_of) says what they are, from the tables that the collection itself goes by.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.fuse import limit_words
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import CLOCK_TOLERANCE
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import WARNING_DAYS
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import KEY_TYPES, MIN_PASSPHRASE
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.lint import MAX_SERIAL, MIN_SERIAL
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES, RSA_EXPONENT, Profile

PEOPLE = "people; the collection does not see it"


class ReportSettingsError(ValueError):
    """A setting that the documents cannot name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator says: who the documents are of, and what differs from the defaults."""

    organisation: str = ""
    policy_owner: str = ""
    contact: str = ""
    max_due: str = ""
    cache_days: int = 7


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand; C(clauses) are keys of CLAUSES, C(kept) says by what it is kept."""

    number: str
    section: str
    sentence: str
    clauses: tuple[str, ...]
    kept: str

    def filled(self, values: t.Mapping[str, str]) -> str:
        return self.sentence.format_map(values)


def _each(values: t.Iterable[t.Any]) -> str:
    """The different values of the profiles: one, or all of them."""
    return " or ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(set(values)))


def key_text(kind: str, bits: int) -> str:
    return {"ec": f"EC of {bits} bits", "rsa": f"RSA of {bits} bits"}.get(kind, "Ed25519")


def values_of(settings: Settings, profiles: t.Collection[Profile] = tuple(PROFILES.values())) -> dict[str, str]:
    """What stands in the sentences. Raises FuseError or ReportSettingsError for what cannot be read."""
    if settings.cache_days < 0:
        raise ReportSettingsError(f"cache_days must be a number of days, or 0 for none, got {settings.cache_days!r}")
    cached = f"What a file held may be remembered for {settings.cache_days} days, after which it is read again"
    return {
        "profiles": ", ".join(profile.name for profile in profiles),
        "keys": _each(profile.keys_text() for profile in profiles),
        "default_key": _each(key_text(*profile.default_key) for profile in profiles),
        "lifetime": str(max(profile.lifetime.days for profile in profiles)),
        "renew_percent": _each(float(profile.renew_percent) for profile in profiles),
        "max_names": str(max(profile.max_names for profile in profiles)),
        "wildcards": ", ".join(profile.name for profile in profiles if profile.wildcards) or "none of the profiles",
        "exponent": str(RSA_EXPONENT),
        "ca_keys": ", ".join(KEY_TYPES),
        "passphrase": str(MIN_PASSPHRASE),
        "serial_low": str(MIN_SERIAL.bit_length()),
        "serial_high": str(MAX_SERIAL.bit_length()),
        "warning_days": str(WARNING_DAYS),
        "clock_minutes": f"{CLOCK_TOLERANCE.total_seconds() / 60:g}",
        "max_due": limit_words(settings.max_due),
        "cache": cached if settings.cache_days else "Every file is read in every scan",
    }


POLICY: tuple[Requirement, ...] = (
    Requirement(
        "CMP-1",
        "Inventory",
        "Every certificate that a host holds or a listener shows is in the inventory, with its place, names, serial, issuer, key, algorithms and end.",
        ("PCI 4.2.1.1", "1800-16B on inventories", "800-53 CM-8", "800-53 PM-5", "ISO 5.9"),
        "certops.fleet.discover and certops.fleet.scan_endpoints; the certificate register",
    ),
    Requirement(
        "CMP-2",
        "Inventory",
        "Every host is scanned completely; one that was not, or gave nothing, is named with the reason, and somebody follows it up. {cache}.",
        ("PCI 4.2.1.1", "800-53 CM-8", "ISO 5.9"),
        "certops.fleet.discover; the hosts of the report",
    ),
    Requirement(
        "CMP-3",
        "Inventory",
        "Every certificate has an owner, who is a group and not a person, and a contact. One without an owner is a finding.",
        ("PCI 4.2.1.1", "1800-16B on ownership", "NCSC on private PKI principle 3", "800-53 AC-2", "ISO 5.2", "ISO 5.9"),
        "people; the certificate register counts those whose owner is unknown",
    ),
    Requirement(
        "CMP-4",
        "Issuing",
        "Certificates come from the approved issuers of this policy alone, under one of the profiles {profiles}. One of another issuer is a finding.",
        ("NCSC on private PKI", "PCI 4.2.1", "800-53 SC-17", "ISO 5.19-5.23", "ISO 8.24"),
        "certops_issuers; the certificate register counts those of other issuers",
    ),
    Requirement(
        "CMP-5",
        "Issuing",
        "Certificates are renewed by automation when {renew_percent} % of their lifetime are left. What ends within {warning_days} days is shown as a warning.",
        ("PCI 4.2.1", "NCSC on the Web PKI", "800-53 SC-12", "800-53 SC-17", "ISO 8.24"),
        "certops.fleet.rotate; the figures of the report",
    ),
    Requirement(
        "CMP-6",
        "Issuing",
        "A run in which more certificates are due than {max_due} renews nothing until somebody has decided that it is meant.",
        ("800-53 CM-3", "ISO 8.32", "PCI 6.5.1"),
        "the fuse of certops.fleet.rotate, certificate_max_due",
    ),
    Requirement(
        "CMP-7",
        "Roles",
        "Who requests a certificate does not approve it; to submit, to approve and to implement are three rights, and the auditor has none of them.",
        ("NCSC on private PKI", "800-53 AC-5", "800-53 AC-6", "ISO 5.3", "ISO 5.15"),
        PEOPLE,
    ),
    Requirement(
        "CMP-8",
        "Roles",
        "Who may use the keys of a CA, the inventory and the automation is reviewed every 6 months.",
        ("PCI 7.2.4", "800-53 AC-2", "ISO 5.18", "ISO 8.2"),
        PEOPLE,
    ),
    Requirement(
        "CMP-9",
        "Roles",
        "To make, move, restore or destroy the key of a CA needs two persons.",
        ("BR 5.2.2", "800-53 AC-5", "ISO 5.3"),
        PEOPLE,
    ),
    Requirement(
        "CMP-10",
        "Roles",
        "A key is replaced when somebody who had access to it leaves.",
        ("PCI 3.7.5", "800-53 SC-12", "ISO 5.18"),
        "people decide it; certops.fleet.rotate makes a new key with each renewal",
    ),
    Requirement(
        "CMP-11",
        "Revocation and incidents",
        "A certificate is revoked within 24 hours when its holder asks, it was not authorised, its key is compromised or weak, or its validation was wrong.",
        ("BR 4.9.1.1 (1)-(5)", "800-53 IA-5(2)", "PCI 4.2.1", "ISO 8.24"),
        "people and the tools of the issuer",
    ),
    Requirement(
        "CMP-12",
        "Revocation and incidents",
        "A certificate with a key size that is not allowed, misuse or wrong information is revoked within 5 days, and that of a subordinate CA within 7 days.",
        ("BR 4.9.1.1 (6)-(16)", "BR 4.9.1.2", "800-53 IA-5(2)", "ISO 8.24"),
        "people and the tools of the issuer",
    ),
    Requirement(
        "CMP-13",
        "Revocation and incidents",
        "There is a plan to replace many certificates at once: activation, contacts, automation, targets and timelines, notification, roles, training, a test "
        "every year that revokes nothing, and what was learned from it.",
        ("BR 5.7.1.2", "PCI 12.10", "1800-16B on mass replacement", "800-53 IR-4", "800-53 CP-2", "ISO 5.24-5.26", "ISO 5.29", "ISO 5.30"),
        PEOPLE,
    ),
    Requirement(
        "CMP-14",
        "Revocation and incidents",
        "Keys, certificates and inventory of the CA are backed up, and restoring them is practised.",
        ("800-53 CP-9", "800-53 CP-10", "PCI 12.10", "ISO 8.13", "ISO 8.14", "ISO 5.30"),
        PEOPLE,
    ),
    Requirement(
        "CMP-15",
        "Change and records",
        "A change of a certificate on a host is proved by what its service serves afterwards, or undone.",
        ("800-53 CM-3", "PCI 6.5.1", "ISO 8.32"),
        "certops.fleet.rotate: validation, handshakes, undo",
    ),
    Requirement(
        "CMP-16",
        "Change and records",
        "Every change leaves an event before and after it in the audit log, which is kept until 2 years after the last of its certificates has ended.",
        ("BR 5.4.3", "PCI 10.2-10.5", "800-53 AU-2", "800-53 AU-9", "800-53 AU-10", "800-53 AU-11", "ISO 8.15", "ISO 5.28", "ISO 5.33"),
        "the inventory writes the events, certops_audit signs and copies them; people keep the copies",
    ),
    Requirement(
        "CMP-17",
        "Algorithms",
        "Cipher suites and protocols in use, their purpose and places, and a plan for those that become weak are reviewed at least every 12 months.",
        ("PCI 12.3.3", "ISO 8.24"),
        "people; certops.fleet.scan_endpoints records protocol and cipher suite of each listener",
    ),
    Requirement(
        "CMP-18",
        "Algorithms",
        "The move to post-quantum algorithms is planned by 2028, done for what matters most by 2031 and complete by 2035.",
        ("NCSC on the post-quantum timeline", "8547 on the transition"),
        PEOPLE,
    ),
    Requirement(
        "CMP-19",
        "Exceptions and review",
        "An exception from this policy or the standard has an approver, a reason and an end.",
        ("800-53 CM-3", "ISO 8.32", "ISO 5.1"),
        PEOPLE,
    ),
    Requirement(
        "CMP-20",
        "Exceptions and review",
        "Policy, standard and register are reviewed every year, and those who work by them are trained.",
        ("800-53 PL-1", "800-53 AT-3", "PCI 12.1", "PCI 12.6", "ISO 5.1", "ISO 5.37", "ISO 6.3"),
        PEOPLE,
    ),
)

STANDARD: tuple[Requirement, ...] = (
    Requirement(
        "CKS-1",
        "Keys",
        "A key of a certificate is one of these: {keys}. Where nothing is declared it is {default_key}.",
        ("BR 6.1.5", "800-57 Tables 2 and 4", "PCI 4.2.1", "NCSC on TLS", "800-53 SC-12", "800-53 SC-13", "ISO 8.24"),
        "the profiles; the certificate register counts other keys. A publicly trusted certificate cannot have Ed25519",
    ),
    Requirement(
        "CKS-2",
        "Keys",
        "The public exponent of a new RSA key is {exponent}.",
        ("BR 6.1.6", "800-53 SC-13", "ISO 8.24"),
        "certops.fleet.rotate",
    ),
    Requirement(
        "CKS-3",
        "Keys",
        "RSA keys of less than 3072 bits are planned for no use beyond 2030; RSA, ECDSA and EdDSA are replaced by 2035.",
        ("800-57 Tables 2 and 4", "8547 on the transition"),
        PEOPLE,
    ),
    Requirement(
        "CKS-4",
        "Keys",
        "A private key is made on the host that uses it, and never leaves it.",
        ("NCSC on private PKI principle 2", "800-53 SC-12", "ISO 8.24"),
        "certops.fleet.rotate",
    ),
    Requirement(
        "CKS-5",
        "Keys",
        "Each renewal makes a new key, unless the declaration says reuse_key; a key is used for 2 years at most.",
        ("800-57 5.3.6", "800-53 SC-12", "ISO 8.24"),
        "certops.fleet.rotate makes the new key; people bound reuse_key",
    ),
    Requirement(
        "CKS-6",
        "Keys",
        "The file of a private key is readable by its owner and by what uses it, and never by every account.",
        ("NCSC on private PKI", "800-53 SC-12(3)", "PCI 3.6", "ISO 8.24", "ISO 8.12"),
        "key_mode of the declaration; the certificate register counts keys that every account can read",
    ),
    Requirement(
        "CKS-7",
        "Keys",
        "No private key, passphrase or token stands in a log, a result, a list of processes or a document.",
        ("NCSC on private PKI", "800-53 SC-12(3)", "ISO 8.12"),
        "the collection",
    ),
    Requirement(
        "CKS-8",
        "CA",
        "A CA's key is one of {ca_keys}; its file is encrypted under a passphrase of at least {passphrase} bytes that is kept in a vault.",
        ("BR 6.1.5", "800-53 SC-12(3)", "ISO 8.24"),
        "certops.fleet.create_ca",
    ),
    Requirement(
        "CKS-9",
        "CA",
        "A CA's key lies in hardware, and its use is watched, authenticated and authorised.",
        ("NCSC on private PKI principle 2", "800-53 SC-12(3)", "ISO 8.24"),
        "people: the embedded CA keeps its keys in encrypted files, which needs an exception (CMP-19)",
    ),
    Requirement(
        "CKS-10",
        "Certificates",
        "A certificate is valid for {lifetime} days at most, and for less where the profile says less.",
        ("BR 6.3.2", "NCSC on the Web PKI", "800-53 SC-12", "ISO 8.24"),
        "the profiles; the certificate register counts those that are valid for longer",
    ),
    Requirement(
        "CKS-11",
        "Certificates",
        "A publicly trusted certificate is valid no longer, and its validation reused no longer, than the table of this standard says.",
        ("BR 6.3.2", "BR 4.2.1", "NCSC on the Web PKI"),
        "the public CA",
    ),
    Requirement(
        "CKS-12",
        "Certificates",
        "Signatures are made with SHA-256, SHA-384 or SHA-512. SHA-1 and MD5 are used nowhere.",
        ("BR 7.1.3.2.1", "PCI 4.2.1", "800-53 SC-13", "ISO 8.24"),
        "the embedded CA; the certificate register counts others",
    ),
    Requirement(
        "CKS-13",
        "Certificates",
        "Every name that a service is reached by is a subject alternative name, at most {max_names} in one certificate. Wildcards are allowed in: {wildcards}.",
        ("RFC 5280", "800-53 SC-17", "ISO 8.24"),
        "the profiles",
    ),
    Requirement(
        "CKS-14",
        "Certificates",
        "A serial is positive, random, and of {serial_low} to {serial_high} bits.",
        ("RFC 5280", "800-53 SC-17"),
        "the embedded CA, before it signs",
    ),
    Requirement(
        "CKS-15",
        "Certificates",
        "Key usages and extended key usages are those of the profile and no others; key encipherment is for RSA keys alone.",
        ("RFC 5280", "800-53 SC-17", "ISO 8.24"),
        "the embedded CA, before it signs",
    ),
    Requirement(
        "CKS-16",
        "Renewal and installation",
        "A certificate is due when {renew_percent} % of its lifetime are left, or what its declaration says in renew_before.",
        ("PCI 4.2.1", "NCSC on the Web PKI", "800-53 SC-12", "ISO 8.24"),
        "certops.fleet.rotate",
    ),
    Requirement(
        "CKS-17",
        "Renewal and installation",
        "Key, certificate and chain are checked as a pair and by the service before they replace others; every listener that served the old certificate "
        "serves the new one afterwards, or the old files are put back.",
        ("800-53 CM-3", "PCI 6.5.1", "ISO 8.32"),
        "certops.fleet.rotate",
    ),
    Requirement(
        "CKS-18",
        "Renewal and installation",
        "Nothing is issued while the clocks of controller, host and database differ by more than {clock_minutes} minutes.",
        ("800-53 SC-17", "ISO 8.24"),
        "certops.fleet.rotate",
    ),
    Requirement(
        "CKS-19",
        "Revocation",
        "A revocation list for certificates of hosts is published at least every 7 days, every 4 where they name no OCSP responder, and within 24 hours "
        "of a revocation; that for certificates of CAs at least every 12 months, and within 24 hours.",
        ("BR 4.9.7", "RFC 5280", "800-53 IA-5(2)", "ISO 8.24"),
        "people and the tools of the issuer",
    ),
    Requirement(
        "CKS-20",
        "Revocation",
        "An OCSP responder answers within 15 minutes of issuing, by GET too; answers are valid for 8 hours to 10 days, never good for an unassigned serial.",
        ("BR 4.9.9", "RFC 6960", "800-53 IA-5(2)"),
        "people and the tools of the issuer",
    ),
    Requirement(
        "CKS-21",
        "Revocation",
        "A revoked certificate stays in the list until it has ended. One that is valid for 7 days at most needs no revocation information.",
        ("BR 4.10.1", "BR 1.6.1", "RFC 9608", "ISO 8.24"),
        "people and the tools of the issuer",
    ),
)
REQUIREMENTS = POLICY + STANDARD
