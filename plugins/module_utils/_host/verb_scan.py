# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `scan`: which certificates and keys lie on this host, who uses them, and what was not looked at.

Paths are text as text.py writes it, times are epoch seconds, certificates are known by their SHA-256.

args: paths (null: those of paths_table.py), exclude (patterns), max_file_size (bytes), max_seconds (null: no end), nice (how far to step back),
max_processes (that read), services (entries of the user's), known_bundles (their digests),
known_certificates (the first digits of their digests in one text: their bytes are not wanted),
certificates (digests: nothing but the bytes of these is wanted, as far as they lie at the paths),
home (look into /home as well), store_passwords (tried in order, after none),
probe (look at what listeners serve: none, services, all),
cache_days (how long what files hold may be remembered, 0: nothing is), full (read every file all the same), keep (leave what was found for the next scan),
rows (all in one answer; none: they are only counted; parts: the first, the others are left in the state folder, as told in more {token, count}),
part (token, number: nothing but the rows of this part of what was left).
Result: certificates {sha256: DER in base64} (as many as one answer may hold; the others are asked for afterwards),
places, keys, bundles, locked, crls and requests (rows of places.py), services (services.py),
trust (rows of trust/stores.py), renewers (renewers.py), summary, problems [{path, reason}],
skipped [{path, reason, count}], left_over [folder], complete, privileged.
"""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import renewers
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run as run_command
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache, mounts, parts, scan
from ansible_collections.certops.fleet.plugins.module_utils._host.services import processes, services
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Running

Answer = t.Dict[str, t.Any]
_JDKS = b"/usr/lib/jvm"
_TRUST_FORMATS = ("nss", "jks", "jceks", "pkcs12")


def run(args: Answer, context: Context) -> Answer:
    """Scan this host; nothing is written but what the next scan and the next parts are left with."""
    if args.get("part"):
        return parts.part_of(context.state, args["part"]["token"], args["part"]["number"], context.now())
    os.nice(args.get("nice") or 0)
    known = _known(args, context)
    looking = scan.Scan(scan.Options.from_args(args), mounts.read_mounts(), [context.state], run_command, known)
    if args.get("certificates") is not None:
        looking.folders()
        return {"certificates": looking.content(args["certificates"])}
    found, running = services.services_here(args["services"])
    for problem in running.problems:
        looking.problem(b"/proc", problem)
    looking.named(found, processes.process_paths() + processes.unit_paths() + (_jdk_paths() if args["paths"] is None else []))
    looking.walk()
    if known is not None and args["keep"]:
        known.left_over = looking.left_over
        known.save(context.state)
    answer = _rows(looking, args, context)
    answer.update(services=found, renewers=renewers.renewers_here())
    _tell_trust(looking, answer)
    if args.get("probe", "none") != "none":
        _probe(looking, answer, running, args["probe"])
    return answer


def _known(args: Answer, context: Context) -> t.Optional[cache.Cache]:
    """Return what an earlier scan of root's has left, empty where everything is to be read; None where nothing may be left for a later one."""
    if os.geteuid() != 0 or not context.program or not args["cache_days"]:
        return None
    known = cache.Cache(context.program, context.now())
    if not args["full"]:
        known.load(context.state, args["cache_days"])
    if args["store_passwords"]:
        known.forget("locked")  # one of them may be the right one
    return known


def _rows(looking: scan.Scan, args: Answer, context: Context) -> Answer:
    """Return the answer with as many rows as are wanted in it."""
    known, mode = frozenset(args["known_bundles"]), args.get("rows", "all")
    if mode == "all":
        return looking.answer(known)
    split = parts.split(looking.rows(known))
    first, more = next(split), None
    if mode == "parts":
        more = parts.keep(context.state, split, context.now())
    else:
        for _part in split:
            pass
        first = {name: [] for name in parts.NAMES}
    return dict(looking.rest(), more=more, **first)


def _jdk_paths() -> t.List[bytes]:
    """Return where installed JDKs, the old and the new, have their trust store; not all of these paths exist."""
    try:
        jdks = [os.path.join(_JDKS, name) for name in sorted(os.listdir(_JDKS))]
    except OSError:
        return []
    return [jdk + below for jdk in jdks for below in (b"/lib/security/cacerts", b"/jre/lib/security/cacerts")]


def _tell_trust(looking: scan.Scan, answer: Answer) -> None:
    """Tell what was added to trust stores and removed from them; imported only when there is something that may be one."""
    answer["trust"] = []
    if looking.may_have_trust_store(_TRUST_FORMATS):
        from ansible_collections.certops.fleet.plugins.module_utils._host.trust import stores  # noqa: PLC0415

        answer["trust"], certificates = stores.told(looking.found)
        answer["certificates"].update(certificates)
    for name in ("added", "removed"):
        answer["summary"][f"anchors_{name}"] = len({each["sha256"] or each["path"] for row in answer["trust"] for each in row[name] or ()})


def _probe(looking: scan.Scan, answer: Answer, running: Running, mode: str) -> None:
    """Look at what the listeners serve; imported only when something listens that may be looked at."""
    found = answer["services"]
    answer["summary"].update(listeners=0, not_loaded=0)
    if mode != "all" and not any(service["active"] and service["pids"] and service["listeners"] for service in found):
        return
    from ansible_collections.certops.fleet.plugins.module_utils._host.services import probing  # noqa: PLC0415

    probe = probing.Probe(looking.held, looking.certificates)
    probe.services(found, running.processes)
    if probing.checked(mode) == "all":
        found.extend(probe.others(found))
    answer["summary"].update(probing.counts(found))
