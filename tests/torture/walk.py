# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk: an installation is killed before its first, second, third ... call that changes something, and what is left is judged.

One real rotation of all hosts is held as its exchanges `request` and `install` are about to begin: the programs that they send, the state
of the hosts and the inventory of these two moments are kept. One run under strace that nobody disturbs tells which calls there are, in order.
strace's `when=N` counts each kind of call for itself, so `inject=all` would only ever kill at the kind that is made most often: a step names
the kind, too (`inject=rename:when=3`). It puts one of the moments back, gives the program to the host's interpreter under strace, which kills it
as it makes this call (the call itself does not happen any more), waits until nobody holds the product's lock, and looks from outside. Then comes
a real `certops.fleet.rotate` with the inventory of that moment, which must heal. The walk ends with a run that survives.

Two ways to kill:
  worker  only the interpreter that was started; its guardian, and commands that it runs, are spared.
  both    with `strace -f` and in a process namespace of its own: all that it started dies at the same instant, the guardian included,
          and each of these would die at its own call of this kind and number, too (strace counts for each process).
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import os
import random
import subprocess
import time
import typing as t
from dataclasses import dataclass, field

from container import TortureError
from estate import Estate, Host, Played, Scenario

GUARDED = 10.0  # seconds within which a guardian must have made a pair match again
HELD = {"request": 2, "install": 3}  # the number of the exchange in a rotation: look, look with the request, install
LAST = 4
SURVIVE = ("execve", 65535)  # a number of calls that no run reaches, the highest that strace takes


@dataclass
class Moment:
    """A host as an exchange is about to begin."""

    program: str
    old: str  # SHA-256 of the certificate that is served
    calls: list[tuple[str, int]] = field(default_factory=list)  # that change something: each with how often it was made by then, and one run that survives


@dataclass
class Walker:
    """One host on its walk."""

    host: Host
    moments: dict[str, Moment] = field(default_factory=dict)
    new: str = ""  # the certificate of the rotation that was held
    first: int = 0  # how many issuances the inventory has for it at that time
    problems: list[str] = field(default_factory=list)
    torn: bool = False  # was the pair ever seen not to match?

    @property
    def scenario(self) -> Scenario:
        return self.host.scenario


@dataclass(frozen=True)
class Way:
    """What is walked: the exchange, and who is killed."""

    exchange: str
    both: bool

    @property
    def label(self) -> str:
        return f"{self.exchange}, {'both killed' if self.both else 'guardian spared'}" if self.exchange == "install" else self.exchange


# While a request is made there is no guardian.
WAYS = (Way("install", True), Way("install", False), Way("request", True))
SAMPLED = (*WAYS, *WAYS[:2])


def parallel(function: t.Callable[..., t.Any], items: t.Iterable[t.Any]) -> list[t.Any]:
    """Call the function for each item, a few at a time: a host must not wait for the processor for longer than the product waits for it."""
    with concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        return list(pool.map(function, items))


def declare(host: Host, *, first: bool) -> None:
    """Declare the certificate of the first generation, or that of the second, which has one name more."""
    scenario = host.scenario
    names = [scenario.name] if first else [scenario.name, f"more.{scenario.name}"]
    host.variables["certops_certificates"] = [{**scenario.declared, "names": names, "layout": scenario.first if first else scenario.layout}]


def capture(estate: Estate) -> list[Walker]:
    """Rotate every host twice, and hold the second rotation to keep what the walk needs."""
    walkers = [Walker(host) for host in estate.hosts.values()]
    for walker in walkers:
        declare(walker.host, first=True)
    played = estate.play("rotate")
    for walker in walkers:
        if played.failed(walker.host.name):
            raise TortureError(f"{walker.host.name}: the first rotation failed:\n{played.output}")
        declare(walker.host, first=False)
        walker.first = len(estate.issuances(walker.host.name))
    _held_rotation(estate, walkers)
    for walker in walkers:
        walker.new = walker.host.on_disk() or ""
        if walker.new == walker.moments["install"].old or walker.host.served() != walker.new:
            raise TortureError(f"{walker.host.name}: the rotation that was held did not bring a new certificate")
    return walkers


def _held_rotation(estate: Estate, walkers: list[Walker]) -> None:
    through = [f"/run/torture/go.{number}" for number in range(1, LAST + 1) if number not in HELD.values()]
    for walker in walkers:
        walker.host.container.sh("rm -rf /run/torture; mkdir -p /run/torture; touch /run/torture/hold " + " ".join(through))
    log = estate.folder / "held.log"
    with log.open("wb") as output:
        environment = {**estate.environment(), "ANSIBLE_FORKS": str(len(walkers))}
        held = subprocess.Popen(estate.command("rotate"), env=environment, cwd=estate.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            for exchange, number in HELD.items():
                _wait_held(held, walkers, number, log)
                estate.keep_inventory(exchange)
                for walker in walkers:
                    _keep_moment(walker, exchange, number)
            if held.wait(300):
                raise TortureError(f"the rotation that was held failed:\n{log.read_text()}")
        finally:
            held.kill()
            held.wait()
    for walker in walkers:
        walker.host.container.sh("rm -rf /run/torture")


def _wait_held(held: subprocess.Popen[bytes], walkers: list[Walker], number: int, log: t.Any) -> None:
    end = time.monotonic() + 300
    for walker in walkers:
        while not walker.host.container.order("listing", folders=["/run/torture"]).count(f"/run/torture/waiting.{number}"):
            if held.poll() is not None or time.monotonic() > end:
                raise TortureError(f"{walker.host.name}: the rotation did not come to exchange {number}:\n{log.read_text()}")
            time.sleep(0.1)


def _keep_moment(walker: Walker, exchange: str, number: int) -> None:
    container = walker.host.container
    container.order("keep", name=exchange, folders=walker.scenario.folders)
    program = container.read(f"/run/torture/program.{number}")
    old = walker.host.served()
    if not program or not old:
        raise TortureError(f"{walker.host.name}: exchange {number} has no program, or nothing is served")
    walker.moments[exchange] = Moment(program, old)
    container.sh(f"touch /run/torture/go.{number}")


def put_back(walker: Walker, exchange: str) -> None:
    """Make the host what it was as the exchange was about to begin."""
    container, scenario, moment = walker.host.container, walker.scenario, walker.moments[exchange]
    container.order("put_back", name=exchange, folders=scenario.folders)
    for verb in ("reload-or-restart", "restart"):
        container.sh(f"systemctl reset-failed {scenario.unit}; systemctl {verb} {scenario.unit}", check=False)
        if container.order("wait_served", port=443, name=scenario.name, wanted=moment.old):
            return
    raise TortureError(f"{walker.host.name}: the old certificate is not served after all was put back")


@dataclass
class Step:
    """One kill of one host and what came of it."""

    walker: Walker
    way: Way
    number: int  # of the call, the first is 1; the one after the last is a run that survives
    survived: bool = False
    problems: list[str] = field(default_factory=list)
    killed: dict[str, t.Any] = field(default_factory=dict)
    seen: list[t.Any] = field(default_factory=list)

    @property
    def label(self) -> str:
        call, when = self.call
        return f"{self.walker.scenario.service} {self.walker.scenario.kind}, {self.way.label}, call {self.number} ({call} {when})"

    @property
    def call(self) -> tuple[str, int]:
        return self.walker.moments[self.way.exchange].calls[self.number - 1]

    @property
    def last(self) -> bool:
        return self.number == len(self.walker.moments[self.way.exchange].calls)


def kill(step: Step) -> None:
    """Put the moment back, kill, wait for the guardian, and judge what is left without a next run."""
    walker, container = step.walker, step.walker.host.container
    put_back(walker, step.way.exchange)
    container.order("watch", certificate=walker.scenario.certificate, key=walker.scenario.key)
    moment = walker.moments[step.way.exchange]
    call, when = step.call
    step.killed = container.order("kill", program=moment.program, call=call, when=when, both=step.way.both)
    step.survived = "CERTOPS-END" in step.killed["output"]
    if "strace: " in step.killed["error"] or not (step.survived or "killed by SIGKILL" in " ".join(step.killed["last"])):
        raise TortureError(f"{step.label}: it was neither killed nor did it answer: {step.killed}")
    if step.last and not step.survived:
        step.problems.append("it died although nobody killed it")
    judge_left(step, container.order("watched", stop=False), moment)


def _kill(step: Step) -> None:
    try:
        kill(step)
    except TortureError as exc:  # the other hosts go on
        step.problems.append(str(exc))


def judge_left(step: Step, seen: list[t.Any], moment: Moment) -> None:
    """The pair matches (at once, or by the guardian in time), and the service serves a certificate that fits."""
    walker = step.walker
    guarded = walker.scenario.atomic or not step.way.both or step.way.exchange == "request"
    if not step.killed["free"]:
        step.problems.append("somebody still holds the lock after 330 s")
    if guarded and seen[-1][1] != "match":
        step.problems.append(f"certificate and key: {seen[-1][1]} without a next run")
    served, lies = walker.host.served(), walker.host.on_disk()
    if served is None:
        step.problems.append("the service does not answer")
    elif served not in (moment.old, walker.new):
        step.problems.append(f"the service shows {served}, which is neither the old nor the new certificate")
    elif guarded and not step.way.both and served != lies:
        step.problems.append("the service shows another certificate than the one in its file, and nobody is at work")


def judge_healed(step: Step, estate: Estate, played: Played) -> None:
    """After a real run the new certificate is in place and served, only one was issued, nothing of ours is left."""
    walker, host = step.walker, step.walker.host
    step.seen = host.container.order("watched")
    if played.failed(host.name):
        step.problems.append("the next run failed for it")
    judge_watched(step)
    issued = estate.issuances(host.name)[walker.first :]
    if len(issued) != 1:
        step.problems.append(f"{len(issued)} certificates were issued")
    lies, served = host.on_disk(), host.served()
    expected = walker.new if step.way.exchange == "install" else (issued[-1][1] if issued else None)
    if lies != expected or served != expected:
        step.problems.append(f"after the next run {lies} lies there and {served} is served, expected {expected}")
    if issued and issued[-1][0] != "installed":
        step.problems.append(f"the inventory calls the certificate that is served {issued[-1][0]!r}")
    strange = left_over(host)
    if strange:
        step.problems.append(f"left behind: {', '.join(strange)}")


def judge_watched(step: Step) -> None:
    """Judge what the watcher saw from before the kill to after the next run."""
    for seconds, verdict in step.seen:
        if verdict == "match":
            continue
        step.walker.torn = True
        if step.walker.scenario.atomic:
            step.problems.append(f"certificate and key: {verdict} for {seconds} s, in a layout that changes both at once")
        elif seconds > GUARDED and not step.way.both:
            step.problems.append(f"certificate and key: {verdict} for {seconds} s, more than the guardian may take")
    if step.seen and step.seen[-1][1] != "match":
        step.problems.append(f"certificate and key: {step.seen[-1][1]} after the next run")


def left_over(host: Host) -> list[str]:
    """What lies beside the files that is neither theirs nor the one store of a linked certificate."""
    scenario = host.scenario
    parents = sorted({os.path.dirname(folder) for folder in scenario.folders})
    beside = host.container.sh("find " + " ".join(parents) + " -maxdepth 1 -name '.certops-*'").split()
    found = [path for path in host.container.order("listing", folders=scenario.folders) if path not in (scenario.certificate, scenario.key)]
    linked = scenario.layout == "link"
    store = os.path.join(scenario.folders[0], ".certops-site")
    strange = [path for path in found if not (linked and (path == store or path.startswith(store + "/")))]
    generations = [path for path in found if linked and os.path.dirname(path) == store and not path.endswith("/current")]
    return sorted(set(beside + strange)) + (generations if len(generations) > 1 else [])


def keep_evidence(step: Step, estate: Estate, played: Played | None) -> str:
    """Write down all that may explain a step that failed; the name of the folder."""
    folder = estate.folder.parent / "evidence" / "-".join("".join(c if c.isalnum() else " " for c in step.label).split())
    folder.mkdir(parents=True, exist_ok=True)
    container = step.walker.host.container
    (folder / "problems.txt").write_text("\n".join([step.label, *step.problems]) + "\n")
    (folder / "killed.json").write_text(
        json.dumps({"killed": step.killed, "pair": step.seen, "old": step.walker.moments[step.way.exchange].old, "new": step.walker.new}, indent=2)
    )
    (folder / "strace.log").write_text(container.read("/run/torture/strace") or "")
    journals = container.sh(
        'cd /var/lib/certops && for file in transactions/*/journal.json certificates/*; do echo "== $file"; cat "$file"; echo; done', check=False
    )
    (folder / "journals.txt").write_text(journals)
    (folder / "unit.log").write_text(
        container.sh(f"journalctl --no-pager -n 60 -u {step.walker.scenario.unit}; ls -laR {' '.join(step.walker.scenario.folders)}", check=False)
    )
    if played is not None:
        (folder / "rotate.log").write_text(played.output)
    return str(folder)


def step_all(estate: Estate, steps: list[Step]) -> None:
    """One kill on each of these hosts, then one run that heals them all."""
    parallel(_kill, steps)
    exchange = steps[0].way.exchange
    estate.put_inventory_back(exchange)
    played = estate.play("rotate", "--limit", ",".join(step.walker.host.name for step in steps))
    for step in steps:
        judge_healed(step, estate, played)
        if step.problems:
            step.walker.problems += step.problems
            print(f"torture: FAILED {step.label}: {'; '.join(step.problems)}\n         see {keep_evidence(step, estate, played)}", flush=True)


def count_calls(walker: Walker) -> None:
    """Let each exchange run to its end under strace, and note which calls it makes."""
    for exchange, moment in walker.moments.items():
        put_back(walker, exchange)
        done = walker.host.container.order("calls", program=moment.program)
        if "CERTOPS-END" not in done["output"]:
            raise TortureError(f"{walker.host.name}: {exchange} does not survive strace: {done}")
        moment.calls = [*((name, number) for name, number, dummy in done["calls"]), SURVIVE]


def walk_all(estate: Estate, walkers: list[Walker], way: Way) -> t.Iterator[tuple[Walker, int, list[str]]]:
    """Walk every call of an exchange and the run that survives; yields each host with the number of kills and what was wrong."""
    for walker in walkers:
        walker.problems, walker.torn = [], False
    for number in itertools.count(1):
        steps = [Step(walker, way, number) for walker in walkers if number <= len(walker.moments[way.exchange].calls)]
        if not steps:
            return
        step_all(estate, steps)
        for step in steps:
            if step.last:
                yield step.walker, number - 1, [*step.walker.problems, *_shows_nothing(step)]


def _shows_nothing(step: Step) -> list[str]:
    """Say it when a walk that must come between key and certificate was never seen to."""
    must = step.way.exchange == "install" and step.way.both and not step.walker.scenario.atomic
    return ["no kill was seen to come between key and certificate: the walk shows nothing"] if must and not step.walker.torn else []


def sample(estate: Estate, walkers: list[Walker], end: float, chance: random.Random) -> t.Iterator[tuple[Walker, Way, int, list[str]]]:
    """Steps chosen by chance, as many as there is time until `end`, the ways in turn; yields each host and way with its number of kills."""
    done: dict[tuple[str, Way], list[Step]] = {(walker.host.name, way): [] for walker in walkers for way in WAYS}
    for number in itertools.count():
        way = SAMPLED[number % len(SAMPLED)]
        began = time.monotonic()
        steps = [Step(walker, way, _chosen(walker.moments[way.exchange].calls, chance)) for walker in walkers]
        step_all(estate, steps)
        for step in steps:
            done[step.walker.host.name, way].append(step)
        if time.monotonic() + (time.monotonic() - began) > end and number + 1 >= len(WAYS):
            break
    for walker in walkers:
        for way in WAYS:
            steps = done[walker.host.name, way]
            yield walker, way, len(steps), [problem for step in steps for problem in step.problems]


def _chosen(calls: list[tuple[str, int]], chance: random.Random) -> int:
    """Choose one of these calls; those that change what a name stands for more often than those that only bring it to the disk."""
    return chance.choices(range(1, len(calls) + 1), [1 if name in ("fsync", "execve") else 3 for name, dummy in calls])[0]
