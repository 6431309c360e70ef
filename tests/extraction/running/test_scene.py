"""What somebody sees who watches a run."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace

import pytest
from rich.console import Console

from modules.extraction.analysis.judging import Verdict, judged
from modules.extraction.analysis.readings import REQUESTS, Pair, Side
from modules.extraction.guards import Guard
from modules.extraction.running.reports import Ended, Outcome, Ran, ran_text
from modules.extraction.running.scene import Scene, shown
from modules.extraction.running.stages import Stage

GUARD = Guard(name="scrub", have="never", need="clean", passes=False)
ILL = judged(
    "payment",
    (Pair(kind=REQUESTS, canary=Side(done=40, failed=12), monolith=Side(done=300)),),
)


def text(thing: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_view_shows_all_at_once() -> None:
    """Stages with their seconds, the guards, the analysis, how it stands, the last events."""
    scene = Scene("payment", lambda line: None)
    scene.begins((Stage.BACKFILL, Stage.CANARY, Stage.CUTOVER))
    scene.enters(Stage.BACKFILL)
    scene.leaves(Ended(stage=Stage.BACKFILL, outcome=Outcome.DONE, seconds=1.5, words="5 rows"))
    scene.enters(Stage.CANARY)
    scene.looked_at((GUARD,))
    scene.judged(ILL, "5 %, 3 s left")
    scene.stands("canary, epoch 0; work: monolith 95 %, service 5 %; data: monolith")
    seen = text(scene)
    for words in ("backfill", "1.5", "canary", "...", "cutover", "scrub", "never", "30.00 %"):
        assert words in seen
    assert "service 5 %" in seen
    assert "backfill done after 1.5 s: 5 rows" in seen


def test_lines_are_told_once_and_now_and_then() -> None:
    """Of a thing that goes on there is a line every few seconds."""
    lines = list[str]()
    scene = Scene("payment", lines.append)
    scene.enters(Stage.BACKFILL)
    for done in range(100):
        scene.at("payment_payment", done, 100)
    assert lines == [
        "run payment: backfill begins\n",
        "run payment: payment_payment: 0 of 100 rows\n",
    ]


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_view_is_live_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn anew, with how it stands, asked for in a thread that ends with it."""
    terminal, asked = Terminal(), list[float]()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    def look() -> str:
        asked.append(time.monotonic())
        return "work: all of it here"

    with shown("payment", look) as scene:
        scene.begins((Stage.CREATE,))
        scene.enters(Stage.CREATE)
        until = time.monotonic() + 20
        while "all of it here" not in terminal.getvalue() and time.monotonic() < until:
            time.sleep(0.05)
    assert "all of it here" in terminal.getvalue()
    seen = len(asked)
    time.sleep(1.1)
    assert len(asked) == seen


def test_end_shows_the_table_that_ended_it() -> None:
    """The guard or the numbers; and what was done with the pause and the receipt."""
    refused = Ended(stage=Stage.PREFLIGHT, outcome=Outcome.REFUSED, guards=(GUARD,), seconds=2.0)
    seen = text(ran_text(Ran(module="payment", stages=(refused,), phase="shadow", next_step="x")))
    assert "scrub" in seen
    assert "phase shadow after 2.0 s" in seen
    failed = Ended(stage=Stage.CANARY, outcome=Outcome.FAILED, judgement=ILL)
    assert "30.00 %" in text(ran_text(Ran(module="payment", stages=(failed,), phase="shadow")))
    sound = replace(ILL, verdict=Verdict.PASS, sides=("service", "monolith before"))
    watched = Ended(stage=Stage.WATCH, outcome=Outcome.DONE, judgement=sound)
    seen = text(ran_text(Ran(module="payment", stages=(watched,), phase="extracted")))
    assert "service" in seen  # the lines of the last watch are shown however it ends
    assert "monolith before" in seen
    assert "canary" not in seen
    done = Ended(stage=Stage.CUTOVER, outcome=Outcome.DONE, guards=(GUARD,))
    report = Ran(module="payment", stages=(done,), phase="extracted", receipt=7, pause_ms=12.34)
    seen = text(ran_text(report))
    assert "scrub" not in seen
    assert "writes waited 12.3 ms" in seen
    assert "receipt 7" in seen
