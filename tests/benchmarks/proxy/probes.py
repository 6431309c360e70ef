"""Sends every proxy the same ill-formed requests: ``python -m tests.benchmarks.proxy.probes``.

Behind each stands an upstream that keeps the bytes it gets. Ours is to do no worse than the best
of the others in any case; it ends with 1 when it does.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import children
from tests.benchmarks.proxy import contestants, wire
from tests.benchmarks.proxy.arena import arena
from tests.benchmarks.proxy.contestants import OURS, Shape
from tests.benchmarks.proxy.probe_cases import CASES, Case
from tests.benchmarks.proxy.recorder import Recorder

PATIENCE = 1.0  # seconds for the first byte of an answer
WIDTH = 160  # characters of the table
QUIET = 0.1  # seconds without another byte: it has said all
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")


class Level(IntEnum):
    """How bad an outcome is."""

    RIGHT = 0  # one of those the standard allows
    SAFE = 1  # refused in another way than the standard says
    PASSED = 2  # sent on in good form, though it should have been refused
    RAW = 3  # sent on as it came
    SMUGGLED = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """``label`` is a word of probe_cases; ``status`` of the first final answer, or None."""

    label: str
    status: int | None
    fault: str

    def level(self, case: Case) -> Level:
        """What the standard says to it."""
        if self.label in case.accept:
            return Level.RIGHT
        levels = {
            "smuggled": Level.SMUGGLED,
            "raw": Level.RAW,
            "kept": Level.RAW,
            "clean": Level.PASSED,
            "split": Level.PASSED,
        }
        return levels.get(self.label, Level.SAFE if not _is_success(self.label) else Level.PASSED)


def send(case: Case, port: int, recorder: Recorder) -> Outcome:
    """One case on a connection of its own."""
    recorder.take()
    answer, closed = _converse(case.sent, port)
    time.sleep(QUIET / 4)  # what is still on its way to the upstream
    return judge(case, answer, closed, recorder.take())


def judge(case: Case, answer: bytes, closed: bool, arrived: Sequence[bytes]) -> Outcome:
    """What became of it: ``answer`` is what the sender got, ``arrived`` what the upstream did."""
    readings = [wire.read(data) for data in arrived]
    fault = next((reading.fault for reading in readings if reading.fault), "")
    whole = sum(len(reading.messages) for reading in readings)
    statuses = [int(found) for found in _STATUS.findall(answer)]
    final = [one for one in statuses if one >= 200]
    status = final[0] if final else None
    if not any(arrived):
        return Outcome(_said(answer, status, closed), status, "")
    if whole > case.messages:
        return Outcome("split" if len(final) >= whole else "smuggled", status, fault)
    return Outcome(_passed(case, arrived, whole, fault), status, fault)


def _passed(case: Case, arrived: Sequence[bytes], whole: int, fault: str) -> str:
    if fault:
        return "raw"
    seen = b"".join(arrived).lower()
    if any(word in seen for word in case.absent):
        return "kept"
    return "clean" if whole == case.messages else "cut"


def _said(answer: bytes, status: int | None, closed: bool) -> str:
    if status is not None:
        return str(status)
    if answer:
        return "other"
    return "closed" if closed else "silent"


def _is_success(label: str) -> bool:
    return label.isdigit() and int(label) < 400


def _converse(sent: bytes, port: int) -> tuple[bytes, bool]:
    """The answer, and whether the connection was closed."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            connection.sendall(sent)
            while data := connection.recv(65_536):
                answer += data
                connection.settimeout(QUIET)
        except TimeoutError:
            return answer, False
        except ConnectionError:
            pass  # closed with what we sent unread
    return answer, True


# ---------------------------------------------------------------- the table


def run(only: Sequence[str] = ()) -> dict[str, dict[str, Outcome]]:
    """Outcomes by proxy and case. Raises DidNotRun."""
    chosen = [
        contestant
        for contestant in (contestants.OURS_ALL[0], *contestants.PEERS)
        if contestant.shape is Shape.BARE and (not only or contestant.proxy in only)
    ]
    outcomes = {}
    with arena() as here, ExitStack() as stack:
        recorder = Recorder()
        stack.callback(recorder.close)
        for contestant in chosen:
            sys.stderr.write(f"probing {contestant.proxy}\n")
            running = contestants.start(contestant, here, monolith=str(recorder.port))
            try:
                outcomes[contestant.proxy] = {
                    case.name: send(case, running.port, recorder) for case in CASES
                }
                running.child.require_alive()
            finally:
                children.stop([running.child])
    return outcomes


def worse(outcomes: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    """Cases in which ours did worse than the best of the others."""
    others = [seen for proxy, seen in outcomes.items() if proxy != OURS]
    if OURS not in outcomes or not others:
        return []
    return [
        case.name
        for case in CASES
        if outcomes[OURS][case.name].level(case)
        > min(seen[case.name].level(case) for seen in others)
    ]


def table(outcomes: Mapping[str, Mapping[str, Outcome]]) -> Table:
    """One line a case; what the standard does not allow is marked by how bad it is."""
    marks = {Level.RIGHT: "", Level.SAFE: " ?", Level.PASSED: " !", Level.RAW: " !!"}
    found = Table(title="What became of each request")
    for column in ("case", *outcomes, "allowed", "by"):
        found.add_column(column)
    for case in CASES:
        seen = [outcomes[proxy][case.name] for proxy in outcomes]
        cells = [f"{one.label}{marks.get(one.level(case), ' !!!')}" for one in seen]
        found.add_row(case.name, *cells, " ".join(sorted(case.accept)), case.section)
    return found


def totals(outcomes: Mapping[str, Mapping[str, Outcome]]) -> Table:
    """How many cases of each level each proxy had."""
    found = Table(title=f"{len(CASES)} cases")
    found.add_column("")
    words = ("as allowed", "? oddly refused", "! passed", "!! raw", "!!! smuggled")
    for word in words:
        found.add_column(word, justify="right")
    for proxy, seen in outcomes.items():
        levels = [seen[case.name].level(case) for case in CASES]
        found.add_row(proxy, *(str(levels.count(level)) for level in Level))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 when something did not run, or ours did worse than the best of the others."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.proxy.probes", description=__doc__
    )
    parser.add_argument("--only", default="", help="names of proxies, comma-separated")
    parser.add_argument("--json", action="store_true", help="every outcome, as JSON")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    try:
        outcomes = run([name for name in asked.only.split(",") if name])
    except children.DidNotRun as error:
        sys.stderr.write(f"probes: {error}\n")
        return 1
    if asked.json:
        sys.stdout.write(json.dumps(as_json(outcomes)) + "\n")
    else:
        show(Console(width=WIDTH), outcomes)
    return int(bool(worse(outcomes)))


def as_json(outcomes: Mapping[str, Mapping[str, Outcome]]) -> dict[str, Any]:
    """Every outcome by proxy and case."""
    return {
        proxy: {case: asdict(outcome) for case, outcome in seen.items()}
        for proxy, seen in outcomes.items()
    }


def show(console: Console, outcomes: Mapping[str, Mapping[str, Outcome]]) -> None:
    """The tables, and the verdict."""
    console.print(table(outcomes), highlight=False)
    console.print(totals(outcomes), highlight=False)
    behind = worse(outcomes)
    if behind:
        console.print(f"ours is worse than the best of the others in: {', '.join(behind)}")
    elif OURS in outcomes:
        console.print("ours is no worse than the best of the others in any case")


if __name__ == "__main__":
    sys.exit(main())
