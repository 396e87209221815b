# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the controller runs. Its files are imported by Python's own loader, which finds in C(__pycache__) what it has compiled before (PEP 3147).

Ansible's loader of collections compiles every file anew in every run: of this collection, as much processor time as five hosts take.
"""

from __future__ import annotations

import gc
import os
import sys
import typing as t
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

_OURS = __name__.rpartition(".")[0] + "."


class CompiledOnce:
    """Finder of the collection's own files; packages, which hold no code, and everybody else's are left to the finders after it."""

    @staticmethod
    def find_spec(name: str, path: t.Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if not path or not name.startswith(_OURS):
            return None
        file = os.path.join(path[0], name.rpartition(".")[2] + ".py")
        return spec_from_file_location(name, file) if os.path.isfile(file) else None


if type(sys.meta_path[0]).__module__.startswith("ansible.utils.collection_loader"):  # nobody else compiles them anew
    sys.meta_path.insert(0, CompiledOnce)
gc.freeze()  # a search for garbage while the rest is imported does not go through what Ansible has imported before
