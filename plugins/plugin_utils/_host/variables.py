# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a play as plain Python values: no template, no tag and no vaulted text goes further than this."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleError


class VariableError(ValueError):
    """A variable holds something that is no plain value."""


def shared_variable(action: t.Any, task_vars: Mapping[str, t.Any], name: str, default: t.Any = None) -> t.Any:
    """Return the templated variable `name`, or `default` when it is not set; what it says is not checked."""
    if name not in task_vars:
        return default
    try:
        return plain(action._templar.template(task_vars[name]), name)
    except AnsibleError as exc:  # a variable that it names is not set, or a vault stays closed
        sentence, _dot, again = str(exc.message).partition(". ")
        raise VariableError(f"{name} cannot be used: {sentence if again in ('', sentence) else exc.message}") from None  # 2.16 says it twice


def host_variables(action: t.Any, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the variables of the host that a task acts on: the delegate's, where it is delegated."""
    delegate = action._task.delegate_to
    if not delegate:
        return task_vars
    return t.cast("dict[str, t.Any]", task_vars["ansible_delegated_vars"][delegate])


def plain(value: t.Any, path: str) -> t.Any:
    """Return `value` built of None, bool, int, float, str, list and dict only; dates become ISO 8601 text; `path` names it in an error."""
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, str) or _is_vaulted(value):
        return str.__str__(str(value))
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str.__str__(str(key)): plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise VariableError(f"{path} must be made of text, numbers, lists and dictionaries, got {type(value).__name__}")


def _is_vaulted(value: t.Any) -> bool:
    # ansible-core up to 2.18 and from 2.19; decrypted by str().
    return type(value).__name__ in ("AnsibleVaultEncryptedUnicode", "EncryptedString")
