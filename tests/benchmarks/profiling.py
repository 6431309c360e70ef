"""``python -m tests.benchmarks profile checkout``: where the CPU of a flow goes, by process.

The web application runs in this package's own process, in one thread, called as its server would
call it; the others run as they are, but each in one process and thread. All of them are sampled.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from modules.platform.hosting.running.process import Process
from tests.benchmarks import children, goods
from tests.benchmarks.children import ROOT
from tests.benchmarks.counting import WsgiClient
from tests.benchmarks.ficus import Ficus
from tests.benchmarks.flows import SHOPS
from tests.benchmarks.sampling import RESTART, WRITE, Place, Samples, sampled
from tests.benchmarks.stage import stage
from tests.benchmarks.statements import Statements, logged

FLOWS = {"checkout": "order", "list": "browse"}
WORKERS = ("worker", "outside")
WATCHED = (*WORKERS, "relay", "beat", "standin", "mailbox")
GOODS = 1_000
WARM_UPS = 10
TOP = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One process's CPU for one flow: ms by package, function and caller, most first."""

    process: str
    cpu: float
    packages: list[tuple[str, float]]
    functions: list[tuple[str, float]]
    callers: list[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of one process: how often for one flow, and ms of PostgreSQL's time."""

    process: str
    text: str
    times: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """``processes``: each one that was busy; ``tasks``: Celery's, by name, for one flow.

    ``statements``: what PostgreSQL was asked, dearest first.
    """

    processes: list[Profile]
    tasks: dict[str, float]
    statements: list[Statement]


def profile(flow: str, flows: int) -> Profiles:
    """Run ``flow`` so many times, then as often again with every statement logged."""
    with stage() as here:
        table = goods.write(here.home / "goods.csv", GOODS)
        files = {name: here.home / f"{name}.samples" for name in ("web", *WATCHED)}
        shop = Ficus(here, table, adapt=lambda process: _watched(process, files))
        try:
            command = [sys.executable, "-m", "tests.benchmarks.profiling", FLOWS[flow]]
            env = {**shop.env, "PGAPPNAME": "web"}
            run = children.start(
                "profiled", [*command, str(flows), str(files["web"])], env, here.logs
            )
            _wait_for(files["web"].with_suffix(".warm"), run)
            shop.settle()
            _restart(shop)
            before = _tasks(shop)
            files["web"].with_suffix(".go").touch()
            _wait_for(files["web"], run)
            shop.settle()
            _dump(shop)
            after = _tasks(shop)
            with logged(here) as statements:
                files["web"].with_suffix(".again").touch()
                if run.process.wait():
                    run.require_alive()
                shop.settle()
        finally:
            shop.stop()
        processes = [
            _profile(name, Samples.load(path.read_text()), flows)
            for name, path in files.items()
            if path.exists()
        ]
        tasks = {name: (count - before[name]) / flows for name, count in after.items()}
        return Profiles(processes=processes, tasks=tasks, statements=_statements(statements, flows))


def _restart(shop: Ficus) -> None:
    for child in shop.running:
        if child.name in WATCHED:
            child.process.send_signal(RESTART)


def _dump(shop: Ficus) -> None:
    for child in shop.running:
        if child.name in WATCHED:
            child.process.send_signal(WRITE)
    time.sleep(0.5)


def _tasks(shop: Ficus) -> Counter[str]:
    """How many tasks the workers have done so far, by name."""
    command = [sys.executable, "-m", "celery", "-A", "shop", "inspect", "stats", "--json"]
    done: Counter[str] = Counter()
    for stats in json.loads(children.run(command, shop.env)).values():
        done.update(stats["total"])
    return done


def _statements(seen: Statements, flows: int) -> list[Statement]:
    found = [
        Statement(process=who, text=text, times=count / flows, ms=ms / flows)
        for (who, text), (count, ms) in seen.seen.items()
        if who
    ]
    return sorted(found, key=lambda s: -s.ms)


def _watched(process: Process, files: Mapping[str, Path]) -> Process:
    """The same process under the sampler; a worker without children or threads of its own, which
    are not sampled.
    """
    if process.name not in WATCHED:
        return process
    sampler = (process.command[0], "-m", "tests.benchmarks.sampling", str(files[process.name]))
    alone = ("--pool", "solo") if process.name in WORKERS else ()
    return replace(process, command=(*sampler, *process.command[1:], *alone))


def _wait_for(path: Path, run: children.Child) -> None:
    while not path.exists():
        run.require_alive()
        time.sleep(0.05)


def _profile(process: str, samples: Samples, flows: int) -> Profile:
    count = sum(samples.stacks.values()) or 1
    unit = samples.cpu * 1000 / flows / count  # ms of a flow that one sample stands for
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    callers: Counter[str] = Counter()
    for stack, times in samples.stacks.items():
        packages[_package(stack[0][0])] += times
        functions[_name(stack[0])] += times
        for name in {_name(place) for place in stack if _is_ours(place)}:
            callers[name] += times
    return Profile(
        process=process,
        cpu=samples.cpu * 1000 / flows,
        packages=[(name, n * unit) for name, n in packages.most_common(TOP)],
        functions=[(name, n * unit) for name, n in functions.most_common(TOP)],
        callers=[(name, n * unit) for name, n in callers.most_common(TOP * 2)],
    )


def _is_ours(place: Place) -> bool:
    return place[0].startswith((f"{ROOT}/modules", f"{ROOT}/shop"))


def _package(path: str) -> str:
    if path.startswith(str(ROOT)) and "site-packages" not in path:
        return ".".join(Path(path).relative_to(ROOT).parts[:3]).removesuffix(".py")
    if "site-packages/" in path:
        parts = path.rpartition("site-packages/")[2].split("/")
        return "/".join(parts[:2]) if parts[0] == "django" else parts[0].removesuffix(".py")
    return f"python {Path(path).parent.name if 'python3' in path else ''}{Path(path).name}"


def _name(place: Place) -> str:
    path, line, function = place
    short = path.rpartition("site-packages/")[2].removeprefix(f"{ROOT}/")
    short = (
        short.rpartition("/lib/python3.")[2].partition("/")[2] if "/lib/python" in short else short
    )
    return f"{short}:{line} {function}"


def main(flow: str, flows: int, out: Path) -> None:
    """The profiled process: says when it is warm, waits for the word, runs the flows."""
    client = WsgiClient(import_module("shop.wsgi").application)
    repeat = getattr(SHOPS["ficus"](GOODS), flow)
    choice = random.Random(1)

    def send(step: str, *request: object) -> tuple[int, bytes]:
        return client.request(*request)  # type: ignore[arg-type]

    for _ in range(WARM_UPS):
        repeat(send, choice)
    out.with_suffix(".warm").touch()
    while not out.with_suffix(".go").exists():
        time.sleep(0.02)
    with sampled() as samples:
        for _ in range(flows):
            repeat(send, choice)
    out.write_text(samples.dump())
    while not out.with_suffix(".again").exists():
        time.sleep(0.02)
    for _ in range(flows):
        repeat(send, choice)
    os._exit(0)  # nothing to tidy: the servers go with the run


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
