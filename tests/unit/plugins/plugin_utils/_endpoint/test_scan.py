# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers are worth, what goes back to the play, and what is said on the way."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Settings
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.progress import Told
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.scan import (
    BATCH,
    Findings,
    SettingError,
    _leaf_of,
    _leaf_of_any,
    batches,
    check_settings,
    leaf_facts,
    returned,
    sentence,
    settings_from,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import Origin, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.trust import Trust
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

ARGS = {
    "concurrency": 100,
    "rate": 0,
    "connect_timeout": 5,
    "starttls_timeout": 10,
    "handshake_timeout": 10,
    "max_seconds": 0,
    "max_endpoints": 10,
    "all_protocols": False,
    "alpn": ["h2"],
}
WWW = (Target("www.example.com", 443, "www.example.com", ""), Origin())
COME_ACROSS = (Target("192.0.2.7", 443, "", ""), Origin(named=False))


def seen(*ders: bytes, index: int = 0, **changes: t.Any) -> dict[str, t.Any]:
    """A row as the engine gives it."""
    row = dict.fromkeys(("reason", "address", "protocol", "cipher", "alpn", "staple", "protocols"))
    chain = [hashlib.sha256(der).hexdigest() for der in ders]
    return {**row, "index": index, "state": "seen", "chain": chain, "chain_count": len(chain), "seconds": 0.1, **changes}


def answer(*rows: dict[str, t.Any], ders: t.Iterable[bytes] = (), **changes: t.Any) -> dict[str, t.Any]:
    certificates = {hashlib.sha256(der).hexdigest(): base64.b64encode(der).decode() for der in ders}
    return {"endpoints": list(rows), "certificates": certificates, "left_over": 0, **changes}


@pytest.fixture(name="findings")
def _findings(made: t.Any) -> Findings:
    return Findings(Trust(made.der(made.certificate("root", ca=True)), now=made.NOW), made.NOW)


def test_a_row_is_judged(findings: Findings, made: t.Any) -> None:
    """Chain, name, end and OCSP response."""
    leaf, middle, _root = made.chain()
    ders = made.der(leaf, middle)
    staple = base64.b64encode(made.response(leaf, middle)).decode()
    (row,), certificates = findings.add([WWW], answer(seen(*ders, staple=staple, protocols={"TLSv1.2": True, "SSLv3": None}), ders=ders))
    assert (row["verified"], row["chain_complete"], row["verify_problem"], row["name_matches"]) == (True, True, None, True)
    assert (row["common_name"], row["not_after"], row["days_remaining"], row["status"]) == ("leaf", "20260529120000Z", 89, "ok")
    assert (row["ocsp_staple"]["certificate_status"], row["protocols"]) == ("good", {"TLSv1.2": True, "SSLv3": None})
    assert set(certificates.values()) == set(ders)
    json.dumps(findings.rows)


def test_an_address_that_was_come_across_needs_no_name(findings: Findings, made: t.Any) -> None:
    """One that was named by itself does."""
    ders = made.der(*made.chain()[:2])
    rows, _certificates = findings.add([COME_ACROSS, (Target("192.0.2.8", 443, "", ""), Origin())], answer(seen(*ders), seen(*ders, index=1), ders=ders))
    assert [row["name_matches"] for row in rows] == [None, False]


def test_a_lying_host_is_not_believed(findings: Findings, made: t.Any) -> None:
    """A certificate under another's fingerprint, one that is not there, a state that does not exist, an index beyond all questions."""
    leaf, middle, _root = made.chain()
    ders = made.der(leaf, middle)
    lie = answer(seen(ders[0]), ders=())
    lie["certificates"] = {hashlib.sha256(ders[0]).hexdigest(): base64.b64encode(ders[1]).decode(), "x": "{{ 7*7 }}", "y": None}
    (row,), certificates = findings.add([WWW], lie)
    assert (row["state"], row["sha256"], certificates) == ("failed", None, {})
    (row,), _certificates = findings.add([WWW], answer(seen(state="{{ x }}", index=99)))
    assert (row["state"], row["endpoint"]) == ("failed", "www.example.com:443")
    for wrong in ({"endpoints": 5}, {"endpoints": ["x"]}, answer(seen(protocols=[1])), answer(seen(chain=[5])), answer(seen(protocols={"SSLv3": "x"}))):
        with pytest.raises(InventoryError, match="of the host's answer"):
            findings.add([WWW], wrong)


def test_what_a_play_gets(findings: Findings, made: t.Any) -> None:
    """The first rows and counts; addresses where nobody is are counted alone; with certificates everything."""
    ders = made.der(made.certificate("old", begin=-200), made.certificate("old", begin=-100))
    rows = [seen(ders[0], index=0), seen(index=1, state="closed", reason="cannot be connected to: Connection refused")]
    rows += [seen(index=2, state="failed", reason="does not speak TLS"), seen(index=3, state="closed"), seen(index=4, state="unreachable")]
    targets = [WWW, WWW, WWW, COME_ACROSS, COME_ACROSS]
    _rows, certificates = findings.add(targets, answer(*rows, ders=ders[:1], left_over=3))
    summary = findings.summary(1.0)
    counts = {"endpoints": 8, "seen": 1, "failed": 1, "closed": 2, "unreachable": 1, "certificates": 1, "not_verified": 1, "expired": 1}
    assert counts.items() <= summary.items()
    result = returned(findings, None, 1.0)
    assert (
        result["msg"]
        == "8 endpoints: 1 showed a certificate (1 do not verify, 1 have another name, 1 expired); 1 showed none; 3 took no connection; 3 were left over; 1.0 s"
    )
    assert (len(result["endpoints"]), len(result["problems"]), result["complete"], "certificates" in result) == (3, 2, False, False)
    (certificate,) = returned(findings, certificates, 1.0)["certificates"]
    assert (certificate["subject"], certificate["places"]) == ({"commonName": "old"}, [{"endpoint": "www.example.com:443", "position": 0}])


def test_results_are_bounded(findings: Findings) -> None:
    """Of many rows the first fifty; all of them where they are asked for."""
    findings.add([WWW], answer(*(seen(index=0, state="failed", reason="x") for _number in range(80))))
    assert [len(returned(findings, None, 1)[name]) for name in ("endpoints", "problems")] == [50, 50]
    assert [len(returned(findings, {}, 1)[name]) for name in ("endpoints", "problems")] == [80, 80]


def test_a_quiet_sentence() -> None:
    """Nothing is said of what there is none of."""
    zero = dict.fromkeys(("failed", "closed", "unreachable", "not_verified", "other_names", "expired"), 0)
    assert sentence({"endpoints": 1200, "seen": 1200, "seconds": 2.04, **zero}) == "1,200 endpoints: 1,200 showed a certificate; 2.0 s"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("concurrency", 0, "concurrency must be a number from 1 to 1000, got 0"),
        ("rate", -1, "rate must be a number from 0 to 100000, got -1"),
        ("connect_timeout", 301, "connect_timeout must be a number from 1 to 300, got 301"),
        ("max_endpoints", 1 << 21, "max_endpoints must be a number from 1 to 1048576, got 2097152"),
        ("alpn", [""], "alpn must be names of 1 to 255 ASCII letters such as 'h2', got ''"),
        ("alpn", ["ü"], "alpn must be names of 1 to 255 ASCII letters such as 'h2', got 'ü'"),
    ],
)
def test_settings_out_of_bounds(name: str, value: t.Any, message: str) -> None:
    """With the option, its bounds and the value."""
    with pytest.raises(SettingError, match=f"^{message}$"):
        check_settings({**ARGS, name: value})
    check_settings(ARGS)


def test_settings_and_batches() -> None:
    """What time is left goes to the next part, and nothing where none is."""
    assert settings_from(ARGS, spent=100) == Settings(concurrency=100, alpn=("h2",))
    limited = settings_from({**ARGS, "max_seconds": 10}, spent=4)
    assert limited is not None
    assert limited.max_seconds == 6
    assert settings_from({**ARGS, "max_seconds": 10}, spent=10) is None
    many = {Target("www", port, "", ""): Origin() for port in range(BATCH + 1)}
    assert [len(part) for part in batches(many)] == [BATCH, 1]


def test_progress_is_told_now_and_then() -> None:
    """Not for every answer, and not at the end, when the last line follows."""
    clock, said = [0.0], []
    told = Told(1000, said.append, clock=lambda: clock[0])
    for number in range(1000):
        clock[0] = number / 50
        told.row({"state": "seen" if number % 2 else "closed"})
    assert said[0] == "endpoints: 251 of 1,000 endpoints, 125 showed a certificate, 5 s"
    assert len(said) == 3


def test_what_is_foreseen_is_what_is_added(findings: Findings, made: t.Any) -> None:
    """Judged while others are waited for, and found known afterwards."""
    ders = made.der(*made.chain()[:2])
    told = answer(seen(*ders), ders=ders)
    findings.foresee(told["endpoints"][0], told["certificates"])
    findings.foresee(seen(state="closed"), {})
    assert len(findings.trust._judged) == 1
    (row,), _certificates = findings.add([WWW], told)
    assert row["verified"] is True
    assert len(findings.trust._judged) == 1


def test_both_readers_of_a_certificate_agree(made: t.Any) -> None:
    """The quick one for those that are as they should be, and the one that tells what can be told of any."""
    for certificate in (*made.chain(), made.certificate("names", names=("a.example", "*.b.example", "2001:db8::7"))):
        (der,) = made.der(certificate)
        assert _leaf_of(der) == _leaf_of_any(der)
    assert leaf_facts(b"\x30\x00").names == ()
