# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
tools := tests/tools
install := $(PYTHON) $(tools)/check_python.py && $(PYTHON) $(tools)/install.py

.PHONY: help install test matrix browser demo fleet torture bench clean

help:
	@sed -n 's/^# make /make /p' Makefile

# make install  .venv with ansible-core and this collection (PYTHON=python3.13 for another interpreter)
install:
	@$(install)

# make test     everything that needs only Python (STEPS="lint unit" for some of it)
test:
	@$(install) requirements-dev.txt
	@.venv/bin/python $(tools)/test.py $(STEPS)

# make matrix   units, integration and sanity with every supported ansible-core (CORES="2.16 2.21", STEPS="unit" for some of it)
matrix: install
	@.venv/bin/python $(tools)/matrix.py $(STEPS)

# make browser  the report in a headless Chromium without a network (root installs a missing one)
browser:
	@$(install) requirements-dev.txt
	@tests/browser/run

# make demo     the main job on this machine with embedded defaults
demo: install
	@tests/demo/run

# make fleet    a fleet of systemd containers (needs root)
fleet: install
	@extensions/molecule/run

# make torture  kills and faults in the middle of an installation (needs root)
torture: install
	@tests/torture/run

# make bench    speed beside peers and floors, as ratios (needs root; WRITE=1 writes docs/speed.md)
bench:
	@$(install) requirements-dev.txt
	@tests/bench/run $(if $(WRITE),--write)

# make clean    removes what the others made
clean:
	@$(tools)/clean
