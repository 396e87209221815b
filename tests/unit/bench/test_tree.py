# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of the bench holds what it says."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess

import pytest

from ansible_collections.certops.fleet.tests.bench import tree


def test_of_a_hundred_each_kind_has_its_share() -> None:
    """60 PEM, 15 bundles with key and chain, 15 DER, 8 PKCS#12, 2 JKS."""
    kinds = [tree.kind_of(share)[0] for share in range(100)]
    assert {kind: kinds.count(kind) for kind in kinds} == {"pem": 60, "bundle": 15, "der": 15, "pkcs12": 8, "jks": 2}


def test_a_share_beyond_a_hundred_is_refused() -> None:
    """There is no kind for it."""
    with pytest.raises(ValueError, match="a share of a hundred must be below 100, got 100"):
        tree.kind_of(100)


def test_keystore_is_whole() -> None:
    """It begins with Java's magic, holds the certificate, and ends with the digest that its readers check."""
    stored = tree.keystore(b"certificate")
    assert stored.startswith(bytes.fromhex("feedfeed00000002"))
    assert stored[-31:-20] == b"certificate"
    assert stored[-20:] == hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + stored[:-20]).digest()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_certificates_of_every_kind_are_read_by_openssl(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fewer files than the bench has, spread over the kinds."""
    monkeypatch.setattr(tree, "CERTIFICATES", 8)
    monkeypatch.setattr(tree, "kind_of", lambda share: (("pem", "bundle", "der", "pkcs12")[share], ("x",)))
    readers = ("x509 -noout", "x509 -noout", "x509 -inform DER -noout", "pkcs12 -legacy -passin pass:changeit -noout")
    for number, path in enumerate(tree.certificates(tmp_path, tree.random.Random(1))):
        command = ["openssl", *readers[number // 2].split(), "-in", str(path)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0, path.read_bytes()[:60]


def test_a_tree_that_is_whole_stays(tmp_path: pathlib.Path) -> None:
    """The list is written last, so that half a tree is built again."""
    (tmp_path / "certificates.txt").write_text("kept\n")
    tree.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["certificates.txt"]
