# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench: this collection beside its peers and floors, in one run, as ratios."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import typing as t
from importlib.metadata import version

from chart import chart
from comparisons import COMPARISONS, LINES, WITHOUT_FLEET, Bench, Grown
from figures import HEAD, Figure, Sample, line, markdown, replaced, rounded
from fleet import Fleet
from measure import ROOT, STATE, BenchError, Controller

DOCS = ROOT / "docs"
# What of a sample, the name of the file, what it shows and in which unit.
CHARTS = (
    ("seconds", "seconds", "Time of a run", "seconds"),
    ("memory", "memory", "Memory of the greatest process of the controller", "megabytes"),
)
NIGHT_CHARTS = (
    ("processor", "nights", "Processor time to record a host", "milliseconds"),
    ("memory", "nights-memory", "Memory of the process that records", "megabytes"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run")
    parser.add_argument("--only", nargs="+", choices=list(COMPARISONS), default=list(COMPARISONS), help="only these comparisons")
    parser.add_argument("--hosts", type=int, default=20, help="containers of the fleet")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--write", action="store_true", help="write the figures of this run into docs/speed.md, and what was not run")
    return parser.parse_args()


def compared(asked: argparse.Namespace) -> tuple[dict[str, list[Figure]], Bench]:
    """Run the comparisons and print each line as soon as it is known."""
    figures: dict[str, list[Figure]] = {name: [] for name in asked.only}
    bench = Bench(Controller(), Fleet(asked.hosts), asked.repeats)
    print(line(HEAD), flush=True)
    try:
        if set(asked.only) - WITHOUT_FLEET:
            start(bench)
        for name in asked.only:
            for figure in COMPARISONS[name](bench):
                figures[name].append(figure)
                print(line(figure.cells()), flush=True)
    finally:
        bench.fleet.remove()
        bench.controller.close()
    return figures, bench


def start(bench: Bench) -> None:
    """Bring up the fleet and the CA that its certificates come from."""
    shutil.rmtree(bench.fleet.folder / "ca", ignore_errors=True)
    bench.fleet.start()
    bench.fleet.set_back()
    bench.play("create_ca")


def machine(asked: t.Collection[str]) -> str:
    """What the figures were measured on, and what is not among them."""
    core, python = version("ansible-core"), platform.python_version()
    day = dt.datetime.now(dt.timezone.utc).date()
    left_out = [name for name in COMPARISONS if name not in asked]
    more = f" Not run this time: {', '.join(left_out)}." if left_out else ""
    return f"Measured on {day} with ansible-core {core} and Python {python}; controller and hosts shared {os.cpu_count()} processors.{more}"


def growth_table(grown: Grown, time: str, unit: str) -> str:
    """Medians of a time and of the memory for each number of hosts."""

    def cells(sizes: t.Iterable[int]) -> t.Iterator[list[str]]:
        for names in sizes:
            yield [str(names), *(f"{rounded(median(runs[names], time))} {unit}, {rounded(median(runs[names], 'memory'))} MB" for runs in grown.values())]

    return markdown(("hosts", *grown), cells(next(iter(grown.values()))))


def median(samples: t.Iterable[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


def write(figures: t.Mapping[str, t.Sequence[Figure]], bench: Bench, folder: pathlib.Path) -> None:
    """Put the figures into the page, and beside it the charts where there are any. Those of nights have a section of their own."""
    page = folder / "speed.md"
    told = [figure for name, own in figures.items() if name != "nights" for figure in own]
    if told:
        page.write_text(replaced(page.read_text(), "figures", f"{machine(figures)}\n\n{figure_table(told)}"))
    if bench.grown:
        write_growth({LINES[playbook]: runs for playbook, runs in bench.grown.items()}, page, "growth", CHARTS, "s")
    if bench.nights:
        write_growth(bench.nights, page, "nights", NIGHT_CHARTS, "ms", before=f"{machine(figures)}\n\n{figure_table(figures['nights'])}")


def figure_table(figures: t.Iterable[Figure]) -> str:
    return markdown(HEAD, (figure.cells() for figure in figures))


def write_growth(grown: Grown, page: pathlib.Path, section: str, charts: t.Sequence[tuple[str, str, str, str]], unit: str, *, before: str = "") -> None:
    """Put what each number of hosts took into a section of the page, and the charts of it beside it."""
    pictures = "\n\n".join(f"![{what}](speed-{file}.svg)" for _name, file, what, _unit in charts)
    page.write_text(replaced(page.read_text(), section, f"{before}\n\n{growth_table(grown, charts[0][0], unit)}\n\n{pictures}".strip()))
    for name, file, what, measure in charts:
        series = {line: [(names, median(samples, name)) for names, samples in runs.items()] for line, runs in grown.items()}
        (page.parent / f"speed-{file}.svg").write_text(chart(what, "hosts", measure, series))


def interrupted(_number: int, _frame: object) -> None:
    raise BenchError("interrupted")


def main() -> int:
    asked = arguments()
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        figures, bench = compared(asked)
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    if asked.write:
        write(figures, bench, DOCS)
    met = [figure.goal.met(figure.ratio) for own in figures.values() for figure in own if figure.asked]
    print(f"bench: {sum(met)} of {len(met)} goals met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
