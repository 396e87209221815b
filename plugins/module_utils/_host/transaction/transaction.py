# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The install transaction: stage, check, validate, swap, reload, look, commit; or undo to the baseline."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import (
    baseline,
    checks,
    files,
    found,
    guardian,
    journal,
    layout,
    material,
    namespace,
    serving,
    verify,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import commit as ends
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import swap as swapping
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.attributes import declared_differ
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.commit import sentence
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared, Role
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Plan
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.results import Result, result, service_line
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.staging import keep_old, stage
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import x509

DEADLINE = 300.0  # seconds for a transaction, and as many again for each service
_CHECK_SECONDS = 120


class Work(t.NamedTuple):
    """What one transaction is to do, and on what ground."""

    record: journal.Journal
    state: bytes
    lock: int
    now: float
    declared: Declared
    found: found.Found
    leaf: bytes
    chain: t.Tuple[bytes, ...]
    key: bytes  # PEM text
    watched: t.Tuple[baseline.Watched, ...]
    expected: verify.Expected

    @property
    def key_types(self) -> t.List[str]:
        """The kinds of key to look for."""
        return baseline.key_types(self.expected.old_type, self.expected.new_type)


def perform(work: Work) -> Result:
    """Put the certificate in place and return the result, which is in the journal by then."""
    contents = material.contents(work.declared, work.found, work.key, work.leaf, work.chain)
    writes = _writes(work, contents)
    if not writes:
        return _unchanged(work)
    plan = layout.plan(work.declared, work.record.transaction, writes)
    _begin(work, plan)
    try:
        keep_old(work.record, work.declared)
        plan = stage(plan, work.declared, contents)
        work.record.write(plan=plan.to_json())
        _own_checks(work, plan)
        validated = _validate_staged(work, plan)
        work.record.write(state="staged", validated=validated)
    except (OSError, HostError) as exc:
        return ends.undo(work.record, sentence(exc), refused=isinstance(exc, checks.Refused))
    return _guarded(work, plan)


def recover(state: bytes, transaction: str) -> None:
    """Do what the guardian does: read the journal and bring the transaction to an end."""
    record = journal.load(state, transaction)
    if record is not None:
        ends.recover(state, record)


def _writes(work: Work, contents: t.Dict[str, bytes]) -> t.List[Role]:
    """Return the files that differ from what they are to be; a layout that moves whole folders writes all or none."""
    changed = [role for role in work.declared.roles if _differs(work, role, contents[role.name])]
    return list(work.declared.roles) if changed and layout.staged_whole(work.declared) else changed


def _differs(work: Work, role: Role, content: bytes) -> bool:
    file = work.found.file(role.name)
    if file is None or file.status is None or file.content != content:
        return True
    if os.path.islink(role.path) and not layout.our_link(role, work.declared.name):
        return True
    return declared_differ(role.path, work.declared.owner, work.declared.group, work.declared.mode_of(role))


def _begin(work: Work, plan: Plan) -> None:
    """Write down everything that an end of the transaction needs, whoever brings it about."""
    work.record.write(
        state="staging",
        plan=plan.to_json(),
        baseline=list(work.watched),
        touched=[],
        key_types=work.key_types,
        validated=None,
        installed={
            "transaction": work.record.transaction,
            "sha256": work.expected.new,
            "spki": x509.facts(work.leaf).spki,
            "time": work.now,
        },
    )


def _own_checks(work: Work, plan: Plan) -> None:
    checks.check_certificate(work.declared, work.leaf, work.chain, work.now, work.record.folder)
    key = work.declared.role("key", "combined")
    checks.check_staged(work.declared, plan, work.leaf, key.path if key is not None else b"")
    untried = checks.check_readable(work.declared, plan, [item["service"]["reads_as"] for item in work.watched])
    work.record.data["untried"] = [f"whether user {user!r} can read it was not tried, because that needs root" for user in untried]


def _validated(work: Work) -> t.List[baseline.Watched]:
    return [item for item in work.watched if item["validation"] is not None]


def _validate(work: Work) -> t.List[str]:
    """Run every validation; return what is refused."""
    outcomes = [baseline.validation(item["service"]) for item in _validated(work)]
    return [f"with the new files {outcome['text']}" for outcome in outcomes if outcome is not None and not outcome["ok"]]


def _validate_staged(work: Work, plan: Plan) -> t.Optional[str]:
    """Let the services see the staged files before anybody else does. None: it has to wait until after the swap."""
    if not _validated(work):
        return "own_checks"
    seen = namespace.seen_at([(staged, role.path) for role, staged in plan.staged], lambda: _validate(work))
    if seen is None:
        return None
    _refuse(seen[0])
    return "before_swap"


def _refuse(problems: t.Sequence[str]) -> None:
    if problems:
        raise checks.Refused("; ".join(problems))


def _guarded(work: Work, plan: Plan) -> Result:
    seconds = DEADLINE * (1 + len(work.watched))
    with guardian.guarded(work.lock, seconds, lambda: recover(work.state, work.record.transaction)):
        try:
            work.record.write(state="swapping")
            swapping.swap(plan.moves)
            work.record.write(state="swapped")
            if work.record.data["validated"] is None:
                _refuse(_validate(work))
                work.record.write(validated="after_swap")
            problems = _reload(work)
            work.record.write(state="reloaded")
            work.record.write(state="looked", prepared=_look(work, plan, problems))
        except (OSError, HostError) as exc:
            return ends.undo(work.record, sentence(exc), refused=isinstance(exc, checks.Refused))
        return ends.commit(work.state, work.record)


def _reload(work: Work) -> t.List[str]:
    problems = []
    for item in filter(serving.reloads, work.watched):
        work.record.write(touched=work.record.data["touched"] + [item["service"]["name"]])
        problems.append(serving.reload(item))
    return [problem for problem in problems if problem]


def _look(work: Work, plan: Plan, problems: t.List[str]) -> Result:
    """See whether the services took the new files; where they did not, go back, unless there is nothing of use to go back to."""
    before = serving.flat([item["served"] for item in work.watched])
    served = [[] for _item in work.watched]  # type: serving.Served
    if not problems:
        served = serving.look_until(work.declared, work.watched, work.key_types, lambda looks: _enough(verify.judge(before, looks, work.expected), looks))
        problems += [f"service {name!r} ended when it was reloaded" for name in serving.ended(work.watched)]
    verdict = verify.judge(before, serving.flat(served), work.expected)
    problems += verdict.problems
    if not problems:
        problems += _required(work, verdict) + _user_check(work)
    if problems and not _keep_new(work):
        raise checks.Refused("; ".join(problems))
    if problems:
        problems += serving.start_ended(work.watched)
    return _committed(work, plan, served, verdict, problems)


def _enough(verdict: verify.Verdict, looks: t.Sequence[verify.Look]) -> bool:
    return not verdict.problems and (verdict.shown or all(look["error"] for look in looks))


def _required(work: Work, verdict: verify.Verdict) -> t.List[str]:
    wanted = work.declared.verify == "required" and work.declared.listens
    return ["no listener shows the new certificate, and verify is 'required'"] if wanted and not verdict.shown else []


def _user_check(work: Work) -> t.List[str]:
    """Run the check of the declaration, for what a handshake cannot show."""
    if work.declared.check is None:
        return []
    finished = run(list(work.declared.check), _CHECK_SECONDS)
    return [] if finished.code == 0 else [f"the check {work.declared.check[0]!r} failed: {finished.reason()}"]


def _keep_new(work: Work) -> bool:
    """Are the old files not to come back, or of no use? The new ones have passed the validation by now."""
    return work.declared.rollback == "never" or (work.declared.rollback == "auto" and not baseline.usable(work.found, work.now))


def _committed(work: Work, plan: Plan, served: serving.Served, verdict: verify.Verdict, problems: t.Sequence[str]) -> Result:
    verified, reason = _verified(work, verdict, [*problems, *verify.unseen(serving.flat(served))])
    text = f"certificate {work.declared.name!r} was put in place"
    if problems:
        why = "by declaration" if work.declared.rollback == "never" else "they are of no use"
        text += ", although: " + "; ".join(problems) + f"; the old files were not put back, {why}"
    return result(
        "failed" if problems else "committed",
        work.record.transaction,
        "; ".join([text, *verdict.told, *work.record.data["untried"]]),
        layout=plan.layout,
        validated=work.record.data["validated"],
        verified=verified,
        verified_reason=reason,
        services=[_service_line(work, item, looks) for item, looks in zip(work.watched, served)],
        changed=[path_text(role.path) for role, _path in plan.staged],
    )


def _verified(work: Work, verdict: verify.Verdict, problems: t.Sequence[str]) -> t.Tuple[t.Optional[bool], t.Optional[str]]:
    if work.declared.verify == "none" or not work.declared.listens:
        return None, "it was not asked for" if work.declared.listens else "a client's certificate has no listener"
    if verdict.shown and not problems:
        return True, None
    return False, "; ".join(problems) if verdict.shown or problems else _why_not(work)


def _why_not(work: Work) -> str:
    if not work.watched:
        return "no service of this host uses these files"
    if not any(item["active"] for item in work.watched):
        return "no service that uses these files runs"
    return "no listener showed the old certificate before"


def _service_line(work: Work, item: baseline.Watched, looks: t.Sequence[verify.Look]) -> t.Dict[str, t.Any]:
    name, reloaded = item["service"]["name"], item["service"]["name"] in work.record.data["touched"]
    if not item["active"]:
        line = f"{name} does not run and was left alone"
    elif not reloaded:
        line = f"{name} was not reloaded (reload is {item['service']['reload']!r})"
    else:
        line = f"{name} was reloaded"
    if verify.showed(looks, work.expected.new):
        line += " and serves the new certificate"
    return service_line(name, line, reloaded, looks)


def _unchanged(work: Work) -> Result:
    answer = result("unchanged", work.record.transaction, f"certificate {work.declared.name!r} is in place already")
    for name in journal.MATERIAL:
        files.remove(work.record.path(name))
    ends.close(work.record, "committed", answer)
    return answer
