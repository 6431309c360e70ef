"""Watching the services' workers: who is asked, who is silent, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from modules.platform.messaging.carrier import service_queues_of
from modules.platform.placement.attending import EVERY, LOST, SILENT, Attendance
from modules.platform.placement.placed import Placed
from tests.platform.example import EXAMPLE

QUEUES = service_queues_of(EXAMPLE)


class Workers:
    """Those of all services, and the broker before them: they answer, are silent, or away."""

    def __init__(self) -> None:
        self.answer = True
        self.deaf = ""  # a queue that nobody takes from
        self.is_away = False
        self.asked: list[str] = []
        self._waiting: list[str] = []

    def __call__(self) -> Workers:
        if self.is_away:
            raise ConnectionError("no broker")
        return self

    def ask(self, queue: str) -> str:
        self.asked.append(queue)
        question = f"question {len(self.asked)}"
        if queue != self.deaf:
            self._waiting.append(question)
        return question

    def heard(self, patience: float) -> Iterator[str]:
        if self.is_away:
            raise ConnectionError("no broker")
        if self.answer:
            yield from self._waiting
            self._waiting.clear()

    def close(self) -> None:
        """They go on."""


class Scene:
    """A follower's watch over a module's service, and the row of the table that it writes."""

    def __init__(self) -> None:
        self.workers = Workers()
        self.now = 100.0
        self.placed = Placed(percent=100, revision=1)
        self.noted: list[bool] = []
        self._watch = Attendance(self.workers, self._note, clock=lambda: self.now)

    def _note(self, module: str, *, revision: int, silent: bool) -> bool:
        self.noted.append(silent)
        self.placed = Placed(percent=self.placed.percent, revision=revision, attended=not silent)
        return True

    def pass_by(self, seconds: float, step: float = 0.2) -> None:
        """So much time, with a look every ``step``."""
        for _ in range(round(seconds / step)):
            self.now += step
            self._watch.turn({EXAMPLE: self.placed})


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_workers_that_answer_are_asked_now_and_then(scene: Scene) -> None:
    """By each of their queues, about once a second; nothing is written."""
    scene.pass_by(10)
    assert set(scene.workers.asked) == set(QUEUES)
    for queue in QUEUES:
        assert 10 / (EVERY + 0.5) < scene.workers.asked.count(queue) <= 10 / EVERY + 1
    assert scene.noted == []


@pytest.mark.parametrize("queue", QUEUES)
def test_one_queue_that_nobody_takes_from_is_silence(scene: Scene, queue: str) -> None:
    """Whether events or outside work would lie there; over when that one is taken from again."""
    scene.workers.deaf = queue
    scene.pass_by(SILENT + 1)
    assert scene.noted == [True]
    scene.workers.deaf = ""
    scene.pass_by(LOST)
    assert scene.noted == [True, False]


def test_silence_is_written_down_and_so_is_its_end(scene: Scene) -> None:
    """After long enough and not before; the metric says how long; one answer ends it."""
    scene.pass_by(3)
    scene.workers.answer = False
    scene.pass_by(SILENT - 3)
    assert scene.noted == []
    scene.pass_by(6)
    assert scene.noted == [True]
    value = REGISTRY.get_sample_value("ficus_placement_silent_seconds", {"module": EXAMPLE})
    assert value is not None
    assert value >= SILENT
    scene.workers.answer = True
    scene.pass_by(1)
    assert scene.noted == [True, False]
    scene.pass_by(SILENT)
    assert scene.noted == [True, False]


def test_questions_do_not_pile_up_before_workers_that_are_gone(scene: Scene) -> None:
    """One lies in each queue, and another only where the broker may have lost it."""
    scene.workers.answer = False
    scene.pass_by(LOST * 3)
    assert all(scene.workers.asked.count(queue) <= 4 for queue in QUEUES)


def test_a_follower_that_begins_anew_does_not_take_silence_back(scene: Scene) -> None:
    """What another has written holds until somebody answers."""
    scene.placed = Placed(percent=100, revision=1, attended=False)
    scene.workers.answer = False
    scene.pass_by(5)
    assert scene.noted == []
    scene.workers.answer = True
    scene.pass_by(1)
    assert scene.noted == [False]


def test_a_broker_that_is_away_says_nothing_about_workers(scene: Scene) -> None:
    """Nobody is called silent for it, during or right after."""
    scene.pass_by(3)
    scene.workers.is_away = True
    scene.pass_by(SILENT * 2)
    scene.workers.is_away = False
    scene.pass_by(SILENT * 2)
    assert scene.noted == []


def test_what_is_not_placed_is_not_asked(scene: Scene) -> None:
    """At 0 % there is nothing to swallow."""
    scene.placed = Placed(percent=0, revision=2)
    scene.pass_by(5)
    assert scene.workers.asked == []
