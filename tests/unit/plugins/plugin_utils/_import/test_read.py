# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports of other programs: what becomes of them, and the sentence for each that cannot be used."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import pathlib
import typing as t

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ansible_collections.certops.fleet.plugins.plugin_utils._import import read, rows
from ansible_collections.certops.fleet.plugins.plugin_utils._import.read import read_export
from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import RowsError
from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import Imported, ImportedError, Mapping
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._inventory.conftest import make_der, sha256

MAPPINGS = pathlib.Path(__file__).resolve().parents[5] / "docs" / "mappings"
FIELDS = {"common_name": "name", "serial": "serial", "not_after": "ends", "owner": "team", "location": "where", "body": "pem", "sha256": "sha256"}
EVIL = "{{ lookup('pipe', 'touch evil') }}"
SERIAL = "5f2c0011"


@functools.cache
def _pem(name: str) -> str:
    return x509.load_der_x509_certificate(make_der(name)).public_bytes(serialization.Encoding.PEM).decode()


def _serial(name: str) -> int:
    return x509.load_der_x509_certificate(make_der(name)).serial_number


FORMAT = "mapping.date_format must be a format such as '%d.%m.%Y', with a year and without a zone, got"


def _read(folder: pathlib.Path, content: t.Any, name: str = "export.json", *, strict: bool = True, fields: t.Any = None, **other: t.Any) -> t.Any:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode())
    return read_export(str(path), Mapping.from_told({"fields": fields or FIELDS, **other}), strict=strict)


def _one(folder: pathlib.Path, row: dict[str, t.Any], **other: t.Any) -> Imported:
    (imported,) = _read(folder, [row], **other).certificates
    return t.cast(Imported, imported)


@pytest.mark.parametrize(
    "body",
    [
        lambda pem, der: pem,
        lambda pem, der: pem.replace("\n", "\\n"),
        lambda pem, der: f"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n{pem}{_pem('other')}",
        lambda pem, der: base64.b64encode(der).decode(),
    ],
)
def test_a_certificate_speaks_for_itself(tmp_path: pathlib.Path, body: t.Callable[[str, bytes], str]) -> None:
    """In every form that exports have it in; what else the row says of it does not count, and no other block is kept."""
    der = make_der("web")
    told = _one(tmp_path, {"pem": body(_pem("web"), der), "name": EVIL, "team": "Team Web", "ends": "2001-01-01"})
    assert (told.identity, told.sha256, told.der) == (sha256(der), sha256(der), der)
    assert (told.common_name, told.subject, told.issuer, told.names) == ("web", "commonName=web", "commonName=web", ("web.example",))
    assert (told.not_after, told.serial, told.owner) == (1780142400, f"{_serial('web'):x}", "Team Web")
    assert b"secret" not in repr(told).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "name,serial,ends,team,where\nweb,5F:2C:00:11,2026-11-23,Team Web,a\nweb,0x005f2c0011,2026-11-23T00:00:00+00:00,Team Web,b\n"),
        ("a.CSV", "\ufeffname;serial;ends;team;where\r\nweb;5f 2c 00 11;2026-11-23;Team Web;a\r\nweb;5f2c0011;2026-11-23;Team Web;b\r\n"),
        ("a.ndjson", '{"name": "web", "serial": "5f2c0011", "ends": 1795392000, "team": "Team Web", "where": ["a", "b"]}\n\n'),
        ("a.json", json.dumps([{"name": "web", "serial": int(SERIAL, 16), "ends": 1795392000000, "team": "Team Web", "where": "a\nb"}])),
    ],
)
def test_facts_alone(tmp_path: pathlib.Path, name: str, content: str) -> None:
    """From every kind of file; a row for each location is one certificate."""
    (told,) = _read(tmp_path, content, name).certificates
    assert (told.serial, told.common_name, told.not_after, told.owner, told.locations) == (SERIAL, "web", 1795392000, "Team Web", ("a", "b"))
    assert (told.sha256, told.der, len(told.identity)) == (None, None, 64)


@pytest.mark.parametrize(
    ("told", "date_format", "seconds"),
    [
        ("2026-11-23", None, 1795392000),
        ("2026-11-23 09:43", None, 1795426980),
        ("2026-11-23T09:43:04Z", None, 1795426984),
        ("2026-11-23T09:43:04.123456789+0100", None, 1795423384),
        ("2026-11-23T09:43:04.1+01:00", None, 1795423384),
        ("20261123094304Z", None, 1795426984),
        ("23.11.2026", "%d.%m.%Y", 1795392000),
        (1795426984.9, None, 1795426984),
    ],
)
def test_times(tmp_path: pathlib.Path, told: t.Any, date_format: str | None, seconds: int) -> None:
    """As exports write them."""
    assert _one(tmp_path, {"serial": "1", "ends": told}, date_format=date_format).not_after == seconds


@pytest.mark.parametrize("text", [EVIL, '=HYPERLINK("http://x")', "a\nb\x00", "x" * 50000, "Jürgen", "<script>"])
def test_texts_stay_texts(tmp_path: pathlib.Path, text: str) -> None:
    """Nothing of them is evaluated or refused; they are bounded, and databases take them."""
    told = _one(tmp_path, {"serial": "1", "name": text, "team": text, "where": [text]})
    assert told.common_name is not None
    assert told.common_name.startswith(text[:3])
    assert "\x00" not in told.common_name
    assert len(told.common_name) < 4200


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (1, "row 1 must be a dictionary, got 1"),
        ({}, "row 1 has no certificate, SHA-256 or serial number"),
        ({"name": "web"}, "row 1 has no certificate, SHA-256 or serial number"),
        ({"serial": "xyz"}, "row 1.serial must be a number in hexadecimal digits, got 'xyz'; decimal ones are serial_decimal"),
        ({"serial": -1}, "row 1.serial must be a number in hexadecimal digits, got -1; decimal ones are serial_decimal"),
        ({"serial": "f" * 5000}, "row 1.serial must be a number in hexadecimal digits, got 'fff"),
        ({"serial": True}, "row 1.serial must be a number in hexadecimal digits, got True; decimal ones are serial_decimal"),
        ({"sha256": "ab"}, "row 1.sha256 must be 64 digits of hexadecimal, got 'ab'"),
        ({"sha256": ["a"]}, "row 1.sha256 must be 64 digits of hexadecimal, got a list"),
        ({"pem": "no"}, "row 1.body holds no certificate in PEM"),
        ({"pem": base64.b64encode(b"no certificate").decode()}, "row 1.body holds no certificate in PEM"),
        ({"pem": 7}, "row 1.body must be a certificate in PEM of at most 100000 characters, got 7"),
        ({"pem": "x" * 100001}, "row 1.body must be a certificate in PEM of at most 100000 characters, got 100001 characters"),
        ({"pem": base64.b64encode(make_der("web")[:-5]).decode()}, "row 1.body holds no certificate that can be read: "),
        ({"pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "row 1.body holds no certificate in PEM"),
        ({"serial": "1", "ends": "31.12.2026"}, "row 1.not_after must be a time such as '2026-11-23' or '2026-11-23T09:43:04Z', got '31.12.2026'; "),
        ({"serial": "1", "ends": "2026-02-30"}, "row 1.not_after must be a time such as "),
        ({"serial": "1", "ends": 46000}, "row 1.not_after must be a time such as "),
        ({"serial": "1", "ends": 1e300}, "row 1.not_after must be a time such as "),
        ({"serial": "1", "ends": {"a": 1}}, "row 1.not_after must be a time such as "),
        ({"serial": "1", "team": {"a": 1}}, "row 1.owner must be a text, got a dictionary"),
        ({"serial": "1", "where": [["a"]]}, "row 1.location must be a text, got a list"),
        ({"serial": "1", "where": ["a"] * 1001}, "row 1.location must be a text or a list of at most 1000 texts, got 1001"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: pathlib.Path, row: t.Any, message: str) -> None:
    """Nothing of such a file is taken; where that is wanted, the rest of it is, and the row is told."""
    with pytest.raises(ImportedError) as caught:
        _read(tmp_path, [row])
    assert str(caught.value).startswith(f"'{tmp_path}/export.json' cannot be imported: {message}")
    assert len(str(caught.value)) < 500
    export = _read(tmp_path, [row, {"serial": "2"}], strict=False)
    assert ([each.serial for each in export.certificates], export.rows) == (["2"], 2)
    assert [problem.startswith(message) for problem in export.problems] == [True]


def test_what_contradicts_itself(tmp_path: pathlib.Path) -> None:
    """A serial number or SHA-256 that is not that of the certificate shows a wrong mapping; so does a certificate twice with two owners."""
    serial = f"{_serial('web'):x}"
    with pytest.raises(ImportedError, match=rf"row 1\.serial is 'abc', and its body has '{serial}'"):
        _read(tmp_path, [{"pem": _pem("web"), "serial": "abc"}])
    with pytest.raises(ImportedError, match=r"row 1\.sha256 is 'a+', and its body has "):
        _read(tmp_path, [{"pem": _pem("web"), "sha256": "a" * 64}])
    with pytest.raises(ImportedError, match="row 3 says something else of the same certificate as row 1"):
        _read(tmp_path, [{"serial": "1", "team": "a"}, {"serial": "2", "team": "b"}, {"serial": "1", "team": "b"}])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[]", "{path!r} lists no certificate: to take back what an origin lists, use state=absent"),
        ("a.csv", "name,serial\n", "{path!r} lists no certificate: to take back what an origin lists, use state=absent"),
        ("a.json", '[{"serial": "1"}, {"ser', "{path!r} is no JSON, and its name does not end in .csv: "),
        ("a.json", '{"serial": "1"}', "{path!r} must hold a list of rows, got a dictionary: mapping.items says where in it they are"),
        ("a.json", "[" * 100000, "{path!r} is no JSON, and its name does not end in .csv: "),
        ("a.json", f"[{'9' * 5000}]", "{path!r} "),
        ("a.jsonl", '{"serial": "1"}\n{"serial', "{path!r} has no JSON in line 2: "),
        ("a.csv", "name,serial\nweb", "{path!r} has 1 fields in line 2, the first line has 2"),
        ("a.csv", b"name,serial\nJ\xfcrgen,1\n", "{path!r} is not in UTF-8: byte 13 is 0xfc"),
        ("a.csv", b"\x00\x01\x02", "{path!r} "),
    ],
)
def test_files_that_cannot_be_used(tmp_path: pathlib.Path, name: str, content: str | bytes, message: str) -> None:
    """Truncated, empty, of another kind, hostile: one sentence with the file."""
    with pytest.raises((ImportedError, RowsError)) as caught:
        _read(tmp_path, content, name)
    assert str(caught.value).startswith(message.replace("{path!r}", repr(str(tmp_path / name))))


def test_limits(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bytes and of rows."""
    monkeypatch.setattr(rows, "ROWS_LIMIT", 1)
    with pytest.raises(RowsError, match="has 2 rows, at most 1 are imported"):
        _read(tmp_path, [{"serial": "1"}, {"serial": "2"}])
    monkeypatch.setattr(read, "IMPORT_BYTES", 1 << 20)
    with pytest.raises(RowsError, match="is larger than 1 MB"):
        _read(tmp_path, " " * ((1 << 20) + 1))


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (None, "mapping must be a dictionary with fields and, if wanted, items and date_format"),
        ({"fields": {"serial": "a"}, "rows": "x"}, "mapping must be a dictionary with fields and, if wanted, items and date_format"),
        ({"fields": {}}, "mapping.fields must be a dictionary of JMESPath expressions with one of body, sha256, serial, serial_decimal, got an empty one"),
        (
            {"fields": {"owner": "a"}},
            "mapping.fields must be a dictionary of JMESPath expressions with one of body, sha256, serial, serial_decimal, got 'owner'",
        ),
        ({"fields": "serial"}, "mapping.fields must be a dictionary of JMESPath expressions with one of body, sha256, serial, serial_decimal, got 'serial'"),
        ({"fields": {"serial": "a", "key": "b"}}, "mapping.fields.'key' is not known, accepted are body, sha256, "),
        ({"fields": {"serial": "[?"}}, "mapping.fields.serial: select '[?' is not possible: "),
        ({"fields": {"serial": EVIL}}, "mapping.fields.serial: select "),
        ({"fields": {"serial": 7}}, "mapping.fields.serial must be a JMESPath expression, got 7"),
        ({"fields": {"serial": "a"}, "items": "]"}, "mapping.items: select ']' is not possible: "),
        ({"fields": {"serial": "a"}, "date_format": "%Y %z"}, f"{FORMAT} '%Y %z'"),
        ({"fields": {"serial": "a"}, "date_format": "%d.%m."}, f"{FORMAT} '%d.%m.'"),
    ],
)
def test_mappings_that_are_refused(mapping: t.Any, message: str) -> None:
    """Before the file is read."""
    with pytest.raises((ImportedError, RowsError)) as caught:
        Mapping.from_told(mapping)
    assert str(caught.value).startswith(message)


def test_a_format_that_is_none(tmp_path: pathlib.Path) -> None:
    """Is told with the time that it cannot read."""
    with pytest.raises(ImportedError, match=r"row 1\.not_after must be a time such as '%Y%d%d', got '11'; mapping.date_format is for others"):
        _read(tmp_path, [{"serial": "1", "ends": "11"}], date_format="%Y%d%d")


LEMUR = {
    "items": [
        {
            "cn": "web.example",
            "body": _pem("web"),
            "chain": "",
            "owner": "joe@example.com",
            "serial": str(_serial("web")),
            "issuer": "InternalCA",
            "notAfter": "2026-05-30T12:00:00+00:00",
            "domains": [{"sensitive": False, "id": 1, "name": "web.example"}],
            "destinations": [{"id": 3, "label": "load balancer"}],
            "name": "web.example-InternalCA-20260301-20260530",
        }
    ],
    "total": 1,
}
SHA1 = hashlib.sha1(make_der("web"), usedforsecurity=False).hexdigest().upper()
CLOUD = {
    "count": 1,
    "certificates": [
        {
            "id": "b3184db0-bce1-11eb-8ea7-472b6688a8bb",
            "fingerprint": SHA1,
            "serialNumber": f"{_serial('web'):X}",
            "subjectDN": "cn=web",
            "subjectCN": ["web"],
            "subjectAlternativeNamesByType": {"dNSName": ["web.example"], "rfc822Name": []},
            "issuerDN": "cn=Internal CA",
            "validityEnd": "2026-05-30T12:00:00.000+0000",
        }
    ],
}
_OF_PLATFORM = {"CN": "web", "Serial": f"{_serial('web'):X}", "Thumbprint": SHA1, "ValidTo": "2026-05-30T12:00:00.0000000Z", "Issuer": "CN=Internal CA"}
_OBJECT = {"DN": "\\VED\\Policy\\Web\\web", "Guid": "{aaaa}", "Name": "web", "ParentDn": "\\VED\\Policy\\Web", "SchemaClass": "X509 Server Certificate"}
PLATFORM = {"Certificates": [{**_OBJECT, "X509": {**_OF_PLATFORM, "SANS": {"DNS": ["web.example"]}}}], "TotalCount": 1}
DETAILS = [{**_OBJECT, "Contact": ["local:{f47ab62f}"], "Consumers": ["web1"], "CertificateDetails": {**_OF_PLATFORM, "SubjectAltNameDNS": ["web.example"]}}]
SHEET = "Common name;Serial number;Valid until;Owner;Location\nweb;5f:2c:00:11;30.05.2026;Team Web;web1\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("lemur", LEMUR), ("venafi_cloud", CLOUD), ("venafi_platform", PLATFORM), ("venafi_platform", DETAILS), ("spreadsheet", SHEET)],
)
def test_ready_mappings(tmp_path: pathlib.Path, name: str, content: t.Any) -> None:
    """Fit answers as the makers of these products document them."""
    mapping = yaml.safe_load((MAPPINGS / f"{name}.yml").read_text(encoding="utf-8"))
    ending = "csv" if name == "spreadsheet" else "json"
    (told,) = _read(tmp_path, content, f"export.{ending}", **mapping).certificates
    assert told.common_name == "web"
    assert abs((told.not_after or 0) - 1780142400) <= 86400
    assert told.reference or told.locations
    assert (told.sha1, told.sha256) in ((SHA1.lower(), None), (None, sha256(make_der("web"))), (None, None))


def test_every_ready_mapping_is_tried() -> None:
    """None is added without an answer that it fits."""
    assert {path.stem for path in MAPPINGS.iterdir()} == {"lemur", "venafi_cloud", "venafi_platform", "spreadsheet"}
