# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hangs on a certificate, a key, an issuer, a host or a service, as rows, as a result and as a picture."""

from __future__ import annotations

import functools
import itertools
import json
import typing as t
import xml.etree.ElementTree as ET

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import signers
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import certificate_rows, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.radius import SUBJECTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName, InventoryError, Issuer
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.graph import COLUMNS, radius
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.picture import MOST, picture
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from

MARKUP = "shop & <b>co</b>"
EVIL = '</text><script>alert("{{ 6 * 7 }}")</script>'


@functools.cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _der(start: t.Any, name: str, issuer: str, key: str | None = None, signer: str | None = None, *, told: str | None = None) -> bytes:
    """Signed by the key of its issuer, or telling that it were (C(told)); CAs are those whose name says so."""
    subject, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    builder = x509.CertificateBuilder(by, subject, _key(key or name).public_key(), x509.random_serial_number(), start, start.replace(year=start.year + 1))
    builder = builder.add_extension(x509.BasicConstraints(ca=name.endswith("CA"), path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(_key(key or name).public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(told or signer or issuer).public_key()), critical=False)
    return builder.sign(_key(signer or issuer), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _spki(der: bytes) -> str:
    return str(certificate_rows(sha256_of(der), der)[0]["spki"])


@pytest.fixture(name="ders")
def _ders(tools: t.Any) -> dict[str, bytes]:
    """A root, a CA below it, two certificates of that one, one of the root, one of another CA of the same name, and a renewed one with its old key."""
    chain = {"Root CA": "Root CA", "Sub CA": "Root CA", "web": "Sub CA", "db": "Sub CA", EVIL: "Root CA", "other": "other"}
    ders = {name: _der(tools.START, name, issuer) for name, issuer in chain.items()}
    return {**ders, "old": _der(tools.START, "old", "Sub CA", "web")}


@pytest.fixture(name="fleet")
def _fleet(inventory: Inventory, tools: t.Any, clock: t.Any, ders: dict[str, bytes]) -> Inventory:
    """web1 has web (by nginx), the CAs and a key; web2 has web, too, and db; web3 has the strange one; an endpoint of nobody shows old."""
    one = tools.answer(ders["web"], ders["Sub CA"], ders["Root CA"])
    one["places"][0]["services"] = ["nginx", EVIL]
    one["places"][2]["class"] = "trust_store"
    one["services"] = [{"name": "nginx", "entry": "nginx"}]
    one["keys"] = [{"path": "/etc/tls/web.key", "spki": _spki(ders["web"])}]
    for name, answer in (("web1", one), ("web2", tools.answer(ders["web"], ders["db"])), ("web3", tools.answer(ders[EVIL], ders["other"]))):
        tools.record(inventory, answer, at=clock.time, host=HostName("lab", name))
    facts = {**dict.fromkeys(("inventory_host", "protocol", "cipher", "reason", *FACTS)), "state": "seen", "port": 443, "starttls": "", "name": ""}
    endpoint = {**facts, "target": "outside.example", "address": "198.51.100.7", "chain": [sha256_of(ders["old"])]}
    inventory.record_endpoints(EndpointsRecord("lab", "", [endpoint], {sha256_of(ders["old"]): ders["old"]}))
    inventory.put_issuer(Issuer(name="internal", kind="embedded", certificate=ders["Sub CA"]))
    given = {"owner": "Team Web", "contacts": "b@x,a@x", "application": "shop", "business_service": MARKUP}
    inventory.assign(Wanted("rules", "ops", (rule_from({"host": "web1"}, given, source="rules", origin="ops", where="rule"),)))
    return inventory


def _names(inventory: Inventory, subject: str, name: str) -> set[str]:
    return {row["common_name"] for row in inventory.affected(subject, name).certificates.values()}


def test_what_is_affected(fleet: Inventory, ders: dict[str, bytes]) -> None:
    """Of each kind of question; a certificate is found with colons and in capitals, an issuer by three names."""
    web = sha256_of(ders["web"])
    assert _names(fleet, "certificate", ":".join(web[at : at + 2] for at in range(0, 64, 2)).upper()) == {"web"}
    assert _names(fleet, "key", _spki(ders["web"])) == {"web", "old"}
    for name in ("internal", "Sub CA", sha256_of(ders["Sub CA"])):
        assert _names(fleet, "issuer", name) == {"web", "db", "old"}
    assert _names(fleet, "issuer", "Root CA") == {"Sub CA", "web", "db", "old", EVIL}
    assert _names(fleet, "host", "web1") == {"web", "old", "Sub CA"}
    assert _names(fleet, "host", "web2") == {"web", "db"}
    assert _names(fleet, "service", "nginx") == {"web"}


def test_what_is_gone_is_not_affected(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Neither places nor keys count that are not there any more."""
    tools.record(fleet, tools.answer(), at=clock.move(days=1), host=HostName("lab", "web1"))
    assert _names(fleet, "host", "web1") == set()
    assert _names(fleet, "service", "nginx") == set()
    assert [place.host for place in fleet.affected("issuer", "internal").places] == ["web2", "web2", "outside.example"]


def test_what_is_not_known_is_told(inventory: Inventory) -> None:
    """No answer would look like nothing to fear."""
    for subject in SUBJECTS:
        with pytest.raises(InventoryError, match=f"^{subject} 'nobody%_' is not in the inventory$"):
            inventory.affected(subject, "nobody%_")


def test_a_ca_of_the_same_name_is_another_one(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """By the identifier of its key."""
    other = _der(tools.START, "stranger", "Sub CA", signer="another")
    tools.record(fleet, tools.answer(other), at=clock.time, host=HostName("lab", "web4"))
    assert "stranger" not in _names(fleet, "issuer", "Sub CA")


def test_who_claims_a_ca_is_not_below_it(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """One with its name and the identifier of its key is told, and nothing hangs on it; neither does what a CA like that has signed."""
    forged = [_der(tools.START, "forged", "Sub CA", signer="thief", told="Sub CA"), _der(tools.START, "Forged CA", "Root CA", signer="thief", told="Root CA")]
    tools.record(fleet, tools.answer(*forged, _der(tools.START, "below", "Forged CA")), at=clock.time, host=HostName("lab", "web4"))
    assert _names(fleet, "issuer", "Root CA") == {"Sub CA", "web", "db", "old", EVIL}
    result, _graph = radius(fleet.affected("issuer", "Root CA"), limit=100)
    assert [row["name"] for row in result["not_signed"]] == ["Forged CA", "forged"]
    counts = {name: result["figures"][name] for name in ("not_signed", "signatures_verified", "signatures_unchecked")}
    assert counts == {"not_signed": 2, "signatures_verified": 5, "signatures_unchecked": 0}
    result, graph = radius(fleet.affected("certificate", sha256_of(forged[0])), limit=100)
    assert [row["name"] for row in result["not_signed"]] == ["forged"]
    assert {kind for kind, _identity in graph.labels} == {"key", "certificate", "place", "host"}


def test_a_ca_with_a_new_key(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Has signed what it signed with that; who was signed with the old one claims nothing of it."""
    new = [_der(tools.START, "Sub CA", "Root CA", "new key"), _der(tools.START, "fresh", "Sub CA", signer="new key")]
    tools.record(fleet, tools.answer(*new), at=clock.time, host=HostName("lab", "web4"))
    assert _names(fleet, "issuer", sha256_of(new[0])) == {"fresh"}
    found = fleet.affected("issuer", "Sub CA")
    assert {row["common_name"] for row in found.certificates.values()} == {"web", "db", "old", "fresh"}
    assert found.not_signed == ()


def test_signatures_are_checked_up_to_a_number(fleet: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """After that names decide, and that is told."""
    monkeypatch.setattr(signers, "CHECKS", 2)
    result, _graph = radius(fleet.affected("issuer", "Root CA"), limit=100)
    assert (result["figures"]["certificates"], result["figures"]["signatures_verified"], result["figures"]["signatures_unchecked"]) == (5, 2, 3)


def test_an_algorithm_that_nobody_knows(fleet: Inventory, tools: t.Any, clock: t.Any, ders: dict[str, bytes]) -> None:
    """Is no reason to take a certificate for somebody else's."""
    der = _der(tools.START, "odd", "Sub CA").replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f"))
    tools.record(fleet, tools.answer(der), at=clock.time, host=HostName("lab", "web4"))
    assert "odd" in _names(fleet, "issuer", "Sub CA")


def test_the_chains_of_a_report(fleet: Inventory, ders: dict[str, bytes], tools: t.Any, clock: t.Any) -> None:
    """The CAs above what is in use, each once, and which of them signed what; a forged certificate is of none."""
    forged = _der(tools.START, "forged", "Sub CA", signer="thief", told="Sub CA")
    tools.record(fleet, tools.answer(forged), at=clock.time, host=HostName("lab", "web4"))
    chains = fleet.chains()
    names = [authority["name"] for authority in chains.authorities]
    root, sub = names.index("Root CA"), names.index("Sub CA")
    assert len(names) == 2
    assert [(chains.authorities[number]["root"], chains.authorities[number]["above"]) for number in (root, sub)] == [(True, []), (False, [root])]
    signed = {name: chains.signed_by.get(sha256_of(der)) for name, der in {**ders, "forged": forged}.items()}
    assert signed == {"web": sub, "db": sub, "old": sub, "Sub CA": root, EVIL: root, "Root CA": None, "other": None, "forged": None}


def test_the_result(fleet: Inventory, ders: dict[str, bytes]) -> None:
    """Figures and whom to call count everything; the lists are as long as is asked for."""
    result, graph = radius(fleet.affected("issuer", "internal"), limit=1)
    owned = {"applications": 1, "business_services": 1, "owners": 1, "places_without_owner": 3}
    owned |= {"not_signed": 0, "signatures_verified": 4, "signatures_unchecked": 0}
    assert result["figures"] == {"certificates": 3, "places": 4, "keys": 2, "hosts": 3, "services": 2, **owned}
    called = [(row["owner"], row["contacts"], row["places"], row["certificates"], row["hosts"]) for row in result["call"]]
    assert called == [("Team Web", ["a@x", "b@x"], 1, 1, 1), (None, [], 3, 3, 2)]
    assert (len(result["certificates"]), len(result["places"])) == (1, 1)
    assert [(key["host"], key["path"]) for key in result["private_keys"]] == [("web1", "/etc/tls/web.key")]
    assert json.loads(json.dumps(result)) == result
    assert len(graph.labels) < len(radius(fleet.affected("issuer", "internal"), limit=100)[1].labels)


def test_the_graph(fleet: Inventory, ders: dict[str, bytes]) -> None:
    """From the root to the owner, each on the one before it."""
    result, _graph = radius(fleet.affected("certificate", sha256_of(ders["web"])), limit=100)
    labels = {node["id"]: (node["kind"], node["label"]) for node in result["nodes"]}
    edges = {(labels[edge["from"]], labels[edge["to"]]) for edge in result["edges"]}
    key, web = ("key", f"key {_spki(ders['web'])[:16]}"), ("certificate", "web")
    way = [("root", "Root CA"), ("issuer", "Sub CA"), web, ("place", "/etc/tls/0.pem"), ("service", "nginx"), ("host", "web1")]
    way += [("application", "shop"), ("business_service", MARKUP), ("owner", "Team Web")]
    assert set(itertools.pairwise(way)) | {(key, web)} <= edges
    assert {one for one, other in edges if other == web} == {key, ("issuer", "Sub CA")}
    assert (("place", "/etc/tls/0.pem"), ("host", "web2")) in edges
    assert [node["kind"] for node in result["nodes"]] == sorted((node["kind"] for node in result["nodes"]), key=COLUMNS.index)


def test_the_picture(fleet: Inventory) -> None:
    """A second reader takes it for XML; what others wrote is text, nothing is loaded, and it is the same each time."""
    _result, graph = radius(fleet.affected("issuer", "Root CA"), limit=100)
    drawn = picture(graph, f"issuer {EVIL}")
    assert drawn == picture(radius(fleet.affected("issuer", "Root CA"), limit=100)[1], f"issuer {EVIL}")
    root = ET.fromstring(drawn)
    assert {element.tag.partition("}")[2] for element in root.iter()} == {"svg", "title", "style", "path", "text", "rect", "g"}
    assert {name for element in root.iter() for name in element.attrib} <= {"viewBox", "width", "height", "role", "class", "x", "y", "rx", "d"}
    texts = [element.text for element in root.iter() if element.tag.endswith("}title")]
    assert {EVIL, f"issuer {EVIL}", MARKUP, "Team Web", "web1"} <= set(texts)
    assert "<script" not in drawn


def test_a_picture_stays_small() -> None:
    """Of many nodes the first ones are shown, and how many there are besides; control characters do not end the file."""
    labels: dict[t.Any, str] = {("host", str(number)): f"h\x00\x1b{number}\ud800" for number in range(MOST + 7)}
    drawn = picture(type("Graph", (), {"labels": labels, "edges": ()})(), "x")
    assert "… 7 more" in drawn
    assert len(ET.fromstring(drawn.encode()).findall(".//{*}rect")) == MOST
