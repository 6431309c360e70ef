"""Measures the front door beside other proxies: ``python -m tests.benchmarks.proxy --help``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from tests.benchmarks.children import DidNotRun
from tests.benchmarks.proxy import contestants, report, wrk
from tests.benchmarks.proxy.goals import as_json, goals
from tests.benchmarks.proxy.rounds import QUICK, Effort, Standing, measure

_KINDS = {kind.name: kind for kind in wrk.KINDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 when something did not run or a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.proxy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 3 seconds")
    parser.add_argument("--json", action="store_true", help="every round, as JSON")
    parser.add_argument("--rounds", type=int, help="of each contestant under each load")
    parser.add_argument("--pairs", type=int, help="of windows with a hung mirror and without")
    parser.add_argument("--seconds", type=float, help="of each round; at least 1")
    parser.add_argument("--clients", type=_numbers, help="how many at once, comma-separated")
    names = ", ".join(contestant.name for contestant in contestants.ALL)
    parser.add_argument("--only", type=_words, help=f"parts of names, of: {names}")
    parser.add_argument("--kinds", type=_kinds, help=f"of {', '.join(_KINDS)}")
    asked = parser.parse_args(arguments)
    effort = QUICK if asked.quick else Effort()
    fields = ("rounds", "pairs", "seconds", "clients", "only", "kinds")
    given = {name: value for name in fields if (value := getattr(asked, name)) is not None}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    standing = Standing()
    ended = ""
    try:
        measure(replace(effort, **given), standing)
    except DidNotRun as error:
        ended = f"benchmark: {error}\n"
    if not standing.rounds:
        sys.stderr.write(ended)
        return 1
    reached = goals(standing)
    if asked.json:
        sys.stdout.write(json.dumps(as_json(standing, reached)) + "\n")
    else:
        report.show(Console(width=120), standing, reached)
    sys.stderr.write(ended)  # below what was measured until then
    return int(bool(ended) or any(goal.met is False for goal in reached))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _kinds(text: str) -> tuple[wrk.Kind, ...]:
    try:
        return tuple(_KINDS[name] for name in _words(text))
    except KeyError as unknown:
        raise argparse.ArgumentTypeError(f"{unknown}? There are {', '.join(_KINDS)}") from None


if __name__ == "__main__":
    sys.exit(main())
