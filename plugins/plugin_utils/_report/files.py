# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report on the controller: each is there whole or as it was before."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import replace_text
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import to_csv, to_html, to_json
from ansible_collections.certops.fleet.plugins.plugin_utils._report.paper_formats import to_markdown, to_paper_html
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import Paper

FILES = {"index.html": to_html, "places.csv": to_csv, "report.json": to_json}


class ReportError(ValueError):
    """The report cannot be written."""


def write_report(folder: str, report: Report, papers: t.Iterable[Paper] = (), *, write: bool = True) -> list[str]:
    """Writes the three files and two for each paper, readable by their owner alone, and returns their paths; C(write=False) only names them.

    What is there with the same content is left alone. The page that links to the others comes last.
    """
    texts: dict[str, t.Callable[[], str]] = {}
    for paper in papers:
        texts[f"{paper.name}.html"] = functools.partial(to_paper_html, paper)
        texts[f"{paper.name}.md"] = functools.partial(to_markdown, paper)
    texts |= {name: functools.partial(FILES[name], report) for name in sorted(FILES, reverse=True)}
    paths = {os.path.join(folder, name): render for name, render in reversed(texts.items())}
    try:
        if write:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            for path, render in reversed(paths.items()):
                _put(path, render())
    except OSError as exc:
        raise ReportError(f"report {folder!r} cannot be written: {exc.strerror}") from exc
    return list(paths)


def _put(path: str, text: str) -> None:
    try:
        with open(path, "rb") as file:
            if file.read() == text.encode():
                return
    except FileNotFoundError:
        pass
    replace_text(path, text)
