# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host and what a play gets back of its answer."""

from __future__ import annotations

import base64
import hashlib
import typing as t
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.action.host_scan_info import ARGUMENT_SPEC
from ansible_collections.certops.fleet.plugins.module_utils._host.scan.scan import Options
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.scan import RETURNED_LINES, found_certificates, scan_request, scan_result

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
GARBAGE = b"no certificate"
SHA256 = hashlib.sha256(GARBAGE).hexdigest()


def answer(**changes: t.Any) -> dict[str, t.Any]:
    """An answer with one certificate that nothing can parse, in two places."""
    places = [{"certificate": SHA256, "path": f"/tls/{name}.pem", "class": "installed"} for name in "ab"]
    empty: dict[str, t.Any] = {name: [] for name in ("problems", "skipped", "services", "keys", "bundles", "left_over", "locked", "crls", "requests")}
    told = {"summary": {"places": 2}, "complete": True, "privileged": False, "places": places}
    return {**empty, **told, "certificates": {SHA256: base64.b64encode(GARBAGE).decode()}, **changes}


def test_request_of_the_defaults() -> None:
    """Without options the host looks into its default paths, without a limit of time."""
    request = scan_request(checked_arguments({}, ARGUMENT_SPEC), ("ab",))
    assert request == {
        "paths": None,
        "exclude": [],
        "home": False,
        "max_file_size": 2 << 20,
        "max_seconds": None,
        "nice": 10,
        "max_processes": 2,
        "services": [],
        "probe": "services",
        "known_bundles": ["ab"],
        "known_certificates": "",
        "store_passwords": [],
        "cache_days": 7,
        "full": False,
        "keep": False,
        "rows": "all",
    }
    assert Options.from_args(request).paths is None


def test_request_of_everything() -> None:
    """Every option arrives."""
    given = {
        "paths": ["/srv"],
        "exclude": ["*.bak"],
        "home": True,
        "max_file_size": 50,
        "max_seconds": 7,
        "nice": 19,
        "services": [{"name": "x"}],
        "store_passwords": ["a", "b"],
    }
    request = scan_request(checked_arguments(given, ARGUMENT_SPEC), ())
    assert {name: request[name] for name in given} == given


def test_what_cannot_be_parsed_is_there() -> None:
    """With its fingerprint, its problem and both places."""
    (found,) = found_certificates(answer(), NOW)
    assert (found["sha256"], [place["path"] for place in found["places"]]) == (SHA256, ["/tls/a.pem", "/tls/b.pem"])
    assert found["problem"]


def test_summary_is_bounded() -> None:
    """A play gets the first lines only, and no certificate, unless it asks for everything."""
    lines = [{"path": f"/{number}", "reason": "x"} for number in range(500)]
    short = scan_result(answer(problems=lines, skipped=lines), everything=False, now=NOW)
    assert (len(short["problems"]), len(short["passed_over"])) == (RETURNED_LINES, RETURNED_LINES)
    assert not {"certificates", "services", "private_keys", "bundles", "skipped"} & short.keys()
    whole = scan_result(answer(problems=lines, skipped=lines), everything=True, now=NOW)
    assert (len(whole["problems"]), len(whole["passed_over"]), len(whole["certificates"])) == (500, 500, 1)


def test_lists_have_times() -> None:
    """In the format of certificates; what is no time is nothing."""
    crls = [{"path": "/a", "this_update": 1767225600, "next_update": None}, {"path": "/b", "this_update": 10**30, "next_update": -(10**17)}]
    found = scan_result(answer(crls=crls, locked=[{"path": "/c"}]), everything=True, now=NOW)
    assert [(crl["this_update"], crl["next_update"]) for crl in found["crls"]] == [("20260101000000Z", None), (None, None)]
    assert found["locked"] == [{"path": "/c"}]


def test_passwords_are_checked_and_not_shown() -> None:
    """A mistake in them is told before a host is asked, without them."""
    with pytest.raises(ValueError, match="store_passwords must be printable texts of at most 1000 bytes; one is not") as refused:
        scan_request(checked_arguments({"store_passwords": ["se\ncret"]}, ARGUMENT_SPEC), ())
    with pytest.raises(ValueError, match="store_passwords must be a list of texts, got a value of the type list") as mistaken:
        checked_arguments({"store_passwords": [{"a": "secret"}]}, ARGUMENT_SPEC)
    assert "cret" not in f"{refused.value}{mistaken.value}"
