# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a report as others do: the CSV file and the page by the parsers of the standard library."""

import csv
import html.parser
import json
import pathlib
import sys

# Files, and what each of them says.
TOLD = (
    ("*.md", r"&lt;b&gt;Example&lt;/b&gt; \{\{ 7 \* 7 \}\}"),
    ("[!i]*.html", "&lt;b&gt;Example&lt;/b&gt; {{ 7 * 7 }}"),
    ("policy.*", "5% of the declared"),
    ("policy.*", "not verified"),
    ("register.*", "&lt;script&gt;alert(1)&lt;/script&gt;"),
)


class Page(html.parser.HTMLParser):
    """Counts scripts, and lists what the page would load and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        named = [str(value) for name, value in attrs if name in ("src", "href", "data", "srcset") and not str(value).startswith("#")]
        if tag == "a":
            self.links += named
        else:
            self.loaded += named


def read(path: pathlib.Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def main(folder: pathlib.Path) -> None:
    with (folder / "places.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    page, papers = read(folder / "index.html"), [read(path) for path in sorted(folder.glob("*.html")) if path.name != "index.html"]
    held = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    told = {
        "paths": [row["path"] for row in rows if row["path"].endswith("/r.pem")],
        "formulas": [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@")) and not cell[1:].isdigit()],
        "below": [row["name"] for row in held["places"] if row["authority"] is not None and "<script>" in held["authorities"][row["authority"]]["name"]],
        "scripts": page.scripts,
        "loaded": page.loaded,
        "links": page.links,
        "dead": [link for each in (page, *papers) for link in each.links if not (folder / link).is_file()],
        "told": [sum(text in path.read_text(encoding="utf-8") for path in folder.glob(files)) for files, text in TOLD],
        "papers": [paper.scripts + len(paper.loaded) for paper in papers],
        "modes": sorted({f"{path.stat().st_mode & 0o777:04o}" for path in folder.iterdir()}),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
