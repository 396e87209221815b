# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of an action plugin, checked as a module's are."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import plain


class ArgumentError(ValueError):
    """The arguments of a task are not those that its documentation allows."""


def checked_arguments(arguments: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any], **rules: t.Any) -> dict[str, t.Any]:
    """The arguments as plain values, converted, with defaults; every option is there.

    ``rules`` are those of ArgumentSpecValidator (``mutually_exclusive``, ``required_if`` …). ArgumentError has all that is wrong in one text without secrets.
    """
    result = ArgumentSpecValidator(spec, **rules).validate({name: plain(value, name) for name, value in arguments.items()})
    if result.error_messages:
        raise ArgumentError("; ".join(remove_values(list(result.error_messages), result._no_log_values)))
    return t.cast("dict[str, t.Any]", result.validated_parameters)
