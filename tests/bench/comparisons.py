# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparisons: each runs both sides in turn and yields what it saw as figures."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field

from figures import Figure, Goal, Sample, scaled
from fleet import Fleet
from listeners import LISTENERS, listening
from measure import STATE, BenchError, Controller, measured
from nights import CERTIFICATES, pattern
from tree import build
from upserts import UPSERTED

from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.scan import scan_request
from ansible_collections.certops.fleet.plugins.plugin_utils._host.bundle import program_digest, program_text

FEW, MANY = 1, 100
SIZES = (10, 20, 50, 100)
PIPELINED = 5
ROUNDS = 10
WITHOUT_FLEET = {"tree", "endpoints", "nights"}
FLEETS = (1_000, 10_000, 100_000)  # hosts whose answers are made up
LINES = {"peer_ping": "ping", "discover": "discover", "rotate": "rotate, nothing due"}

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from postgresql import Cluster  # noqa: E402 -- it lies elsewhere

Grown = dict[str, dict[int, list[Sample]]]


@dataclass
class Bench:
    """What the comparisons share."""

    controller: Controller
    fleet: Fleet
    repeats: int
    grown: Grown = field(default_factory=dict)
    nights: Grown = field(default_factory=dict)

    def play(self, playbook: str, *, names: int | None = None, pipelining: bool = False) -> Sample:
        return self.controller.play(playbook, self.fleet.inventory(names or len(self.fleet.hosts)), pipelining=pipelining)


@dataclass
class Sides:
    """The runs of both sides, and the processor time of the hosts in each."""

    ours: list[Sample] = field(default_factory=list)
    other: list[Sample] = field(default_factory=list)
    our_hosts: list[float] = field(default_factory=list)
    other_hosts: list[float] = field(default_factory=list)

    def seconds(self, what: str, goal: Goal, *, asked: bool = True, share: int = 1) -> Figure:
        """A figure of the time by the clock, of one of `share` hosts."""
        ours, other = (tuple(one.seconds / share for one in side) for side in (self.ours, self.other))
        return Figure(what, ours, other, goal, asked=asked)

    def processor(self, what: str, goal: Goal, *, share: int) -> Figure:
        """A figure of the controller's processor time for one host."""
        ours, other = (tuple(1000 * one.processor / share for one in side) for side in (self.ours, self.other))
        return Figure(what, ours, other, goal, unit="ms")

    def everything(self, what: str, *, share: int) -> Figure:
        """A figure of the processor time of controller and hosts together for one host: what a busy machine blurs least."""
        ours = tuple(1000 * (one.processor + hosts) / share for one, hosts in zip(self.ours, self.our_hosts, strict=True))
        other = tuple(1000 * (one.processor + hosts) / share for one, hosts in zip(self.other, self.other_hosts, strict=True))
        return Figure(what, ours, other, Goal("at most", 1), unit="ms", asked=False)


def tree_figures(bench: Bench) -> t.Iterator[Figure]:
    """A discovery of the tree, against what a user writes today and against the floor."""
    build(STATE)
    tree, listed = STATE / "tree", STATE / "certificates.txt"
    hosts = local_hosts(tree)
    first, again, peer = [], [], []
    for _run in range(bench.repeats):
        for path in STATE.glob("tree.db*"):
            path.unlink()
        first.append(bench.controller.play("discover", hosts).seconds)
        again.append(bench.controller.play("discover", hosts).seconds)
        peer.append(peer_seconds(bench, hosts, tree, listed))
    what = "tree of 55,000 files with 1,000 certificate files"
    goal = Goal("at least", 100)
    yield Figure(f"{what}, discovered and recorded; find and x509_certificate_info", tuple(first), tuple(peer), goal)
    yield Figure("the same again, nothing changed", tuple(again), tuple(peer), goal, asked=False)
    ours, floor = [], []
    command = [sys.executable, "-I", "-S", "-"]
    program = scan_program(tree)
    for _run in range(bench.repeats):
        ours.append(measured(command, data=program).seconds)
        floor.append(measured([*command[:-1], str(pathlib.Path(__file__).with_name("floor.py")), str(tree)]).seconds)
    yield Figure("the host's part of it; reading every file once", tuple(ours), tuple(floor), Goal("at most", 2))


def local_hosts(tree: pathlib.Path) -> pathlib.Path:
    """The file of hosts with this machine alone."""
    path = STATE / "local.json"
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    settings = {"certops_inventory": f"sqlite:///{STATE / 'tree.db'}", "discover_paths": [str(tree)]}
    path.write_text(json.dumps({"all": {"hosts": {"localhost": own}, "vars": settings}}))
    return path


def peer_seconds(bench: Bench, hosts: pathlib.Path, tree: pathlib.Path, listed: pathlib.Path) -> float:
    """Finding the files, and reading as many as there are, on the line through few and many of them."""
    found = bench.controller.play("peer_find", hosts, variables={"bench_tree": str(tree)}).seconds
    few, many = (bench.controller.play("peer_read", hosts, variables={"bench_list": str(listed), "bench_count": count}).seconds for count in (FEW, MANY))
    return found + scaled((FEW, few), (MANY, many), len(listed.read_text().splitlines()))


def scan_program(tree: pathlib.Path) -> bytes:
    """What a host's interpreter would be sent for a discovery of the tree."""
    settings = {"paths": [str(tree)], "exclude": [], "home": False, "max_file_size": 2 << 20, "max_seconds": 0, "services": None}
    request = {"verb": "scan", "nonce": "0" * 32, "transaction": None, "actor": "bench", "args": scan_request(settings, ()), "program": program_digest("scan")}
    return bytes(program_text("scan", request), "utf-8")


def in_turn(bench: Bench, playbook: str, repeats: int, *, pipelining: bool = False) -> Sides:
    """A playbook of ours and `ping` on every host, in turn, over connections that are open already."""
    sides = Sides()
    bench.play("peer_ping", pipelining=pipelining)
    for _run in range(repeats):
        marks = [bench.fleet.processor()]
        for side, name in ((sides.other, "peer_ping"), (sides.ours, playbook)):
            side.append(bench.play(name, pipelining=pipelining))
            marks.append(bench.fleet.processor())
        sides.other_hosts.append(marks[1] - marks[0])
        sides.our_hosts.append(marks[2] - marks[1])
    return sides


def ping_figures(bench: Bench) -> t.Iterator[Figure]:
    """A discovery and a rotation that changes nothing, against `ping` on the same hosts."""
    number = len(bench.fleet.hosts)
    bench.fleet.set_back()
    bench.play("rotate")
    for playbook, what in (("discover", "discovery"), ("rotate", "rotate, nothing due, served certificates looked at")):
        bench.play(playbook)
        sides = in_turn(bench, playbook, bench.repeats)
        yield sides.seconds(f"{what}, {number} hosts; ping", Goal("at most", 0.8))
        yield sides.processor("its processor time on the controller for a host", Goal("at most", 1), share=number)
        yield sides.everything("its processor time on controller and host for a host", share=number)
        pipelined = in_turn(bench, playbook, PIPELINED, pipelining=True)
        yield pipelined.seconds("the same with pipelining configured", Goal("at most", 0.8), asked=False)
        yield pipelined.everything("its processor time on controller and host for a host", share=number)


def rotation_figures(bench: Bench) -> t.Iterator[Figure]:
    """A first rotation and one that changes nothing, against the same work by community.crypto."""
    number = len(bench.fleet.hosts)
    bench.fleet.make_peer_ca()
    first, again = Sides(), Sides()
    for _run in range(bench.repeats):
        for playbook, with_pair in (("rotate", True), ("peer_rotate", False)):
            bench.fleet.set_back(with_pair=with_pair)
            bench.play("peer_ping")
            for sides in (first, again):
                (sides.ours if with_pair else sides.other).append(bench.play(playbook))
    yield first.seconds(f"first rotation, each of {number} hosts; community.crypto", Goal("at least", 6), share=number)
    yield again.seconds("a rotation that changes nothing, each host", Goal("at least", 20), share=number)


def growth_figures(bench: Bench) -> t.Iterator[Figure]:
    """How time and memory grow with the number of hosts."""
    bench.fleet.set_back()
    bench.play("rotate", names=max(SIZES))
    bench.play("discover", names=max(SIZES))
    for playbook in LINES:
        runs = bench.grown.setdefault(playbook, {})
        for names in SIZES:
            runs[names] = [bench.play(playbook, names=names) for _run in range(bench.repeats)]
    few, many = SIZES[0], SIZES[-1]
    for playbook in ("discover", "rotate"):
        runs = bench.grown[playbook]
        times = [tuple(one.seconds / names for one in runs[names]) for names in (many, few)]
        yield Figure(f"{LINES[playbook]}: time for a host with {many} hosts; with {few}", times[0], times[1], Goal("at most", 1.1))
        memory = [tuple(one.memory for one in runs[names]) for names in (many, few)]
        yield Figure(f"{LINES[playbook]}: memory of the greatest process with {many} hosts; with {few}", memory[0], memory[1], Goal("at most", 1.1), unit="MB")


def endpoint_figures(bench: Bench) -> t.Iterator[Figure]:
    """Seeing what listeners show, against the bare loop of asyncio that only connects and parses one certificate each."""
    if shutil.which("nginx") is None:
        raise BenchError("the comparison endpoints needs nginx on this machine")
    sides: dict[str, list[float]] = {"ours": [], "floor": []}
    with listening(STATE / "listeners") as targets:
        for _run in range(bench.repeats):
            for side, seconds in sides.items():
                argv = [sys.executable, str(pathlib.Path(__file__).with_name("listeners.py")), side, str(targets), str(ROUNDS)]
                seconds.append(float(subprocess.run(argv, capture_output=True, check=True, text=True).stdout))
    what = f"{LISTENERS} listeners seen {ROUNDS} times, chains judged; connected, one certificate parsed"
    yield Figure(what, tuple(sides["ours"]), tuple(sides["floor"]), Goal("at least", 0.75))


def night_figures(bench: Bench) -> t.Iterator[Figure]:
    """Nights of fleets that are made up, in a file; and where a million certificates are, there and in a server, questions and many rows at once."""
    path = STATE / "nights.db"
    for hosts in FLEETS:
        for file in STATE.glob("nights.db*"):
            file.unlink()
        list(lines_of("bulk", str(path), hosts))
        size = path.stat().st_size
        for told in lines_of("nights", str(path), hosts):
            bench.nights.setdefault(told["night"], {})[hosts] = [night_sample(told)]
    yield from growth_of_nights(bench.nights, FLEETS[0], FLEETS[-1])
    yield size_figure(size, FLEETS[-1])
    with Cluster() as cluster:
        cluster.sql("CREATE DATABASE bench")
        list(lines_of("bulk", cluster.url("bench"), FLEETS[-1]))
        for what, url in (("a file", str(path)), ("PostgreSQL", cluster.url("bench"))):
            yield from question_figures(lines_of("questions", url), what)
            yield row_figure(lines_of("upserts", url, FLEETS[-1]), what)


def night_sample(told: t.Mapping[str, t.Any]) -> Sample:
    """Milliseconds of a host, and megabytes."""
    return Sample(told["seconds"] * 1000, told["processor"] * 1000, told["memory"])


def growth_of_nights(nights: Grown, few: int, many: int) -> t.Iterator[Figure]:
    for night, runs in nights.items():
        times = [tuple(one.processor for one in runs[hosts]) for hosts in (many, few)]
        yield Figure(f"a host of {many} recorded that is {night}, processor time; of {few}", times[0], times[1], Goal("at most", 2), unit="ms")
    memory = [tuple(one.memory for runs in nights.values() for one in runs[hosts]) for hosts in (many, few)]
    yield Figure(f"memory to record with {many} hosts; with {few}", memory[0], memory[1], Goal("at most", 1.1), unit="MB")


def size_figure(size: int, hosts: int) -> Figure:
    each = size / hosts / CERTIFICATES / 1000
    return Figure(
        "a certificate with two names and five places in the file; its own bytes", (each,), (len(pattern()) / 1000,), Goal("at most", 1), "kB", asked=False
    )


def question_figures(told: t.Iterable[t.Mapping[str, t.Any]], what: str) -> t.Iterator[Figure]:
    """The processor time of first pages and numbers, beside the goals."""
    for each in told:
        goal, shown = (5.0, "first page of") if each["how"] == "page" else (150.0, "number of")
        yield Figure(f"{what}: {shown} {each['question']}; goal", (each["processor"],), (goal,), Goal("at most", 1), unit="ms")


def row_figure(told: t.Iterable[t.Mapping[str, float]], what: str) -> Figure:
    """Certificates with names and places that are there already, against the driver with rows and statements that are ready."""
    runs = list(told)
    sides = (tuple(run[side] for run in runs) for side in ("ours", "floor"))
    floor = "COPY and upsert" if what == "PostgreSQL" else "sqlite3 executemany"
    return Figure(f"{what}: {UPSERTED} of {FLEETS[-1] * CERTIFICATES} certificates with names and places written again; {floor}", *sides, Goal("at most", 1.67))


def lines_of(script: str, url: str, *numbers: int) -> t.Iterator[dict[str, t.Any]]:
    """What a program beside this one prints, line by line."""
    argv = [sys.executable, str(pathlib.Path(__file__).with_name(f"{script}.py")), url, *map(str, numbers)]
    for line in subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines():
        yield json.loads(line)


COMPARISONS: dict[str, t.Callable[[Bench], t.Iterator[Figure]]] = {
    "tree": tree_figures,
    "endpoints": endpoint_figures,
    "ping": ping_figures,
    "rotation": rotation_figures,
    "growth": growth_figures,
    "nights": night_figures,
}
