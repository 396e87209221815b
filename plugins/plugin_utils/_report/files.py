# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report on the controller: each is there whole or as it was before."""

from __future__ import annotations

import os

from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import replace_text
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import to_csv, to_html, to_json

FILES = {"index.html": to_html, "places.csv": to_csv, "report.json": to_json}


class ReportError(ValueError):
    """The report cannot be written."""


def write_report(folder: str, report: Report, *, write: bool = True) -> list[str]:
    """Writes the three files, readable by their owner alone, and returns their paths; C(write=False) only names them."""
    paths = {os.path.join(folder, name): render for name, render in FILES.items()}
    try:
        if write:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            for path, render in paths.items():
                replace_text(path, render(report))
    except OSError as exc:
        raise ReportError(f"report {folder!r} cannot be written: {exc.strerror}") from exc
    return list(paths)
