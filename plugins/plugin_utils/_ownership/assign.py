# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants to be assigned, and what is said of it."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Assigned, Wanted, rule_row
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.files import import_file, rules_file
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import checked_match, rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError

SHOWN = 50
_WAYS = ("match", "rules_path", "import_path")


def wanted(args: t.Mapping[str, t.Any]) -> tuple[Wanted, ...]:
    """From the options of the module. Raises OwnershipError."""
    given = [name for name in _WAYS if args[name] is not None]
    if args["state"] == "absent":
        return _absent(args, given)
    if len(given) != 1:
        raise OwnershipError(f"one of {', '.join(_WAYS)} must be given, got {' and '.join(given) or 'none of them'}")
    _check_together(args, given[0])
    if given == ["match"]:
        rule = rule_from(args["match"], args["set"], source="manual", origin="", where="assignment")
        return (Wanted("manual", "", (rule,), match=rule.match, reason=args["reason"]),)
    source, path = given[0].partition("_")[0], args[given[0]]
    name = args["name"] or source
    rules = rules_file(path, origin=name) if source == "rules" else import_file(path, args["mapping"], origin=name)
    return (Wanted(source, name, rules, reason=args["reason"]),)


def _absent(args: t.Mapping[str, t.Any], given: list[str]) -> tuple[Wanted, ...]:
    """The one assignment by hand with this match, or all rules and imports of a name."""
    if (given, args["name"] is None) == (["match"], True):
        return (Wanted("manual", "", (), match=checked_match(args["match"], "assignment.match"), reason=args["reason"]),)
    if given or not args["name"]:
        raise OwnershipError("state=absent takes either match, for an assignment by hand, or name, for rules and imports of that name")
    return tuple(Wanted(source, args["name"], (), reason=args["reason"]) for source in ("rules", "import"))


def _check_together(args: t.Mapping[str, t.Any], way: str) -> None:
    for option, ways in (("set", ("match",)), ("mapping", ("import_path",)), ("name", ("rules_path", "import_path"))):
        if args[option] is not None and way not in ways:
            raise OwnershipError(f"{option} does nothing with {way}: it belongs to {' and '.join(ways)}")


def result(done: t.Sequence[Assigned], *, diff: bool) -> dict[str, t.Any]:
    """What a play gets: rules that came and went, the first ones of them, and how many there are."""
    added = [rule_row(rule) for each in done for rule in each.added]
    removed = [rule_row(rule) for each in done for rule in each.removed]
    told: dict[str, t.Any] = {
        "changed": bool(added or removed),
        "added": added[:SHOWN],
        "removed": removed[:SHOWN],
        "figures": {"added": len(added), "removed": len(removed), "kept": sum(each.kept for each in done)},
    }
    if diff:
        told["diff"] = [{"before_header": "ownership", "after_header": "ownership", "before": _lines(removed), "after": _lines(added)}]
    return told


def _lines(rows: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """One line a rule, as JSON, so that nothing in it ends a line or is taken for something else."""
    more = [f"… {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return "".join(f"{line}\n" for line in (*(json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows[:SHOWN]), *more))
