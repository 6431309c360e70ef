"""A command that is told to stop while it waits, or begins to, or is about to: it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from modules.platform.console import Stop, stop_by_signal
from shop.env import ROOT

ROUNDS = 3000
TOLD_AT_ANY_MOMENT = f"""
import random, signal
from modules.platform.console import Stop, stopping
stopping.LONGEST = 0.02
for number in range({ROUNDS}):
    stop = Stop()
    signal.signal(signal.SIGALRM, lambda *_: stop.set())
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.000005, %s))
    while not stop.wait(%s):
        pass
print("stopped", number + 1)
"""
# Waits of no length, that are over before they have begun: some implementations forget their end.
UNTOLD = """
from modules.platform.console import Stop
print(sum(Stop().wait(0.000005) for _ in range(30_000)))
"""


# A ``threading.Event`` stands still within the first hundreds of the former; a lock alone, for as
# long as it waits in one go, within the first thousands of the latter.
@pytest.mark.parametrize(("latest", "wait"), [(0.0005, 0.00001), (0.00008, None)])
def test_a_signal_may_come_at_any_moment(latest: float, wait: float | None) -> None:
    """Also while the main thread is within ``wait``, or about to be."""
    assert _said(TOLD_AT_ANY_MOMENT % (latest, wait)) == (f"stopped {ROUNDS}\n", "")


def test_the_shortest_wait_has_an_end() -> None:
    """A ``SimpleQueue`` of Python 3.11 stands still within the first thousands."""
    assert _said(UNTOLD) == ("0\n", "")


def _said(script: str) -> tuple[str, str]:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout, done.stderr


@pytest.fixture
def handlers() -> Iterator[None]:
    """What this process does with both signals is afterwards what it was."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("handlers")
def test_it_is_known_who_told() -> None:
    """In their order."""
    stop = stop_by_signal()
    assert (stop.is_set(), stop.wait(0), stop.by) == (False, False, "")
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert (stop.is_set(), stop.wait(), stop.by) == (True, True, "SIGTERM SIGINT")


def test_all_who_wait_are_told() -> None:
    """However many, and those that come later."""
    stop, told = Stop(), list[bool]()
    waiting = [threading.Thread(target=lambda: told.append(stop.wait(30))) for _ in range(3)]
    for one in waiting:
        one.start()
    stop.set()
    for one in waiting:
        one.join(30)
    assert told == [True] * 3
    assert stop.wait()


def test_waiting_ends_in_time() -> None:
    """Also a time that is over."""
    stop, started = Stop(), time.monotonic()
    assert not stop.wait(0.1)
    assert time.monotonic() - started >= 0.1
    assert not stop.wait(-1.0)


def test_what_was_told_stays_told() -> None:
    """Nobody may take it back."""
    stop = Stop()
    stop.set()
    with pytest.raises(RuntimeError, match="stays so"):
        stop.clear()
    assert stop.is_set()
