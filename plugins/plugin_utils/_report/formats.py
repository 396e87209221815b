# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML page, as CSV and as JSON. What came from certificates stays text in all three."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import pathlib
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import COLUMNS, Report

PAGE = pathlib.Path(__file__).with_name("page.html")
# What a spreadsheet takes for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def csv_cell(value: t.Any) -> str:
    """One cell that no spreadsheet runs: text that begins like a formula gets an apostrophe in front."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    text = " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)
    text = _UNPRINTABLE.sub("\ufffd", text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def to_csv(report: Report) -> str:
    """One line a place (RFC 4180)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(place.get(column)) for column in COLUMNS] for place in report.places)
    return buffer.getvalue()


def to_json(report: Report) -> str:
    return json.dumps(report.to_json(), indent=1, sort_keys=True)


def _script_json(value: t.Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def source_hash(page: str, element: str) -> str:
    """The hash by which the page's own policy allows its one script and its one style (CSP level 3)."""
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


def _links(documents: t.Iterable[tuple[str, str]]) -> str:
    """The documents beside the page, each in both formats."""
    links = [f'<a href="{name}.html">{html.escape(title)}</a> (<a href="{name}.md">Markdown</a>)' for name, title in documents]
    return f'<p class="soft" id="documents">Documents: {", ".join(links)}</p>' if links else ""


def to_html(report: Report) -> str:
    """The self-contained page: nothing is loaded, and nothing but its own script runs."""
    page = PAGE.read_text(encoding="utf-8")
    own = f"script-src {source_hash(page, 'script')}; style-src {source_hash(page, 'style')}"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    page = page.replace("@POLICY@", policy, 1).replace("@DOCUMENTS@", _links(report.documents), 1)
    return page.replace("@DATA@", _script_json(report.to_json()), 1)
