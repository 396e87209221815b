# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as files of other programs. One document after the other is read, written and forgotten."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._files.stream import put_parts
from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import octal_mode
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import csv_cell

VALUE = "value"  # the column of what is no dictionary


def checked_mode(value: t.Any) -> int:
    """The mode of the file. Raises QuestionError."""
    mode = octal_mode(value)
    if mode is None:
        raise QuestionError(f"mode must be an octal mode such as '0640', got {value!r}")
    return mode


def write_export(path: str, documents: t.Iterable[t.Any], *, form: str, mode: int, write: bool) -> tuple[bool, int]:
    """Whether the file was changed, or would be, and how many documents it holds."""
    counted = Counted(documents)
    try:
        return put_parts(path, FORMATS[form](counted), mode=mode, write=write), counted.count
    except OSError as exc:
        raise QuestionError(f"export {path!r} cannot be written: {exc.strerror}") from exc


class Counted:
    """Documents, and how many of them were taken."""

    def __init__(self, documents: t.Iterable[t.Any]) -> None:
        self._documents = documents
        self.count = 0

    def __iter__(self) -> t.Iterator[t.Any]:
        for document in self._documents:
            self.count += 1
            yield document


def to_ndjson(documents: t.Iterable[t.Any]) -> t.Iterator[str]:
    """One document a line."""
    for document in documents:
        yield _json(document) + "\n"


def to_json(documents: t.Iterable[t.Any]) -> t.Iterator[str]:
    """One list, with a line for each document."""
    between = "[\n"
    for document in documents:
        yield between + _json(document)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def to_csv(documents: t.Iterable[t.Any]) -> t.Iterator[str]:
    """A header and one line for each document (RFC 4180). The columns are known after the last document: until then they wait in a file without a name."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        columns: dict[str, None] = {}
        for document in documents:
            row = document if isinstance(document, dict) else {VALUE: document}
            columns.update(dict.fromkeys(row))
            waiting.write(_json(row) + "\n")
        if columns:
            yield _line(columns)
        waiting.seek(0)
        for text in waiting:
            row = json.loads(text)
            yield _line(row.get(column) for column in columns)


FORMATS: dict[str, t.Callable[[t.Iterable[t.Any]], t.Iterator[str]]] = {"csv": to_csv, "json": to_json, "ndjson": to_ndjson}


def _json(value: t.Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _line(cells: t.Iterable[t.Any]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        csv_cell(_json(cell) if isinstance(cell, (dict, list)) else cell) for cell in cells
    )
    return buffer.getvalue()
