# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What C(certops_audit) may say."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import ArgumentError
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, AuditSettings, Target, audit_settings, syslog_address

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2yR1X5CrfR3mHTSHwAQUXCQUQHlMTEQ4d5TfSgPDy5"


def test_defaults() -> None:
    """Nothing is signed and nothing is copied."""
    assert audit_settings(None) == AuditSettings() == audit_settings({})


def test_all_of_it() -> None:
    """Keys lose their comment."""
    targets = [{"name": "file", "path": "/a", "mode": "0640"}, {"name": "log", "syslog": "/dev/log"}, {"name": "git", "command": ["push", "x"]}]
    told = audit_settings({"signing_key": "/k", "signers": [f"{KEY} who@where"], "checkpoint_events": 9, "checkpoint_hours": 2, "targets": targets})
    expected = (Target("file", "path", "/a", 0o640), Target("log", "syslog", syslog="/dev/log"), Target("git", "command", command=("push", "x")))
    assert told == AuditSettings("/k", (KEY,), 9, 2, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/log", ("unix", "/dev/log", 0)),
        ("udp://log.example", ("udp", "log.example", 514)),
        ("tcp://[2001:db8::1]:5140", ("tcp", "2001:db8::1", 5140)),
        ("tls://log.example", ("tls", "log.example", 6514)),
    ],
)
def test_addresses_of_syslog(text: str, expected: tuple[str, str, int]) -> None:
    """With the port that is usual for each."""
    assert syslog_address(text, "x") == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "certops_audit must be a dictionary, got 'x'"),
        ({"target": []}, "certops_audit.target is not known, did you mean 'targets'"),
        ({"targets": [{"path": "/a"}]}, "certops_audit.targets[0].name must be given: a text"),
        ({"targets": [{"name": "a"}]}, "certops_audit.targets[0] must have exactly one of path, syslog, command, got none"),
        (
            {"targets": [{"name": "a", "path": "/a", "syslog": "/b"}]},
            "certops_audit.targets[0] must have exactly one of path, syslog, command, got path, syslog",
        ),
        ({"targets": [{"name": "a b", "path": "/a"}]}, "certops_audit.targets[0].name must be letters, digits, '.', '_' and '-', at most 63, got 'a b'"),
        ({"targets": [{"name": "a", "path": "a"}]}, "certops_audit.targets[0].path must be an absolute path, got 'a'"),
        ({"targets": [{"name": "a", "path": "/a", "mode": "rw"}]}, "certops_audit.targets[0].mode must be an octal mode such as '0640', got 'rw'"),
        ({"targets": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]}, "certops_audit.targets: the name 'a' is given twice"),
        ({"targets": [{"name": "a", "syslog": "http://x"}]}, "certops_audit.targets[0].syslog must be udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT"),
        ({"targets": [{"name": "a", "syslog": "udp://x:99999"}]}, "certops_audit.targets[0].syslog must be udp://HOST:PORT"),
        ({"signers": ["ssh-ed25519"]}, "certops_audit.signers[0] must be a public key as OpenSSH writes it"),
        ({"signers": [f"{KEY}\nevil {KEY}"]}, "certops_audit.signers[0] must be a public key as OpenSSH writes it"),
        ({"checkpoint_hours": 0}, "certops_audit.checkpoint_hours must be a number above 0, got 0"),
    ],
)
def test_what_is_refused(value: t.Any, message: str) -> None:
    """With its place in the variable."""
    with pytest.raises((ArgumentError, AuditError)) as error:
        audit_settings(value)
    assert str(error.value).startswith(message)
