# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES, key_usages


@pytest.mark.parametrize(
    ("kind", "size", "allowed"),
    [
        ("ec", 256, True),
        ("ec", 224, False),
        ("rsa", 2048, True),
        ("rsa", 1024, False),
        ("rsa", 2049, False),
        ("rsa", 16384, False),
        ("ed25519", 0, True),
        ("dsa", 2048, False),
        ("rsa", None, True),
    ],
)
def test_profiles_allow_strong_keys_only(kind: str, size: int | None, allowed: bool) -> None:
    """The same in every built-in profile, and the message lists what is allowed."""
    for profile in PROFILES.values():
        assert profile.allows_key(kind, size) == allowed
        assert "RSA of 2048 to 8192 bits" in profile.keys_text()


def test_profiles_renew_well_before_the_end() -> None:
    """A default key that is allowed, a window that is smaller than the lifetime, no wildcard."""
    for profile in PROFILES.values():
        assert profile.allows_key(*profile.default_key)
        assert 0 < profile.renew_percent < 50
        assert not profile.wildcards
    assert {name: profile.listens for name, profile in PROFILES.items()} == {"tls_server": True, "tls_client": False, "tls_peer": True}


def test_only_rsa_keys_encipher_keys() -> None:
    """RFC 5480 section 3."""
    assert key_usages("rsa") == {"digital_signature", "key_encipherment"}
    assert key_usages("ec") == key_usages("ed25519") == {"digital_signature"}
