# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host showed, as values; nothing that a certificate holds makes it fail."""

from __future__ import annotations

import base64
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import chain_problem, found_from_host, leaf_from_der

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
Pair = tuple[bytes, t.Any]


def certificate(subject: str, issuer: tuple[str, t.Any] | None = None, key: t.Any = None, names: t.Sequence[x509.GeneralName] = ()) -> Pair:
    """A certificate (DER) and its key; without an issuer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name, above = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (subject, issuer[0] if issuer else subject))
    builder = x509.CertificateBuilder(above, name, key.public_key(), 7, NOW - timedelta(days=1), NOW + timedelta(days=89))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signer = issuer[1] if issuer else key
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()).public_bytes(serialization.Encoding.DER), key


ROOT = certificate("root")
ISSUING = certificate("issuing", ("root", ROOT[1]))
LEAF = certificate("leaf", ("issuing", ISSUING[1]), names=[x509.DNSName("Web.Example.com"), x509.DNSName("_bad_"), x509.RFC822Name("a@example.com")])
OTHER = certificate("issuing", ("root", ROOT[1]))


def test_leaf() -> None:
    """Names are canonical, what cannot be a name of a host is left out."""
    found = leaf_from_der(LEAF[0])
    assert [name.text for name in found.names] == ["web.example.com"]
    assert (found.not_before, found.not_after) == (NOW - timedelta(days=1), NOW + timedelta(days=89))
    assert (found.key_kind, found.key_size, found.problem) == ("ec", 256, None)


def test_ed25519() -> None:
    """A kind of key without sizes."""
    assert leaf_from_der(certificate("ed", key=ed25519.Ed25519PrivateKey.generate())[0]).key_kind == "ed25519"


@given(st.binary(max_size=300))
def test_leaf_never_raises(data: bytes) -> None:
    """Any bytes are a certificate with a problem, which is never taken for valid."""
    found = leaf_from_der(data)
    assert found.problem
    assert found.not_after == datetime.fromtimestamp(0, timezone.utc)


@given(position=st.integers(0, len(LEAF[0]) - 1), byte=st.integers(0, 255))
def test_damaged_leaf_never_raises(position: int, byte: int) -> None:
    """A certificate with one byte changed is read or has a problem; its chain is judged either way."""
    damaged = LEAF[0][:position] + bytes([byte]) + LEAF[0][position + 1 :]
    assert leaf_from_der(damaged).sha256
    if damaged != LEAF[0]:
        assert chain_problem(damaged, [ISSUING[0]])


@pytest.mark.parametrize(
    ("leaf", "chain", "good"),
    [
        (LEAF[0], [ISSUING[0], ROOT[0]], True),
        (LEAF[0], [ISSUING[0]], True),
        (LEAF[0], [], True),
        (None, [ROOT[0]], True),
        (LEAF[0], [ROOT[0]], False),
        (LEAF[0], [OTHER[0]], False),
        (LEAF[0], [ISSUING[0], ISSUING[0]], False),
        (LEAF[0], [b"garbage"], False),
        (LEAF[0].replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\1", 1), [ISSUING[0]], False),  # version 2
    ],
)
def test_chain_problem(leaf: bytes | None, chain: list[bytes], good: bool) -> None:
    """Each is issued by the next, by name and signature; nothing to judge is no problem."""
    problem = chain_problem(leaf, chain)
    assert (problem is None) is good
    assert good or str(problem).startswith("the chain does not lead from the certificate to its issuers: ")


def test_from_host() -> None:
    """Everything that a host told is there; what it left out is empty."""
    text = base64.b64encode(LEAF[0]).decode()
    served = {"address": "127.0.0.1", "port": 443, "name": None, "key_type": "any", "sha256": None, "error": "refused"}
    staged = {"transaction": "1" * 32, "state": "undone", "certificate": text, "chain": [text], "attempts": 1, "age": 5}
    found = found_from_host(
        {
            "files": [{"role": "key", "path": "/k", "state": "present", "mode": "0600"}],
            "certificate": text,
            "key": {"readable_by_others": True},
            "services": [{"name": "nginx", "served": [served]}, {"name": "idle"}],
            "installed": {"sha256": "ab"},
            "staged": [staged],
        }
    )
    assert (found.certificate, found.services, found.key_readable_by_others) == (LEAF[0], ("nginx", "idle"), True)
    assert [(probe.service, probe.error) for probe in found.probes] == [("nginx", "refused")]
    assert (found.staged[0].certificate, found.staged[0].chain, found.staged[0].csr) == (LEAF[0], (LEAF[0],), None)
    assert (found.files[0].owner, found.files[0].mode) == (None, "0600")
    assert found_from_host({}).leaf is None


def test_without_dates() -> None:
    """What cannot be read has no dates, and counts as long over."""
    assert leaf_from_der(b"no certificate").not_after.year == 1970
