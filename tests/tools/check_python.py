# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in one sentence what is wrong with the interpreter before newer syntax does; runs under any Python 3."""

import importlib.util
import sys

if sys.version_info < (3, 10):
    sys.exit(f"Python 3.10 or later is needed, {sys.executable} is {sys.version.split()[0]}; name another with PYTHON=")

if importlib.util.find_spec("ensurepip") is None:
    sys.exit(f"{sys.executable} cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)")
