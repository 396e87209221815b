# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of endpoints: what is asked, what the answers are worth, and what goes back to the play."""

from __future__ import annotations

import base64
import collections
import functools
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import CLOSED, FAILED, SEEN, UNREACHABLE, Probe, Settings
from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.staple import staple_info
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import Origin, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.trust import Trust, name_matches, read
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import checked_certificates
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import health
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import seconds
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import TIME_FORMAT, certificate_info, general_name, moment, text_value

RETURNED_LINES = 50
BATCH = 2000  # endpoints of one exchange or one transaction: what bounds the memory
STATES = (SEEN, FAILED, CLOSED, UNREACHABLE)
NUMBERS = {
    "concurrency": (1, 1000),
    "rate": (0, 100000),
    "connect_timeout": (1, 300),
    "starttls_timeout": (1, 300),
    "handshake_timeout": (1, 300),
    "max_seconds": (0, 1 << 31),
    "max_endpoints": (1, 1 << 20),
}
_MOST_FACTS = 5000
_TOLD = ("protocol", "cipher", "alpn", "address", "reason")

Row = dict[str, t.Any]


class SettingError(ValueError):
    """An option is a number or a text that makes no sense."""


def check_settings(args: t.Mapping[str, t.Any]) -> None:
    """Raise SettingError for the first option that is out of its bounds."""
    for name, (least, most) in NUMBERS.items():
        if not least <= args[name] <= most:
            raise SettingError(f"{name} must be a number from {least} to {most}, got {args[name]!r}")
    for protocol in args["alpn"]:
        if not (protocol.isascii() and 0 < len(protocol) < 256):
            raise SettingError(f"alpn must be names of 1 to 255 ASCII letters such as 'h2', got {protocol!r}")


def settings_from(args: t.Mapping[str, t.Any], *, spent: float) -> Settings | None:
    """How the questions are asked, from the options of the module; None when so many seconds are all that there were."""
    left = args["max_seconds"] - spent
    if args["max_seconds"] and left <= 0:
        return None
    return Settings(
        concurrency=args["concurrency"],
        rate=args["rate"],
        connect_seconds=args["connect_timeout"],
        starttls_seconds=args["starttls_timeout"],
        handshake_seconds=args["handshake_timeout"],
        max_seconds=left if args["max_seconds"] else 0,
        all_protocols=args["all_protocols"],
        alpn=tuple(args["alpn"]),
    )


def batches(targets: t.Mapping[Target, Origin]) -> t.Iterator[list[tuple[Target, Origin]]]:
    """The questions in parts of at most BATCH."""
    every = list(targets.items())
    return (every[start : start + BATCH] for start in range(0, len(every), BATCH))


def probe(target: Target) -> Probe:
    return Probe(target.host, target.port, target.name, target.starttls)


@dataclass
class Findings:
    """What was found so far: counts, and the rows that a play gets. Certificates are passed on and forgotten, as are addresses of a network where nobody is."""

    trust: Trust
    now: datetime
    rows: list[Row] = field(default_factory=list)
    states: collections.Counter[str] = field(default_factory=collections.Counter)
    left_over: int = 0
    digests: set[str] = field(default_factory=set)

    def add(self, asked: t.Sequence[tuple[Target, Origin]], answer: t.Mapping[str, t.Any]) -> tuple[list[Row], dict[str, bytes]]:
        """The rows of an answer, judged, and the certificates that they name. A host is not trusted: whatever is no answer to a question is refused."""
        result = Fields(dict(answer), "result")
        certificates, _refused = checked_certificates(result.value.get("certificates"))
        rows = [self._row(item, asked, certificates) for item in result.objects("endpoints")]
        rows.sort(key=lambda row: t.cast("int", row.pop("index")))
        self.rows += [row for row in rows if row["named"] or row["state"] in (SEEN, FAILED)]
        self.states.update(row["state"] for row in rows)
        self.digests.update(certificates)
        self.left_over += result.integer("left_over") or 0
        return rows, certificates

    def foresee(self, row: t.Mapping[str, t.Any], certificates: t.Mapping[str, str]) -> None:
        """Judges what was just shown, while others are waited for: C(add) then finds it known. The row is one of our own engine."""
        chain = [_decoded(certificates[digest]) for digest in row["chain"]]
        if chain:
            leaf_facts(chain[0])
            self.trust.judge(chain)

    def _row(self, item: Fields, asked: t.Sequence[tuple[Target, Origin]], certificates: t.Mapping[str, bytes]) -> Row:
        index = item.integer("index") or 0
        target, origin = asked[index % len(asked)]
        state = item.text("state")
        chain = [digest for digest in item.texts("chain") if digest in certificates]
        row: Row = {
            "index": index,
            "endpoint": target.place,
            "target": target.host,
            "port": target.port,
            "name": target.name,
            "starttls": target.starttls,
            "inventory_host": origin.inventory_host,
            "named": origin.named,
            "state": state if state in STATES and (chain or state != SEEN) else FAILED,
            **{name: item.text(name) for name in _TOLD},
            "protocols": _protocols(item),
            "chain": chain,
            "chain_count": item.integer("chain_count"),
        }
        # Nobody expects an address that was come across in a network to stand in a certificate.
        wanted = target.name or (target.host if origin.named else None)
        return row | self._judged(wanted, [certificates[digest] for digest in chain], item.text("staple"))

    def _judged(self, name: str | None, chain: t.Sequence[bytes], staple: str | None) -> Row:
        if not chain:
            names = ("sha256", "common_name", "not_after", "days_remaining", "status", "ocsp_staple")
            return dict.fromkeys((*names, "chain_complete", "verified", "verify_problem", "name_matches"))
        facts, verdict = leaf_facts(chain[0]), self.trust.judge(chain)
        return {
            "sha256": facts.sha256,
            "common_name": facts.common_name,
            "not_after": facts.not_after,
            **health(facts.ends, now=seconds(self.now)),
            "chain_complete": verdict.complete,
            "verified": verdict.verified,
            "verify_problem": verdict.problem,
            "name_matches": None if name is None else name_matches(facts.names, name),
            "ocsp_staple": None if staple is None else staple_info(_decoded(staple), serial_number=facts.serial_number, now=self.now),
        }

    def summary(self, took: float) -> Row:
        """Counts, and the seconds it took."""
        shown = [row for row in self.rows if row["state"] == SEEN]
        return {
            "endpoints": self.states.total() + self.left_over,
            **{state: self.states[state] for state in STATES},
            "certificates": len(self.digests),
            "not_verified": sum(not row["verified"] for row in shown),
            "incomplete_chains": sum(not row["chain_complete"] for row in shown),
            "other_names": sum(row["name_matches"] is False for row in shown),
            "expired": sum(row["status"] == "expired" for row in shown),
            "warning": sum(row["status"] == "warning" for row in shown),
            "seconds": round(took, 2),
        }

    def problems(self) -> list[Row]:
        """A line for each endpoint that showed nothing and was worth one: somebody is there, or it was named by itself."""
        return [{"endpoint": row["endpoint"], "reason": row["reason"]} for row in self.rows if row["state"] != SEEN]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What is told of a certificate that was shown."""

    sha256: str
    common_name: str | None
    names: tuple[str, ...]
    not_after: str | None
    ends: int | None
    serial_number: int | None


@functools.lru_cache(maxsize=_MOST_FACTS)
def leaf_facts(der: bytes) -> _Leaf:
    """The same certificate is taken apart once; one that is not as it should be by the reader that tells what can be told."""
    return _leaf_of(der) or _leaf_of_any(der)


def _leaf_of(der: bytes) -> _Leaf | None:
    certificate = read(der)
    if certificate is None:
        return None
    try:
        names = certificate.own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = ()
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
    common = [text_value(attribute.value) for attribute in certificate.own.subject if attribute.oid == x509.NameOID.COMMON_NAME]
    texts, ends = tuple(map(general_name, names)), certificate.ends
    return _Leaf(certificate.sha256, common[-1] if common else None, texts, ends.strftime(TIME_FORMAT), seconds(ends), certificate.own.serial_number)


def _leaf_of_any(der: bytes) -> _Leaf:
    info = certificate_info(der)
    ends = info["not_after"] and moment(info["not_after"])
    name = (info["subject"] or {}).get("commonName")
    return _Leaf(info["sha256"], name, tuple(info["subject_alt_name"] or ()), info["not_after"], seconds(ends) if ends else None, info["serial_number"])


def sentence(summary: t.Mapping[str, t.Any]) -> str:
    """The last line of a scan."""
    nobody = summary[CLOSED] + summary[UNREACHABLE]
    line = f"{count(summary['endpoints'], 'endpoint')}: {summary[SEEN]:,} showed a certificate"
    wrong = [(summary["not_verified"], "do not verify"), (summary["other_names"], "have another name"), (summary["expired"], "expired")]
    told = ", ".join(f"{number:,} {what}" for number, what in wrong if number)
    rest = [(summary[FAILED], "showed none"), (nobody, "took no connection"), (_left_over(summary), "were left over")]
    others = "".join(f"; {number:,} {what}" for number, what in rest if number)
    return f"{line}{f' ({told})' if told else ''}{others}; {summary['seconds']:.1f} s"


def _left_over(summary: t.Mapping[str, t.Any]) -> int:
    return int(summary["endpoints"] - sum(summary[state] for state in STATES))


def returned(findings: Findings, certificates: t.Mapping[str, bytes] | None, took: float) -> Row:
    """What a play gets: the first rows, or with the certificates of all of them everything."""
    everything = certificates is not None
    summary, problems = findings.summary(took), findings.problems()
    result: Row = {
        "msg": sentence(summary),
        "summary": summary,
        "endpoints": findings.rows if everything else findings.rows[:RETURNED_LINES],
        "problems": problems if everything else problems[:RETURNED_LINES],
        "left_over": findings.left_over,
        "complete": not findings.left_over,
    }
    if certificates is not None:
        places = collections.defaultdict(list)
        for row in findings.rows:
            for position, digest in enumerate(row["chain"]):
                places[digest].append({"endpoint": row["endpoint"], "position": position})
        result["certificates"] = [{**certificate_info(der, now=findings.now), "places": places[digest]} for digest, der in certificates.items()]
    return result


def _protocols(item: Fields) -> dict[str, bool | None] | None:
    told = item.value.get("protocols")
    if told is None:
        return None
    protocols = Fields(told, f"{item.where}.protocols")
    return {name: protocols.flag(name) for name in protocols.value}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
