# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that a host is asked to make."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest, requested_key
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.conftest import checked
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.test_decide import leaf

LEAST = {"name": "web", "names": ["web.example.com"], "certificate_path": "/tls/web.pem"}


@pytest.mark.parametrize(
    ("options", "there", "wanted"),
    [
        ({}, None, KeyRequest("ec", 256, "secp256r1", False)),
        ({}, ("rsa", 4096), KeyRequest("rsa", 4096, None, False)),
        ({}, ("ec", 521), KeyRequest("ec", 521, "secp521r1", False)),
        ({}, ("ed25519", 0), KeyRequest("ed25519", None, None, False)),
        ({}, ("rsa", 1024), KeyRequest("ec", 256, "secp256r1", False)),
        ({}, ("dsa", 2048), KeyRequest("ec", 256, "secp256r1", False)),
        ({}, ("unknown", 0), KeyRequest("ec", 256, "secp256r1", False)),
        ({"key_type": "rsa"}, ("ec", 384), KeyRequest("rsa", 3072, None, False)),
        ({"key_type": "rsa", "key_size": 2048}, None, KeyRequest("rsa", 2048, None, False)),
        ({"key_type": "ec", "key_size": 384}, None, KeyRequest("ec", 384, "secp384r1", False)),
        ({"key_type": "ec"}, ("ec", 521), KeyRequest("ec", 256, "secp256r1", False)),
        ({"key_type": "ed25519"}, None, KeyRequest("ed25519", None, None, False)),
        ({"reuse_key": True}, ("ec", 256), KeyRequest("ec", 256, "secp256r1", True)),
    ],
)
def test_requested_key(options: dict[str, t.Any], there: tuple[str, int] | None, wanted: KeyRequest) -> None:
    """What is declared, else the kind that is there when it is good enough, else what the profile says."""
    (declared,) = checked([{**LEAST, **options}])
    assert requested_key(declared, leaf(key_kind=there[0], key_size=there[1]) if there else None) == wanted


def test_digest() -> None:
    """Another request, kind, size or reuse is another digest, so that nothing else is used that was staged for it."""
    requests = [KeyRequest("ec", 256, "secp256r1", False), KeyRequest("rsa", 256, None, False), KeyRequest("ec", 384, "secp384r1", False)]
    requests.append(KeyRequest("ec", 256, "secp256r1", True))
    digests = {request.digest(template) for request in requests for template in ("a", "b")}
    assert len(digests) == 8
