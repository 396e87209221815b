# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The torture: walks and cases, one line each, and a closing line."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import typing as t

from cases import CASES
from container import TortureError, remove_all
from estate import STATE, Estate, Scenario, scenarios
from lab import Lab
from walk import WAYS, capture, count_calls, parallel, sample, walk_all

CI_SECONDS = 300.0
HARNESS = (TortureError, OSError, ValueError, LookupError, subprocess.SubprocessError)  # what may go wrong in the harness itself


class Score:
    """What passed and what failed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def note(self, name: str, problems: t.Sequence[str], detail: str) -> None:
        """Print one line and count it."""
        self.passed += not problems
        self.failed += bool(problems)
        print(f"torture: {name}: {detail}, {'ok' if not problems else f'{len(problems)} problems'}", flush=True)


def walks(chosen: t.Sequence[Scenario], score: Score, budget: float | None, seed: int) -> None:
    """Walk the calls of these scenarios, all of them or a sample, one service after the other."""
    for service in dict.fromkeys(scenario.service for scenario in chosen):
        group = [scenario for scenario in chosen if scenario.service == service]
        share = None if budget is None else budget * len(group) / len(chosen)
        estate = Estate(f"walk_{service}")
        try:
            for name, problems, detail in walk(estate, group, share, seed):
                score.note(name, problems, detail)
        except HARNESS as exc:
            score.note(service, [str(exc)], f"the walk could not be ended: {exc}")
        finally:
            estate.close()


def walk(estate: Estate, group: t.Sequence[Scenario], seconds: float | None, seed: int) -> t.Iterator[tuple[str, list[str], str]]:
    """Walk the scenarios of one service; yields what to note."""
    end = None if seconds is None else time.monotonic() + seconds
    estate.create_ca()
    parallel(estate.add, group)
    walkers = capture(estate)
    parallel(count_calls, walkers)
    if end is not None:
        for walker, way, kills, problems in sample(estate, walkers, end, random.Random(seed)):
            yield f"{walker.scenario.service} {walker.scenario.kind}, {way.label}", problems, f"killed at {kills} calls of a sample"
        return
    for way in WAYS:
        for walker, kills, problems in walk_all(estate, walkers, way):
            yield f"{walker.scenario.service} {walker.scenario.kind}, {way.label}", problems, f"killed at {kills} calls and let live once"


def try_case(name: str, chance: random.Random | None) -> tuple[str, list[str], float]:
    """Try one case in an estate of its own; its name, what was wrong, and how long it took."""
    began = time.monotonic()
    estate = Estate(name)
    lab = Lab(estate, chance)
    try:
        try:
            estate.create_ca()
            CASES[name](lab)
        except HARNESS as exc:
            lab.problems.append(f"the case could not be ended: {exc}")
        if lab.problems:
            lab.problems.append(f"see {lab.keep(name)}")
    except HARNESS as exc:
        lab.problems.append(f"there is no evidence: {exc}")
    finally:
        estate.close()
    return name, lab.problems, time.monotonic() - began


def try_cases(names: t.Sequence[str], score: Score, seed: int | None) -> None:
    """Try these cases, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, problems, seconds in pool.map(lambda name: try_case(name, None if seed is None else random.Random(seed)), names):
            score.note(name.replace("_", " "), problems, f"{seconds:.0f} s")
            for problem in problems:
                print(f"         {problem}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/torture/run")
    parser.add_argument("--only", default="", help="only what matches this regular expression")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument(
        "--budget", type=float, default=CI_SECONDS if os.environ.get("CI") == "true" else None, help="seconds for everything; kills are a sample then"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000, help="of the sample")
    return parser.parse_args()


def interrupted(_number: int, _frame: object) -> None:
    """Leave no container behind; threads of the walks are not waited for."""
    remove_all()
    os._exit(143)


def main() -> int:
    asked = arguments()
    chosen = [scenario for scenario in scenarios() if re.search(asked.only, f"{scenario.service} {scenario.kind}")]
    names = [name for name in CASES if re.search(asked.only, name)]
    if asked.list:
        print("\n".join([*(f"{scenario.service} {scenario.kind}" for scenario in chosen), *names]))
        return 0
    shutil.rmtree(STATE / "evidence", ignore_errors=True)
    if asked.budget is not None:
        print(f"torture: a sample of the kills, about {asked.budget:g} s in all, --seed {asked.seed}", flush=True)
    signal.signal(signal.SIGTERM, interrupted)
    score, began = Score(), time.monotonic()
    try_cases(names, score, None if asked.budget is None else asked.seed)
    walks(chosen, score, None if asked.budget is None else asked.budget - (time.monotonic() - began), asked.seed)
    print(f"torture: {score.passed} passed, {score.failed} failed")
    return bool(score.failed)


if __name__ == "__main__":
    sys.exit(main())
