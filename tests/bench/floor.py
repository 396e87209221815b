# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor of a discovery: walk a tree, read every file of up to 1 MiB whole, look for what a certificate begins with. floor.py TREE"""

from __future__ import annotations

import os
import sys

LARGEST = 1 << 20
SMALLEST = 100
PEM = b"-----BEGIN "
KEYSTORE = b"\xfe\xed\xfe\xed"
LONG_FORMS = (b"\x30\x80", b"\x30\x82", b"\x30\x83", b"\x30\x84")


def files_below(folder: str) -> tuple[int, list[str]]:
    """How many plain files there are, and the paths of those of a size that is read."""
    count, paths, open_folders = 0, [], [folder]
    while open_folders:
        with os.scandir(open_folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    open_folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    count += 1
                    if SMALLEST <= entry.stat(follow_symlinks=False).st_size <= LARGEST:
                        paths.append(entry.path)
    return count, paths


def is_candidate(content: bytes) -> bool:
    return PEM in content or content.startswith((KEYSTORE, *LONG_FORMS))


def read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    total, readable = files_below(sys.argv[1])
    print(total, sum(is_candidate(read(path)) for path in readable))
