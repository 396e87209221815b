# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import AuthoritySettingsError, authority_settings

SETTINGS: dict[str, t.Any] = {
    "common_name": "Test",
    "root_key_type": "ecdsa_p384",
    "issuing_key_type": "ecdsa_p384",
    "root_lifetime_days": 10,
    "issuing_lifetime_days": 5,
}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"common_name": ""}, "common_name must be 1 to 53 characters without spaces at its ends, got ''"),
        ({"common_name": "x" * 54}, "common_name must be 1 to 53 characters"),
        ({"common_name": "a\0b"}, "common_name may not have control characters or line breaks, got 'a\\x00b'"),
        ({"organization": " x"}, "organization must be 1 to 64 characters without spaces at its ends, got ' x'"),
        ({"root_key_type": "rsa_1024"}, "root_key_type must be one of ecdsa_p256, ecdsa_p384, ecdsa_p521, rsa_3072, rsa_4096, got 'rsa_1024'"),
        ({"root_lifetime_days": 0}, "root_lifetime_days must be 1 to 18250 days, got 0"),
        ({"issuing_lifetime_days": 99999}, "issuing_lifetime_days must be 1 to 18250 days, got 99999"),
        ({"crl_urls": ["http://a/", "ftp://a/"]}, "crl_urls[1] must be a URL such as 'http://pki.example.com/ca.crl'"),
        ({"ocsp_urls": ["http://a b/"]}, "ocsp_urls[0] must be a URL"),
        ({"aia_urls": ["http://{{ x }}/"]}, "aia_urls[0] must be a URL"),
        ({"root_crl_urls": ["http:///x"]}, "root_crl_urls[0] must be a URL"),
        ({"root_aia_urls": ["http://[::1/x"]}, "root_aia_urls[0] must be a URL"),
        ({"crl_urls": ["http://user:secret@a/"]}, "crl_urls[0] must be a URL"),
    ],
)
def test_bad_options_are_told(options: dict[str, t.Any], message: str) -> None:
    """With the option's name."""
    with pytest.raises(AuthoritySettingsError) as caught:
        authority_settings({**SETTINGS, **options}, "/srv/ca")
    assert str(caught.value).startswith(message)


def test_a_relative_folder_is_refused() -> None:
    """It would depend on where Ansible was started."""
    with pytest.raises(AuthoritySettingsError, match="directory must be an absolute path, got 'ca'"):
        authority_settings(SETTINGS, "ca")
