# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that explains messages knows every kind of error and every reason, and quotes nothing that does not exist."""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
# Never shown to a user as they are: caught and told in the words of another one, or as the reason of a place that was passed over.
INTERNAL = {
    "_Untranslatable",
    "AclError",
    "DerError",
    "DigestsError",
    "FlagsError",
    "JavaError",
    "LostError",
    "OutOfTimeError",
    "StarttlsError",
    "UnusableError",
    "_SourcesWanted",
}
ANSIBLES_OWN = {"UNREACHABLE", "Missing sudo password", "Incorrect sudo password", "could not be found", "the playbook:"}
ANSIBLES_OWN |= {"Could not match supplied host pattern", "no hosts matched", "Validation of arguments failed", "The module interpreter"}


@functools.cache
def _trees() -> tuple[ast.Module, ...]:
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "plugins").rglob("*.py"))


def _nodes(kind: type[t.Any]) -> t.Iterator[t.Any]:
    return (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, kind))


def _template(node: ast.JoinedStr) -> str:
    """An f-string with … where values stand."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


@functools.cache
def _texts() -> str:
    constants = [node.value for node in _nodes(ast.Constant) if isinstance(node.value, str)]
    return "\n".join([*constants, *map(_template, _nodes(ast.JoinedStr))])


def _errors() -> set[str]:
    """Every exception of the collection, by its base."""
    known = {"ValueError", "Exception"}
    classes = [(node.name, {ast.unparse(base) for base in node.bases}) for node in _nodes(ast.ClassDef)]
    for _depth in range(3):
        known |= {name for name, bases in classes if bases & known}
    return known - {"ValueError", "Exception"}


def _codes() -> set[str]:
    """The codes of the reasons in decide.py."""
    tree = ast.parse((ROOT / "plugins/plugin_utils/_certificate/decide.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    first = {call.args[0].value for call in calls if call.func.id == "_now" and isinstance(call.args[0], ast.Constant)}
    second = {call.args[1].value for call in calls if call.func.id == "Reason" and isinstance(call.args[1], ast.Constant)}
    return first | second


def _quoted() -> set[str]:
    """Sentences between backticks in the first column of a table."""
    columns = re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE)
    return {quote for column in columns for quote in re.findall(r"`([^`]+)`", column)}


def test_every_kind_of_error_has_its_place() -> None:
    """An error class that is new must be put into a section of the page, and its messages explained there."""
    listed = [name for names in re.findall(r"<!-- ([A-Za-z ]+) -->", PAGE) for name in names.split()]
    assert len(listed) == len(set(listed))
    assert set(listed) | INTERNAL == _errors()


def test_every_reason_is_explained() -> None:
    """By its code."""
    assert _codes() - set(re.findall(r"`([a-z_]+)`", PAGE)) == set()
    assert len(_codes()) > 8


def test_what_is_quoted_exists() -> None:
    """Each piece of a sentence between two values is in the code, or is Ansible's."""
    pieces = {piece.strip(" []:,;()?") for quote in _quoted() for piece in quote.split("…")}
    wanted = {piece for piece in pieces if len(piece) > 3 and not any(piece in own for own in ANSIBLES_OWN)}
    assert len(wanted) > 60
    assert sorted(piece for piece in wanted if piece not in _texts()) == []
