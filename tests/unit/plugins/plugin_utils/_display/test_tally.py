# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: every host and certificate is counted once, and the last line is true."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._display.table import summary
from ansible_collections.certops.fleet.plugins.plugin_utils._display.tally import Tally
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import Certificate, Scan, Told

WEB = Certificate("web", ("issue",), ("it expired",), "committed", "certificate 'web' was put in place")
DUE = Certificate("web", ("issue",), ("it expired",), "pending")
SAME = Certificate("web", outcome="unchanged")
REFUSED = Certificate("web", ("issue",), (), "failed", "certificate 'web': no issuer")


def _stats(**hosts: str) -> dict[str, dict[str, int]]:
    return {host: {word: int(word == what) for word in ("failures", "unreachable", "changed")} for host, what in hosts.items()}


def _tally(*results: tuple[str, Certificate], would: bool = False) -> Tally:
    tally = Tally()
    for host, certificate in results:
        tally.seen(host)
        tally.told(host, Told((certificate,), due=("web",) if certificate.actions else ()), would=would)
    return tally


def _lines(tally: Tally, stats: dict[str, dict[str, int]] | None, most: int = 20) -> list[str]:
    return [line.text for line in summary(tally.figures(stats), most=most)]


def _row(lines: list[str], label: str) -> str:
    return next((" ".join(line.split()) for line in lines if line.strip().startswith(label)), "")


def test_look_and_act_count_a_certificate_once() -> None:
    """Due in the look, rotated in the act, unchanged in the run after that."""
    lines = _lines(_tally(("a", DUE), ("a", WEB), ("a", SAME), ("b", SAME)), _stats(a="changed", b="ok"))
    assert _row(lines, "hosts") == "hosts 2 2 ok, 1 changed, 0 failed, 0 unreachable"
    assert _row(lines, "certificates") == "certificates 2 1 due, 1 rotated, 0 reloaded, 0 refused, 0 not verified"
    assert lines[-1] == "1 certificate was rotated; no host needs attention."


def test_what_was_refused_and_then_done_is_done() -> None:
    """The last outcome is what stands."""
    lines = _lines(_tally(("a", REFUSED), ("a", WEB)), _stats(a="changed"))
    assert "0 refused" in _row(lines, "certificates")
    assert lines[-1].endswith("no host needs attention.")


@pytest.mark.parametrize(
    ("certificate", "figure", "text"),
    [
        (REFUSED, "1 refused", "certificate 'web': no issuer"),
        (Certificate("web", ("issue",), (), "undone", "nginx said no"), "1 put back", "certificate 'web': nginx said no"),
        (Certificate("web", ("issue",), (), "unknown", ""), "1 unknown", "certificate 'web': no message was given"),
        (Certificate("web", ("issue",), (), "committed", "", (), "no listener"), "1 not verified", "certificate 'web': not verified: no listener"),
        (Certificate("web", outcome="unchanged", told=("two", "three")), "0 due", "certificate 'web': three (and 1 more)"),
        (Certificate("web", ("chain",), (), "committed"), "1 mended", ""),
    ],
)
def test_what_went_otherwise_is_counted_and_named(certificate: Certificate, figure: str, text: str) -> None:
    """Each outcome has its figure; what a person should look at has its line."""
    lines = _lines(_tally(("a", certificate)), _stats(a="ok"))
    assert figure in _row(lines, "certificates")
    assert _row(lines, "a ") == (f"a {text}" if text else "")


def test_check_mode_says_would() -> None:
    """In the table and in the last line."""
    lines = _lines(_tally(("a", DUE), would=True), _stats(a="changed"))
    assert "1 would be rotated" in _row(lines, "certificates")
    assert lines[-1] == "1 certificate would be rotated; no host needs attention."


@pytest.mark.parametrize(
    ("tally", "stats", "last"),
    [
        (_tally(("a", SAME)), _stats(a="ok"), "Nothing was due, nothing was changed; no host needs attention."),
        (_tally(("a", DUE)), _stats(a="ok"), "1 certificate is due, nothing was changed; no host needs attention."),
        (
            _tally(("a", WEB), ("b", Certificate("web", ("reload",), (), "committed"))),
            _stats(a="changed", b="changed"),
            "1 certificate was rotated and 1 certificate was mended; no host needs attention.",
        ),
        (Tally(), {}, "Nothing was changed; no host needs attention."),
        (Tally(), _stats(localhost="changed"), "1 host was changed; no host needs attention."),
    ],
)
def test_the_last_line_is_a_sentence(tally: Tally, stats: dict[str, dict[str, int]], last: str) -> None:
    """What was done, and whether somebody has to look."""
    assert _lines(tally, stats)[-1] == last


def test_lost_hosts_are_named_first() -> None:
    """Unreachable, failed, refused; each in the order of its names as a person counts."""
    tally = _tally(("web10", REFUSED), ("web2", REFUSED), ("web3", SAME), ("web4", SAME))
    tally.failure("web3", "disk full")
    tally.failure("web4", "no route", unreachable=True)
    lines = _lines(tally, _stats(web10="ok", web2="ok", web3="failures", web4="unreachable"))
    assert [line.split()[0] for line in lines[4:8]] == ["web4", "web3", "web2", "web10"]
    assert lines[-1] == "2 certificates are due, nothing was changed; 4 of 4 hosts need attention."


def test_a_rescued_host_is_well() -> None:
    """Ansible's own figures know it."""
    tally = _tally(("a", SAME))
    tally.failure("a", "tried in vain")
    assert _lines(tally, _stats(a="ok"))[-1].endswith("no host needs attention.")


def test_the_controller_is_no_host_of_the_fleet() -> None:
    """Unless it failed, or there is nothing else."""
    tally = _tally(("a", SAME))
    assert _row(_lines(tally, _stats(a="ok", localhost="changed")), "hosts").startswith("hosts 1 1 ok")
    tally.failure("localhost", "no passphrase")
    assert _row(_lines(tally, _stats(a="ok", localhost="failures")), "hosts").startswith("hosts 2 1 ok")


def test_many_hosts_are_bounded() -> None:
    """So many are named, the rest is counted; the table keeps its columns beside a name of 100 characters."""
    tally = _tally(*((f"{'x' * 100}{number}", REFUSED) for number in range(200)))
    lines = _lines(tally, {}, most=3)
    assert len(lines) == 10
    assert lines[4].startswith(f"  {'x' * 37}...  certificate")
    assert lines[7] == "  and 197 more hosts, see the report"


def test_a_discovery_is_counted_once_a_host() -> None:
    """The last one of a host stands; an incomplete one is named."""
    tally = Tally()
    for host, scan in (("a", Scan(False, 1)), ("a", Scan(True, 5, 1, "x")), ("b", Scan(False, 1200, 2, "/p: no right"))):
        tally.seen(host)
        tally.told(host, Told(scan=scan), would=False)
    lines = _lines(tally, _stats(a="ok", b="ok"))
    assert _row(lines, "discovery") == "discovery 2 1 scanned completely, 1,205 certificates found, 3 problems told"
    assert _row(lines, "b ") == "b not scanned completely: 2 problems, the first: /p: no right"
    assert lines[-1] == "2 hosts were scanned, nothing was changed; 1 of 2 hosts needs attention."


def test_a_run_that_was_interrupted_says_so() -> None:
    """With what is known until then."""
    tally = _tally(("a", WEB))
    tally.seen("a", changed=True)
    tally.failure("b", "no route", unreachable=True)
    tally.failure("c", "disk full")
    lines = _lines(tally, None)
    assert _row(lines, "hosts") == "hosts 3 1 ok, 1 changed, 1 failed, 1 unreachable"
    assert lines[-1] == "The run did not get to its end. 1 certificate was rotated until then; what was under way shows when it is run again."


def test_hostile_names_are_printable() -> None:
    """A name of the inventory may hold anything, too."""
    tally = Tally()
    tally.failure("a\x1b[2J\n", "no")
    assert all(t.cast(str, line).isprintable() for line in _lines(tally, None))
