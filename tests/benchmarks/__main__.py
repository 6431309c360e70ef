"""Runs the benchmarks: ``python -m tests.benchmarks [name ...] [--quick] [--json]``.

Each figure stands beside a named peer or ceiling that ran in turn with it, on the same machine in
the same run; what counts is the ratio. Figures go to stdout, progress to stderr, nothing else is
written.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks import children, goods, imports, profiling, tables
from tests.benchmarks.ficus import Ficus
from tests.benchmarks.oscar import PYTHON, Oscar
from tests.benchmarks.proxy import probes, report, rounds
from tests.benchmarks.proxy.goals import as_json, goals
from tests.benchmarks.stage import Contestant, Stage, stage
from tests.benchmarks.versus import QUICK, Effort, compare

HERE = Path(__file__).resolve().parent
EXPECTED = {
    "order": {"4 orders/s until quiet": ">= 1.0x, goal 1.5x"},
    "browse": {"4 lists of 20/s": ">= 1.0x, goal 1.2x"},
}
IMPORT_ROWS, QUICK_ROWS = 10_000, 2_000
IMPORT_ROUNDS = 3
STATEMENTS = 60  # the dearest, in a profile


class Run:
    """One invocation: starts what the chosen benchmarks need, once, and prints as it goes."""

    def __init__(
        self, effort: Effort, door: rounds.Effort, rows: int, flows: int, as_json: bool
    ) -> None:
        self._effort, self._door, self._rows, self._flows = effort, door, rows, flows
        self._as_json = as_json
        self._console = Console(width=110)
        self._stack = ExitStack()
        self._pair: tuple[Stage, list[Contestant]] | None = None
        self.results: dict[str, Any] = {}
        self.failed = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def checkout(self) -> None:
        """A cart, one or two lines, an order, paid and confirmed; until quiet."""
        self._versus("order")

    def products(self) -> None:
        """A page of 20 products: ours with prices and stock, the peer's with neither."""
        self._versus("browse")

    def queries(self) -> None:
        """Statements and commits of each request."""
        _here, (ours, peer) = self._shops()
        count = str(self._effort.goods)
        module = ("-m", "tests.benchmarks.queries")
        found = {}
        for shop, python in ((ours, sys.executable), (peer, str(PYTHON))):
            text = children.run([python, "-W", "ignore", *module, shop.name, count], shop.env)
            found[shop.name] = json.loads(text)
        self.results["queries"] = found
        pairs = [(shop, what) for what in ("statements", "commits") for shop in found]
        rows = [
            (step, *(found[shop][step][what] for shop, what in pairs))
            for step in ("list", "basket", "line", "order")
        ]
        columns = ("request", "statements ficus", "oscar", "commits ficus", "oscar")
        self._print(tables.simple("What one request asks of the databases", columns, rows))

    def imports(self) -> None:
        """``import_catalog`` beside a bare COPY of the same file."""
        with stage() as here:
            seen = imports.measure(here, self._rows, IMPORT_ROUNDS)
        self.results["imports"] = asdict(seen)
        rows = [
            (name, f"{rate:,.0f}", f"{rate / seen.ceiling:.1%}", f"{seen.rows / rate:.2f}", goal)
            for name, rate, goal in (
                ("import_catalog, new goods", seen.fresh, "<= 60 s for 10,000"),
                ("import_catalog, the same again", seen.again, ""),
                ("ceiling: bare COPY into one table", seen.ceiling, ""),
            )
        ]
        columns = (f"{seen.rows:,} goods", "rows/s", "of the ceiling", "s", "expected")
        self._print(tables.simple("Import: the whole command, its start included", columns, rows))

    def events(self) -> None:
        """The bus beside PostgreSQL alone."""
        self._script("events")

    def binding(self) -> None:
        """A call through a binding beside a plain one."""
        self._script("binding")

    def rpc(self) -> None:
        """A call of another host beside a bare httpx call of the same bytes."""
        self._script("rpc")

    def extraction(self) -> None:
        """A module's data moving out and back under load."""
        self._script("extraction")

    def extraction_show(self) -> None:
        """Two modules of a running shop moved out and back under load."""
        self._script("extraction_show")

    def proxy(self) -> None:
        """The front door beside nginx, HAProxy, Envoy, Traefik, Caddy and pairs of Python."""
        standing = rounds.Standing()
        try:
            rounds.measure(self._door, standing)
        finally:  # also what was measured before one of them did not run
            if standing.rounds:
                reached = goals(standing)
                self.results["proxy"] = as_json(standing, reached)
                self.failed |= any(goal.met is False for goal in reached)
                if not self._as_json:
                    report.show(self._console, standing, reached)

    def probes(self) -> None:
        """What the front door and the others make of ill-formed requests."""
        outcomes = probes.run()
        self.results["probes"] = probes.as_json(outcomes)
        self.failed |= bool(probes.worse(outcomes))
        if not self._as_json:
            probes.show(Console(width=probes.WIDTH), outcomes)

    def profile(self, flow: str) -> None:
        """Where the CPU of ``flow`` goes, by process."""
        seen = profiling.profile(flow, self._flows)
        self.results["profile"] = asdict(seen)
        for one in seen.processes:
            name = f"{one.process}: {one.cpu:.2f} ms CPU for one {flow}"
            for what in ("packages", "functions", "callers"):
                title = {"callers": "inclusive, our code"}.get(what, f"own, by {what[:-1]}")
                rows = [entry for entry in getattr(one, what) if entry[1] >= 0.01]
                if rows:
                    self._print(tables.simple(name, (title, "ms"), rows))
        tasks = sorted(seen.tasks.items(), key=lambda entry: -entry[1])
        self._print(tables.simple(f"Celery tasks for one {flow}", ("task", "times"), tasks))
        total = sum(s.ms for s in seen.statements)
        rows = [(f"{s.process}: {s.text}", s.times, s.ms) for s in seen.statements[:STATEMENTS]]
        title = f"PostgreSQL: {total:.2f} ms for one {flow}, with every statement logged"
        self._print(tables.simple(title, ("statement", "times", "ms"), rows))

    def _versus(self, flow: str) -> None:
        here, shops = self._shops()
        versus = compare(flow, shops, here, self._effort)
        self.results[flow] = asdict(versus)
        if not self._as_json:
            tables.print_versus(self._console, versus, EXPECTED[flow])

    def _shops(self) -> tuple[Stage, Any]:
        if self._pair is None:
            here = self._stack.enter_context(stage())
            table = goods.write(here.home / "goods.csv", self._effort.goods)
            shops: list[Contestant] = []
            for kind in (Ficus, Oscar):
                shop = kind(here, table)
                self._stack.callback(shop.stop)
                shops.append(shop)
            self._pair = here, shops
        return self._pair

    def _script(self, name: str) -> None:
        if not (HERE / f"bench_{name}.py").exists():
            sys.stderr.write(f"there is no bench_{name}.py\n")
            return
        try:
            text = children.run([sys.executable, "-m", f"tests.benchmarks.bench_{name}"], {})
        except children.DidNotRun as error:  # it failed, or missed its own bound
            text, self.failed = str(error), True
        self.results[name] = text.splitlines()
        self._print(text.rstrip())

    def _print(self, what: Any) -> None:
        if not self._as_json:
            self._console.print(what, highlight=False)


NAMES: dict[str, Callable[[Run], None]] = {
    "checkout": Run.checkout,
    "list": Run.products,
    "queries": Run.queries,
    "imports": Run.imports,
    "events": Run.events,
    "binding": Run.binding,
    "rpc": Run.rpc,
    "extraction": Run.extraction,
    "extraction-show": Run.extraction_show,
    "proxy": Run.proxy,
    "probes": Run.probes,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a process it needs did not run, or missed its own bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(NAMES)}; profile checkout|list")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--json", action="store_true", help="every round, as JSON")
    parser.add_argument("--rounds", type=int, help="of each shop at each concurrency")
    parser.add_argument("--seconds", type=float, help="of each round")
    parser.add_argument("--clients", type=_clients, help="how many at once, comma-separated")
    parser.add_argument("--goods", type=int, help="in the catalogue")
    parser.add_argument("--flows", type=int, default=300, help="to profile")
    asked = parser.parse_args(arguments)
    effort, door = (QUICK, rounds.QUICK) if asked.quick else (Effort(), rounds.Effort())
    names = ("rounds", "seconds", "clients", "goods")
    given = {name: value for name in names if (value := getattr(asked, name)) is not None}
    for_both = {name: value for name, value in given.items() if name != "goods"}
    door = replace(door, **for_both)
    rows = QUICK_ROWS if asked.quick else IMPORT_ROWS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    with Run(replace(effort, **given), door, rows, asked.flows, asked.json) as run:
        try:
            _run(run, parser, asked.names)
        except children.DidNotRun as error:
            sys.stderr.write(f"benchmark: {error}\n")
            return 1
        if asked.json:
            sys.stdout.write(json.dumps(run.results) + "\n")
        return int(run.failed)


def _clients(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _run(run: Run, parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    if names and names[0] == "profile":
        for flow in names[1:] or ["checkout"]:
            if flow not in profiling.FLOWS:
                parser.error(f"profile {flow}? There are {', '.join(profiling.FLOWS)}")
            run.profile(flow)
        return
    for name in names:
        if name not in NAMES:
            parser.error(f"{name}? There are {', '.join(NAMES)} and profile")
    for name in names or NAMES:
        NAMES[name](run)


if __name__ == "__main__":
    sys.exit(main())
