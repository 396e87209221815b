# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL of this scenario, on the controller, that can be stopped in the middle.

cluster.py make LINK            starts one with the empty database `inventory`; LINK then leads to its folder. Prints its URL
cluster.py stop|start|remove LINK
cluster.py sql LINK STATEMENT  what psql prints of it
cluster.py chain LINK           checks the audit log by what psql prints of it; prints how many lines it has
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[4] / "tests/tools"))
import postgresql

NAME = "inventory"


def make(link: Path) -> None:
    cluster = postgresql.Cluster()
    link.symlink_to(cluster.folder)
    cluster.__enter__()
    cluster.sql(f"CREATE DATABASE {NAME}")
    print(cluster.url(NAME))


def chain(link: Path) -> None:
    """Each line holds the SHA-256 of the one before and of itself: of the JSON of everything else in it, with sorted names and no blanks."""
    previous = "0" * 64
    lines = [json.loads(line) for line in postgresql.Cluster(link.resolve()).sql("SELECT row_to_json(e) FROM events e ORDER BY seq", database=NAME)]
    for number, line in enumerate(lines, 1):
        told = line.pop("hash")
        text = json.dumps(line, sort_keys=True, separators=(",", ":"))
        if (line["seq"], line["previous"], told) != (number, previous, hashlib.sha256(text.encode()).hexdigest()):
            sys.exit(f"event {number} does not fit: {line}")
        previous = told
    print(len(lines))


def remove(link: Path) -> None:
    """The server may be stopped, or never have been started."""
    if link.is_symlink():
        try:
            postgresql.Cluster(link.resolve()).stop("immediate")
        except RuntimeError as exc:
            print(exc, file=sys.stderr)
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()


def main() -> None:
    verb, link = sys.argv[1], Path(sys.argv[2])
    if verb == "make":
        make(link)
    elif verb == "remove":
        remove(link)
    elif verb == "chain":
        chain(link)
    elif verb == "sql":
        print("\n".join(postgresql.Cluster(link.resolve()).sql(sys.argv[3], database=NAME)))
    else:
        getattr(postgresql.Cluster(link.resolve()), verb)()


if __name__ == "__main__":
    main()
