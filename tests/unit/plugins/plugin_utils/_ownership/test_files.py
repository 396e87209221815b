# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of rules and exports of a CMDB: what becomes of them, and the sentence for each that is no such file."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._import import rows
from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import RowsError
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership import files
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.files import import_file, rules_file
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError

RULE = "- match: {host: web1}\n  set: {owner: wéb}\n"
MAPPING = {"match": {"host": "hostname"}, "set": {"owner": "team", "contacts": "mail"}}


REFUSED = (OwnershipError, RowsError)


def _write(folder: pathlib.Path, content: str | bytes, name: str = "file") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def _deep(text: str) -> str:
    return text * 5000


@pytest.mark.parametrize("content", [RULE, f"\ufeff{RULE}", f"rules:\n{RULE}", json.dumps({"rules": [{"match": {"host": "web1"}, "set": {"owner": "wéb"}}]})])
def test_rules(tmp_path: pathlib.Path, content: str) -> None:
    """A list, or a dictionary with nothing but a list."""
    (rule,) = rules_file(_write(tmp_path, content), origin="ops")
    assert (rule.match, rule.given, rule.source, rule.origin) == ((("host", ("web1",)),), (("owner", "wéb"),), "rules", "ops")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "rules must be a list of at most 200000 rules, got None"),
        ("rules: {a: 1}", "rules must be a list of at most 200000 rules, got a dictionary"),
        ("a: [", "{path!r} is no YAML: "),
        ("- match: {host: a, host: b}\n  set: {owner: x}", "{path!r} is no YAML: the key 'host' is there twice"),
        ("- !!python/object/apply:os.system ['touch x']", "{path!r} is no YAML: could not determine a constructor"),
        ("- !vault secret", "{path!r} is no YAML: could not determine a constructor"),
        ("- {{ x }}", "{path!r} is no YAML: "),
        ("- match: {host: a}\n  set: {owner: '{{ x }}'}", "rules[0].set.owner looks like a template"),
        ("- &a [*a]", "rules[0] must be a dictionary with match and set alone, got a list"),
        ("- ? {a: 1}\n  : 2", "{path!r} is no YAML: "),
        ("2026-99-99", "{path!r} is no YAML: "),
        (_deep("["), "{path!r} is no YAML: "),
        (b"- \xff", "{path!r} is not in UTF-8: byte 2 is 0xff"),
        (b"- a\x00b", "{path!r} is no YAML: "),
    ],
)
def test_what_is_no_file_of_rules(tmp_path: pathlib.Path, content: str | bytes, message: str) -> None:
    """The file is named, and nothing in it was run."""
    path = _write(tmp_path, content)
    with pytest.raises(REFUSED) as caught:
        rules_file(path, origin="rules")
    assert str(caught.value).startswith(message.replace("{path!r}", repr(path)))
    assert len(str(caught.value)) < 1000


def test_files_that_cannot_be_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, a pipe that nobody writes to, too large."""
    with pytest.raises(REFUSED, match="cannot be read: No such file or directory"):
        rules_file(str(tmp_path / "nothing"), origin="rules")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(REFUSED, match="pipe' is no file"):
        rules_file(str(tmp_path / "pipe"), origin="rules")
    monkeypatch.setattr(files, "RULES_BYTES", 1 << 20)
    with pytest.raises(REFUSED, match="is larger than 1 MB"):
        rules_file(_write(tmp_path, "#" * ((1 << 20) + 1)), origin="rules")


@pytest.mark.parametrize(
    ("name", "content", "mapping"),
    [
        ("cmdb.csv", "hostname,team,mail\nweb1,Wéb,b@x;a@x\n\nweb1,Wéb,b@x;a@x\ndb1,,\n", MAPPING),
        ("cmdb.CSV", '\ufeffhostname;team;mail\r\nweb1;"Wéb";"a@x,b@x"\r\n', MAPPING),
        ("cmdb.json", json.dumps([{"hostname": "web1", "team": "Wéb", "mail": ["a@x", "b@x"]}, {"hostname": "db1", "team": None, "mail": []}]), MAPPING),
        (
            "cmdb.json",
            json.dumps({"result": {"ci": [{"name": ["web1"], "by": {"team": "Wéb"}, "to": [{"mail": "a@x"}, {"mail": "b@x"}]}]}}),
            {"items": "result.ci", "match": {"host": "name[0]"}, "set": {"owner": "by.team", "contacts": "to[].mail"}},
        ),
    ],
)
def test_imports(tmp_path: pathlib.Path, name: str, content: str, mapping: t.Any) -> None:
    """Rows without any attribute are passed over, the same row again is the same rule."""
    (rule,) = import_file(_write(tmp_path, content, name), mapping, origin="cmdb")
    assert rule.match == (("host", ("web1",)),)
    assert rule.given == (("owner", "Wéb"), ("contacts", ("a@x", "b@x")))
    assert rule.source == "import"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "{path!r} must begin with a line of names, each there once, got ''"),
        ("a.csv", "hostname,hostname\n", "{path!r} must begin with a line of names, each there once, got 'hostname,hostname'"),
        ("a.csv", "hostname,,team\n", "{path!r} must begin with a line of names, each there once, got 'hostname,,team'"),
        ("a.csv", "hostname,team\nweb1\n", "{path!r} has 1 fields in line 2, the first line has 2"),
        ("a.csv", 'hostname,team\n"web1,x\n', "{path!r} is no CSV: "),
        ("a.csv", f"hostname,team\n{'x' * 200000},x\n", "{path!r} is no CSV: field larger than field limit"),
        ("a.csv", "hostname,team\n,web\n", "{path!r} cannot be imported: row 1.match must have one of "),
        ("a.csv", "hostname,team\nweb1,a\nweb1,b\n", "{path!r} cannot be imported: row 2 says something else of the same as row 1"),
        ("a.csv", "hostname,team\nweb1,{{ lookup('pipe'; 'x') }}\n", "{path!r} cannot be imported: row 1.set.owner looks like a template"),
        ("a.csv", "hostname,team\n" + "web1,{{x}}\n" * 12, "{path!r} cannot be imported: row 1.set.owner looks"),
        ("a.csv", b"hostname,team\nweb1,J\xfcrgen\n", "{path!r} is not in UTF-8: byte 20 is 0xfc"),
        ("a.json", "hostname,team\n", "{path!r} is no JSON, and its name does not end in .csv: "),
        ("a.json", "{}", "{path!r} must hold a list of rows, got a dictionary: mapping.items says where in it they are"),
        ("a.json", "[1]", "{path!r} cannot be imported: row 1 must be a dictionary, got 1"),
        ("a.json", '[{"hostname": {"a": 1}, "team": "x"}]', "{path!r} cannot be imported: row 1.match.host must be a text of"),
        ("a.json", '[{"hostname": "a", "team": {"a": 1}}]', "{path!r} cannot be imported: row 1.set.owner must be one line of"),
        ("a.json", "[" * 100000, "{path!r} is no JSON, and its name does not end in .csv: "),
    ],
)
def test_what_cannot_be_imported(tmp_path: pathlib.Path, name: str, content: str | bytes, message: str) -> None:
    """Nothing of a file with a mistake is taken, and the first ones are told."""
    path = _write(tmp_path, content, name)
    with pytest.raises(REFUSED) as caught:
        import_file(path, MAPPING, origin="cmdb")
    assert str(caught.value).startswith(message.replace("{path!r}", repr(path)))
    if name == "a.csv" and "{{x}}" in str(content):
        assert str(caught.value).endswith("; and 2 more")


def test_too_many_rows(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are counted before they are looked at."""
    monkeypatch.setattr(rows, "ROWS_LIMIT", 1)
    with pytest.raises(REFUSED, match="has 2 rows, at most 1 are imported"):
        import_file(_write(tmp_path, "hostname,team\na,b\nc,d\n", "a.csv"), MAPPING, origin="cmdb")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (None, "mapping must be a dictionary with match, set and, for the rows of a JSON file, items"),
        ({"match": {}}, "mapping must be a dictionary with match, set and, for the rows of a JSON file, items"),
        ({"match": {"host": "a"}, "set": {"owner": "b"}, "rows": "x"}, "mapping must be a dictionary with match, set and, "),
        ({"match": {}, "set": {"owner": "b"}}, "mapping.match must be a dictionary of JMESPath expressions, got a dictionary"),
        ({"match": {"ip": "a"}, "set": {"owner": "b"}}, "mapping.match.'ip' is not known, accepted are namespace, "),
        ({"match": {"host": "a"}, "set": {"team": "b"}}, "mapping.set.'team' is not known, accepted are owner, "),
        ({"match": {"host": 1}, "set": {"owner": "b"}}, "mapping.match.host must be a JMESPath expression, got 1"),
        ({"match": {"host": "[?"}, "set": {"owner": "b"}}, "mapping.match.host: select '[?' is not possible: "),
        ({"match": {"host": "length(hostname)"}, "set": {"owner": "b"}}, "mapping.match.host: select 'length(hostname)' is not possible: "),
        ({"match": {"host": "a"}, "set": {"owner": "b"}, "items": "]"}, "mapping.items: select ']' is not possible: "),
    ],
)
def test_mappings_that_are_refused(tmp_path: pathlib.Path, mapping: t.Any, message: str) -> None:
    """Before the rows are; an expression that does not fit a row, with the row."""
    path = _write(tmp_path, json.dumps([{"hostname": 7, "team": "x"}]), "a.json")
    with pytest.raises(REFUSED) as caught:
        import_file(path, mapping, origin="cmdb")
    assert str(caught.value).removeprefix(f"{path!r} cannot be imported: ").startswith(message)
