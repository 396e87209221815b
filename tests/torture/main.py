# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The torture: walks and cases, one line each, and a closing line."""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import time
import typing as t

from estate import STATE, Estate, Scenario, scenarios
from walk import WAYS, capture, parallel, sample, walk_all

CI_SECONDS = 360.0


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
    """Walk the calls of these scenarios, all of them or a sample."""
    if not chosen:
        return
    estate = Estate("walk")
    try:
        estate.create_ca()
        parallel(estate.add, chosen)
        walkers = capture(estate)
        if budget is not None:
            for walker, way, steps, problems in sample(estate, walkers, budget, random.Random(seed)):
                score.note(f"{walker.scenario.service} {walker.scenario.kind}, {way.label}", problems, f"{steps} kills of a sample")
            return
        for way in WAYS:
            for walker, steps, problems in walk_all(estate, walkers, way):
                score.note(f"{walker.scenario.service} {walker.scenario.kind}, {way.label}", problems, f"killed at {steps - 1} calls, survived the next")
    finally:
        estate.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/torture/run")
    parser.add_argument("--only", default="", help="only what matches this regular expression")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--budget", type=float, default=CI_SECONDS if os.environ.get("CI") == "true" else None, help="seconds for the kills")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000, help="of the sample")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    chosen = [scenario for scenario in scenarios() if re.search(asked.only, f"{scenario.service} {scenario.kind}")]
    if asked.list:
        print("\n".join(f"{scenario.service} {scenario.kind}" for scenario in chosen))
        return 0
    shutil.rmtree(STATE / "evidence", ignore_errors=True)
    if asked.budget is not None:
        sys.stdout.reconfigure(line_buffering=True)
        print(f"torture: a sample of the kills for {asked.budget:g} s, --seed {asked.seed}", flush=True)
    score = Score()
    walks(chosen, score, asked.budget, asked.seed)
    print(f"torture: {score.passed} passed, {score.failed} failed")
    return bool(score.failed)


if __name__ == "__main__":
    sys.exit(main())
