# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners of the bench are what both sides want to see."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from ansible_collections.certops.fleet.tests.bench import listeners


def test_what_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a key of its own kind and a chain that openssl verifies, and is named as a target."""
    monkeypatch.setattr(listeners, "LISTENERS", 2)
    listeners.write(tmp_path)
    assert (tmp_path / "targets").read_text(encoding="utf-8").split() == [f"127.0.1.{number}:{listeners.PORT}" for number in (1, 2)]
    for number, kind in ((1, "ASN1 OID: prime256v1"), (2, "Private-Key: (2048 bit")):
        own = str(tmp_path / f"{number}.pem")
        shown = subprocess.run(["openssl", "pkey", "-in", own, "-noout", "-text"], capture_output=True, check=True, text=True).stdout
        assert kind in shown
        subprocess.run(["openssl", "verify", "-CAfile", str(tmp_path / "root.pem"), "-untrusted", own, own], check=True, capture_output=True)
    assert (tmp_path / "nginx.conf").read_text(encoding="utf-8").count("listen 127.0.1.") == 2
