# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters on answers of the inventory, as Ansible calls them."""

from __future__ import annotations

import importlib
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

CALLS: list[tuple[str, t.Any, tuple[t.Any, ...], t.Any]] = [
    ("expires_within", [{"not_after": "19991231235959Z"}], (30,), []),
    ("in_use", [{"class": "in_use"}, {"class": "backup"}], (), [{"class": "in_use"}]),
    ("by_owner", [{"owner": "a"}], (), [{"owner": "a", "contacts": [], "documents": [{"owner": "a"}]}]),
    ("x509_names", {"subject_alt_name": ["DNS:a"]}, (), ["a"]),
]


def _filter(name: str) -> t.Callable[..., t.Any]:
    module = importlib.import_module(f"ansible_collections.certops.fleet.plugins.filter.{name}")
    return t.cast("t.Callable[..., t.Any]", module.FilterModule().filters()[name])


@pytest.mark.parametrize(("name", "given", "arguments", "expected"), CALLS)
def test_each_filter(name: str, given: t.Any, arguments: tuple[t.Any, ...], expected: t.Any) -> None:
    """Gives what its function gives, and Ansible's error for what it cannot take."""
    assert _filter(name)(given, *arguments) == expected
    with pytest.raises(AnsibleFilterError, match="documents must be a list of dictionaries, got a value of the type "):
        _filter(name)("text", *arguments)
