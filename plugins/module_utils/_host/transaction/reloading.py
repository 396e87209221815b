# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload alone: the files are good, and a service does not serve them yet."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import serving, verify
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.commit import close
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.results import Result, result, service_line
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.transaction import Work


def perform(work: Work) -> Result:
    """Reload the services of a certificate and see that they serve what is on the disk. There is nothing to undo: no file changed."""
    before = serving.flat([item["served"] for item in work.watched])
    problems = [problem for problem in map(serving.reload, filter(serving.reloads, work.watched)) if problem]
    served = serving.look_until(work.declared, work.watched, work.key_types, lambda looks: _loaded(before, looks, work))
    problems += [f"service {name!r} ended when it was reloaded" for name in serving.ended(work.watched)]
    verdict = verify.judge_loaded(before, serving.flat(served), work.expected)
    answer = _result(work, served, verdict, problems + list(verdict.problems))
    close(work.record, "failed" if answer["outcome"] == "failed" else "committed", answer)
    return answer


def _loaded(before: t.Sequence[verify.Look], looks: t.Sequence[verify.Look], work: Work) -> bool:
    return not verify.judge_loaded(before, looks, work.expected).problems


def _result(work: Work, served: serving.Served, verdict: verify.Verdict, problems: t.Sequence[str]) -> Result:
    text = "; ".join(problems) or f"the services of certificate {work.declared.name!r} were reloaded"
    return result(
        "failed" if problems else "committed",
        work.record.transaction,
        text,
        verified=not problems and verdict.shown,
        verified_reason=None if verdict.shown and not problems else text,
        services=[_line(item, looks) for item, looks in zip(work.watched, served)],
    )


def _line(item: t.Dict[str, t.Any], looks: t.Sequence[verify.Look]) -> t.Dict[str, t.Any]:
    name, reloaded = item["service"]["name"], serving.reloads(item)
    return service_line(name, f"{name} was reloaded" if reloaded else f"{name} was left alone", reloaded, looks)
