# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selection by JMESPath; the one guarded import of jmespath."""

from __future__ import annotations

import typing as t

__all__ = ["JMESPathError", "SelectError", "jmespath", "selected"]

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError:
    jmespath = None
    JMESPathError = ValueError


class SelectError(ValueError):
    """An expression that cannot be understood or does not fit what it is applied to."""


def selected(documents: t.Iterable[dict[str, t.Any]], expression: str | None, *, limit: int | None = None) -> list[t.Any]:
    """What the expression makes of the list of documents, at most ``limit`` of it; a result that is no list becomes one."""
    found = list(documents) if expression is None else _search(expression, documents)
    return found if limit is None else found[:limit]


def _search(expression: str, documents: t.Iterable[dict[str, t.Any]]) -> list[t.Any]:
    result = searched(expression, list(documents))
    if result is None:
        return []
    return result if isinstance(result, list) else [result]


def searched(expression: str, value: t.Any) -> t.Any:
    """What an expression finds in a value. Raises SelectError."""
    compiled = compiled_expression(expression)
    try:
        return compiled.search(value)
    except (JMESPathError, RecursionError, TypeError) as exc:  # TypeError: a text is compared with a number
        raise _impossible(expression, exc) from None


def compiled_expression(expression: str) -> t.Any:
    """The expression, ready to search. Raises SelectError."""
    if jmespath is None:
        raise SelectError("the Python that runs Ansible needs the package 'jmespath' for select")
    try:
        return jmespath.compile(expression)
    except (JMESPathError, RecursionError) as exc:
        raise _impossible(expression, exc) from None


def _impossible(expression: str, exc: Exception) -> SelectError:
    """To be raised without its cause: ansible-core 2.19 prints the text of every exception in the chain."""
    return SelectError(f"select {expression!r} is not possible: {' '.join(str(exc).split())[:300]}")
