# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging by handshakes whether the new certificate took the place of the old one. Values in, values out."""

import typing as t

Look = t.Dict[str, t.Any]  # one handshake as _host/look.py answers it
_Probe = t.Tuple[str, int, t.Optional[str], str]  # address, port, name, key type


class Expected(t.NamedTuple):
    """The two certificates that a listener may show: digest and kind of key. The old one is None where there was none."""

    old: t.Optional[str]
    old_type: t.Optional[str]
    new: str
    new_type: str


class Verdict(t.NamedTuple):
    """What the handshakes show."""

    problems: t.Tuple[str, ...]  # sentences; empty when nothing is wrong
    shown: bool  # does at least one listener show the new certificate?
    told: t.Tuple[str, ...]  # what is no problem and worth a word


def judge(before: t.Sequence[Look], after: t.Sequence[Look], expected: Expected) -> Verdict:
    """Compare what was served before and after: what showed the old certificate must show the new one, anything else must not have become worse."""
    earlier = _by_probe(before)
    problems, told, shown = [], [], False
    for probe, looks in _by_probe(after).items():
        shown = shown or all(look["sha256"] == expected.new for look in looks)
        if _replaced_kind(probe, earlier.get(probe, []), looks, expected):
            told.append(f"{_place(probe)} no longer serves a key of the kind {probe[3]}, which the old certificate had")
            continue
        problem = _problem(earlier.get(probe, []), looks, expected)
        if problem:
            problems.append(f"{_place(probe)} {problem}")
    return Verdict(tuple(dict.fromkeys(problems)), shown, tuple(dict.fromkeys(told)))


def judge_loaded(before: t.Sequence[Look], after: t.Sequence[Look], expected: Expected) -> Verdict:
    """Compare after a reload alone: what answered before must show the certificate that is on the disk (only probes of its kind of key count)."""
    earlier = _by_probe(before)
    problems, shown = [], False
    for probe, looks in _by_probe(after).items():
        loaded = all(look["sha256"] == expected.new for look in looks)
        shown = shown or loaded
        if probe[3] == expected.new_type and not loaded and _answered(earlier.get(probe, [])):
            problems.append(f"{_place(probe)} does not show the certificate on the disk: it {_shows(looks)}")
    return Verdict(tuple(dict.fromkeys(problems)), shown, ())


def same_as_before(before: t.Sequence[Look], after: t.Sequence[Look]) -> t.Tuple[str, ...]:
    """Return what differs after an undo, one sentence each."""
    earlier = _by_probe(before)
    return tuple(
        f"{_place(probe)} {_shows(looks)}, which is not what it showed before"
        for probe, looks in _by_probe(after).items()
        if {look["sha256"] for look in looks} - {look["sha256"] for look in earlier.get(probe, looks)}
    )


def unseen(looks: t.Sequence[Look]) -> t.Tuple[str, ...]:
    """Return the listeners that answered no handshake at all, one sentence each."""
    errors = {}  # type: t.Dict[_Probe, t.Optional[str]]
    for look in looks:
        listener = (look["address"], look["port"], look["name"], "any")
        errors[listener] = None if look["error"] is None or errors.get(listener, "") is None else str(look["error"])
    return tuple(f"{_place(listener)} could not be looked at: {error}" for listener, error in errors.items() if error is not None)


def showed(looks: t.Sequence[Look], certificate: t.Optional[str]) -> bool:
    """Did any handshake show this certificate?"""
    return certificate is not None and any(look["sha256"] == certificate for look in looks)


def _problem(earlier: t.Sequence[Look], looks: t.Sequence[Look], expected: Expected) -> t.Optional[str]:
    if showed(looks, expected.old) and expected.old != expected.new:
        return "still shows the old certificate" if showed(earlier, expected.old) else "shows the old certificate now"
    if showed(earlier, expected.old) and any(look["sha256"] != expected.new for look in looks):
        return f"{_shows(looks)} instead of the new certificate"
    if _answered(earlier) and not all(look["error"] is None for look in looks):
        return _shows(looks)
    return None


def _replaced_kind(probe: _Probe, earlier: t.Sequence[Look], looks: t.Sequence[Look], expected: Expected) -> bool:
    """The old certificate had another kind of key, and a client that takes only that kind finds nothing, or another certificate of that kind."""
    if probe[3] != expected.old_type or expected.old_type == expected.new_type:
        return False
    return showed(earlier, expected.old) and not showed(looks, expected.old)


def _answered(looks: t.Sequence[Look]) -> bool:
    return bool(looks) and all(look["error"] is None for look in looks)


def _shows(looks: t.Sequence[Look]) -> str:
    errors = sorted({str(look["error"]) for look in looks if look["error"] is not None})
    return f"does not answer as it should ({errors[0]})" if errors else "shows another certificate"


def _place(probe: _Probe) -> str:
    address = f"[{probe[0]}]" if ":" in probe[0] else probe[0]
    return f"{address}:{probe[1]}" + (f" for {probe[2]!r}" if probe[2] else "")


def _by_probe(looks: t.Sequence[Look]) -> t.Dict[_Probe, t.List[Look]]:
    found = {}  # type: t.Dict[_Probe, t.List[Look]]
    for look in looks:
        found.setdefault((look["address"], look["port"], look["name"], look["key_type"]), []).append(look)
    return found
