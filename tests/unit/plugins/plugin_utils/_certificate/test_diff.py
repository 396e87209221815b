# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old and new certificate for diff mode."""

from __future__ import annotations

from cryptography import x509

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.diff import certificate_diff, certificate_text, expected_text
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.conftest import checked
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.test_found import certificate

ITEM = {"name": "web", "names": ["web.example.com", "192.0.2.1"], "certificate_path": "/tls/web.pem"}


def test_hostile_text_stays_on_its_line() -> None:
    """A subject with line breaks and colours adds no line and no control character to a diff."""
    der, _key = certificate("evil\n-subject: {'commonName': 'good'}\x1b[31m", names=[x509.DNSName("web.example.com")])
    text = certificate_text(der)
    assert all(line.partition(":")[0].isidentifier() for line in text.splitlines())
    assert text.isprintable() or set(text) - set("\n") <= {character for character in text if character.isprintable()}


def test_none_and_garbage() -> None:
    """No certificate is no text; one that cannot be read has its digest."""
    assert certificate_text(None) == ""
    assert "sha256: " in certificate_text(b"garbage")


def test_expected() -> None:
    """Before a certificate is issued, its names, profile and key are known."""
    (declared,) = checked([ITEM])
    text = expected_text(declared, KeyRequest("ed25519", None, None, False))
    assert text == "subject_alt_name: ['DNS:web.example.com', 'IP:192.0.2.1']\nprofile: 'tls_server'\nkey: ed25519\n"
    assert certificate_diff(declared, None, text)["before_header"] == "web (/tls/web.pem)"
