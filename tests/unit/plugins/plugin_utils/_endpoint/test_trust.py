# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains, names and OCSP responses."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import typing as t

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.staple import staple_info
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.trust import RootsError, Trust, Verdict, name_matches, read_roots

SERVER, CLIENT = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"


def verdict(made: t.Any, chain: t.Sequence[t.Any], roots: t.Sequence[t.Any]) -> Verdict:
    return Trust(made.der(*roots), now=made.NOW).judge(made.der(*chain))


def test_a_chain_that_leads_to_a_root(made: t.Any) -> None:
    """In any order, with the root or without it, and with others around."""
    leaf, middle, root = made.chain()
    other = made.certificate("other", ca=True)
    for shown in ([leaf, middle], [leaf, middle, root], [leaf, root, other, middle], [leaf, middle, middle]):
        assert verdict(made, shown, [other, root]) == Verdict(True, True, None)
    assert verdict(made, [leaf], [middle]) == Verdict(True, True, None)
    assert verdict(made, [root], [root]).verified


@pytest.mark.parametrize(
    ("shown", "complete", "problem"),
    [
        (["leaf"], False, "its chain ends at 'commonName=leaf': no certificate of its issuer was shown, and it is not among the roots"),
        (["leaf", "middle"], False, "its chain ends at 'commonName=middle': no certificate of its issuer was shown, and it is not among the roots"),
        (["leaf", "middle", "root"], True, "its chain ends at 'commonName=root', which is not among the roots"),
        (["root"], True, "its chain ends at 'commonName=root', which is not among the roots"),
    ],
)
def test_a_chain_that_does_not(made: t.Any, shown: list[str], complete: bool, problem: str) -> None:
    """With the place where it ends."""
    chain = dict(zip(("leaf", "middle", "root"), made.chain(), strict=True))
    assert verdict(made, [chain[name] for name in shown], [made.certificate("other", ca=True)]) == Verdict(complete, False, problem)


def test_what_makes_a_complete_chain_worthless(made: t.Any) -> None:
    """Dates, a certificate that may not issue, a path that is too long, a certificate for clients."""
    root, middle = made.certificate("root", ca=True), made.certificate("middle", "root", ca=True)
    short = made.certificate("root2", ca=True, path_length=0)
    below = made.certificate("mid2", "top2", ca=True)
    top = made.certificate("top2", "root2", ca=True, path_length=0)
    for chain, anchors, problem in (
        ([made.certificate("leaf", "middle", begin=-100), middle], [root], "'commonName=leaf' expired"),
        ([made.certificate("leaf", "middle", begin=5), middle], [root], "'commonName=leaf' is not valid yet"),
        ([made.certificate("leaf", "middle"), made.certificate("middle", "root", ca=True, begin=-100)], [root], "'commonName=middle' expired"),
        ([made.certificate("leaf", "plain"), made.certificate("plain", "root")], [root], "'commonName=plain' may not issue certificates"),
        ([made.certificate("leaf", "mid2"), below, top], [short], "'commonName=top2' may not issue certificates"),
        ([made.certificate("leaf", "middle", usages=(CLIENT,)), middle], [root], "'commonName=leaf' is not for servers by its extended key usage"),
    ):
        assert verdict(made, chain, anchors) == Verdict(True, False, problem)
    assert verdict(made, [made.certificate("leaf", "middle", usages=(SERVER,)), middle], [root]).verified


def test_a_forged_signature_leads_nowhere(made: t.Any) -> None:
    """The issuer's name is not the issuer."""
    root = made.certificate("root", ca=True)
    assert not verdict(made, [made.certificate("leaf", "root", signer="thief")], [root]).complete
    assert verdict(made, [made.certificate("leaf", "root")], [root]).verified


def test_a_hostile_chain_costs_little(made: t.Any) -> None:
    """Many certificates of one name are not all tried, in whatever order; garbage is no certificate."""
    loop = [made.certificate("same", ca=True, days=days) for days in range(1, 50)]
    trust = Trust(made.der(made.certificate("root", ca=True)), now=made.NOW)
    begin = time.monotonic()
    assert not trust.judge(made.der(made.certificate("leaf", "same"), *loop)).verified
    assert time.monotonic() - begin < 2
    for garbage in (b"", b"\x30\x00", os.urandom(500)):
        assert trust.judge([garbage]) == Verdict(False, False, "its certificate cannot be read")
        assert not trust.judge([*made.der(made.certificate("leaf", "middle")), garbage]).verified


def test_openssl_agrees(made: t.Any, tmp_path: pathlib.Path) -> None:
    """On chains that are good, incomplete and forged."""
    leaf, middle, root = made.chain()
    forged = made.certificate("leaf", "middle", signer="thief")
    for name, certificates in {"root": [root], "middle": [middle], "leaf": [leaf], "forged": [forged]}.items():
        (tmp_path / name).write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates))
    for shown, above in (("leaf", ["middle"]), ("leaf", []), ("forged", ["middle"])):
        untrusted = [word for name in above for word in ("-untrusted", str(tmp_path / name))]
        at = str(int(made.NOW.timestamp()))
        argv = ["openssl", "verify", "-attime", at, "-no-CAfile", "-no-CApath", "-trusted", str(tmp_path / "root"), *untrusted, str(tmp_path / shown)]
        done = subprocess.run(argv, capture_output=True, check=False)
        chain = [{"leaf": leaf, "forged": forged}[shown], *([middle] if above else [])]
        assert verdict(made, chain, [root]).verified is (done.returncode == 0)


def test_roots(made: t.Any, tmp_path: pathlib.Path) -> None:
    """Files, folders, and without any what the system trusts."""
    root = made.certificate("root", ca=True)
    (tmp_path / "root.pem").write_bytes(b"# text\n" + root.public_bytes(serialization.Encoding.PEM) * 2)
    assert set(read_roots([str(tmp_path / "root.pem"), str(tmp_path)])) == set(made.der(root))
    assert isinstance(read_roots([]), list)
    (tmp_path / "empty.pem").write_text("nothing", encoding="utf-8")
    with pytest.raises(RootsError, match=r"^roots: '.*empty.pem' must be a file or folder with certificates in PEM, there is none$"):
        read_roots([str(tmp_path / "empty.pem")])
    with pytest.raises(RootsError, match=r"^roots: '.*nowhere' cannot be read: No such file or directory$"):
        read_roots([str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("alternatives", "wanted", "matches"),
    [
        (["DNS:www.example.com"], "www.example.com", True),
        (["DNS:WWW.Example.com"], "www.example.com", True),
        (["DNS:*.example.com"], "www.example.com", True),
        (["DNS:*.example.com"], "a.b.example.com", False),
        (["DNS:*.example.com"], "example.com", False),
        (["DNS:w*.example.com"], "www.example.com", False),
        (["DNS:*"], "www", False),
        (["DNS:example.com"], "www.example.com", False),
        (["IP:192.0.2.7"], "192.0.2.7", True),
        (["DNS:192.0.2.7"], "192.0.2.7", False),
        (["IP:2001:db8::7"], "2001:db8:0::7", True),
        (["email:www.example.com", "URI:www.example.com"], "www.example.com", False),
        ([], "www.example.com", False),
        (None, "192.0.2.7", False),
    ],
)
def test_names(alternatives: list[str] | None, wanted: str, matches: bool) -> None:
    """By RFC 9525: a wildcard stands for one whole label, an address is no name, and the common name does not count."""
    assert name_matches(alternatives, wanted) is matches


def test_a_response_is_told(made: t.Any) -> None:
    """Status and times in the formats of certificates."""
    leaf, _middle, root = made.chain()
    told = staple_info(made.response(leaf, root), serial_number=leaf.serial_number, now=made.NOW)
    expected = {"response_status": "successful", "certificate_status": "good", "this_update": "20260228120000Z", "next_update": "20260303120000Z"}
    assert expected.items() <= told.items()
    assert (told["revocation_time"], told["problem"]) == (None, None)
    revoked = staple_info(made.response(leaf, root, status="REVOKED"), serial_number=leaf.serial_number, now=made.NOW)
    assert (revoked["certificate_status"], revoked["revocation_time"]) == ("revoked", "20260228120000Z")


def test_what_is_wrong_with_a_response(made: t.Any) -> None:
    """Another certificate, old times, a refusal, garbage."""
    leaf, middle, root = made.chain()
    old = made.response(leaf, root, begin=-10)
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(serialization.Encoding.DER)
    for data, problem in (
        (made.response(middle, root), "it is for another certificate"),
        (old, "its time is over"),
        (refusal, "it has the status 'try_later'"),
        (b"", "it cannot be read: "),
        (b"\x30\x03\x0a\x01\x00", "it cannot be read: "),
        (os.urandom(300), "it cannot be read: "),
    ):
        told = staple_info(data, serial_number=leaf.serial_number, now=made.NOW)
        assert str(told["problem"]).startswith(problem)
