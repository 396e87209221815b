# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of an action plugin: converted and completed by ansible-core, refused in sentences that name the place, the value and what is accepted."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import plain

Spec = Mapping[str, t.Any]

_EXPECTED = {"str": "a text", "path": "a path", "int": "a whole number", "bool": "true or false", "list": "a list", "dict": "a dictionary"}
_EXPECTED_LIST = {"str": "a list of texts", "dict": "a list of dictionaries"}


class ArgumentError(ValueError):
    """The arguments of a task are not those that its documentation allows."""


def checked_arguments(arguments: Spec, spec: Spec, shown: Mapping[str, str] | None = None, **rules: t.Any) -> dict[str, t.Any]:
    """The arguments as plain values, converted, with defaults; every option is there.

    ``shown`` are the names by which messages call options that are set by a variable. ``rules`` are those of ArgumentSpecValidator (``required_if`` …).
    ArgumentError has all that is wrong in one text without secrets.
    """
    given = {name: plain(value, name) for name, value in arguments.items()}
    problems = list(_problems(given, spec, "", shown or {}))
    if problems:
        raise ArgumentError("; ".join(problems))
    result = ArgumentSpecValidator(spec, **rules).validate(given)
    if result.error_messages:
        raise ArgumentError("; ".join(remove_values(list(result.error_messages), result._no_log_values)))
    return t.cast("dict[str, t.Any]", result.validated_parameters)


def nearest(name: str, known: Iterable[str]) -> str:
    """The question after the one of the known names that was probably meant; an empty text when none is near."""
    return next((f"did you mean {near!r}?" for near in difflib.get_close_matches(name, list(known), 1, 0.75)), "")


def _unknown(name: str, path: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    return f"{path} is not known, {f'{meant} accepted' if meant else 'accepted'} are {', '.join(known)}"


def _problems(given: Spec, spec: Spec, path: str, shown: Mapping[str, str]) -> Iterator[str]:
    for name in given:
        if name not in spec:
            yield _unknown(name, path + name, spec)
    for name, option in spec.items():
        at = path + shown.get(name, name)
        if given.get(name) is not None:
            yield from _wrong(given[name], option, at)
        elif option.get("required"):
            yield f"{at} must be given: {_expected(option)}"


def _wrong(value: t.Any, option: Spec, at: str) -> Iterator[str]:
    """What is wrong with one value; a list of dictionaries item by item."""
    if option.get("elements") == "dict":
        yield from _wrong_items(value, option, at)
    elif option["type"] == "dict" and "options" in option and isinstance(value, dict):
        yield from _problems(value, option["options"], f"{at}.", {})
    elif _holds_more_than_texts(value, option) or ArgumentSpecValidator({"value": option}).validate({"value": value}).error_messages:
        yield f"{at} must be {_expected(option)}, got {_shown(value, option)}"


def _holds_more_than_texts(value: t.Any, option: Spec) -> bool:
    """Ansible would take the representation of a dictionary for a text."""
    return option.get("elements") == "str" and isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _wrong_items(value: t.Any, option: Spec, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{at} must be a list of dictionaries, got {_shown(value, option)}"
        return
    for index, item in enumerate(value):
        where = f"{at}[{index}]"
        if not isinstance(item, dict):
            yield f"{where} must be a dictionary, got {_shown(item, option)}"
        elif "options" in option:
            name = item.get("name")
            called = f"certificate {name!r}: " if isinstance(name, str) and name and at == "certops_certificates" else ""
            yield from (called + problem for problem in _problems(item, option["options"], f"{where}.", {}))


def _expected(option: Spec) -> str:
    if option.get("choices"):
        return f"one of {', '.join(map(str, option['choices']))}"
    if option["type"] == "list":
        return _EXPECTED_LIST.get(option.get("elements", ""), "a list")
    return _EXPECTED.get(option["type"], "a value")


def _shown(value: t.Any, option: Spec) -> str:
    """The value, shortened; of a secret only its type."""
    if option.get("no_log"):
        return f"a value of the type {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
