"""Answers that differ are asked for again before they are recorded: what lags is no difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.mirror.recorded import Pair, read_pairs
from tests.proxy.client import ask
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.origin import CLOSE, Got, Origin, Step, ok, origin
from tests.proxy.stage import instances, route
from tests.waiting import eventually

MIRRORED, CONFIRMED = "mirrored_requests_total", "mirror_confirmations_total"
LAG = 0.2  # seconds that the service is behind
AFTER = 0.3  # seconds, of the option

OLD, NEW = ok(b"authorized"), ok(b"captured")


class Monolith:
    """Has what is new at once; of some targets it says something else when it is asked again."""

    def __call__(self, got: Got) -> bytes | list[Step]:
        again = "ficus-mirror" in got.headers
        if got.target.endswith("/ill") and again:
            return ok(b"ill", status="503 Service Unavailable")
        return [CLOSE] if got.target.endswith("/leaves") and again else NEW


class Service:
    """Is behind: some time after it was asked first, or so many times that it is asked."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._count: Counter[str] = Counter()

    def __call__(self, got: Got) -> bytes | list[Step]:
        _, _, what = got.target.rpartition("/")
        self._count[got.target] += 1
        now = time.monotonic()
        if what == "behind":
            return OLD if now < self._first.setdefault(got.target, now) + LAG else NEW
        if what == "gone":
            return ok(b"", status="404 Not Found")
        word, _, times = what.partition("-")
        return NEW if word == "late" and self._count[got.target] > int(times) else OLD


@pytest.fixture(scope="module")
def monolith() -> Iterator[Origin]:
    with origin(Monolith()) as running:
        yield running


@pytest.fixture(scope="module")
def service() -> Iterator[Origin]:
    with origin(Service()) as running:
        yield running


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pairs are recorded."""
    return tmp_path_factory.mktemp("state")


def mirrored(name: str, upstream: str = "service", **mirror: Any) -> Any:
    """A route whose pairs are recorded."""
    given = {"upstream": upstream, "methods": ["GET", "HEAD", "POST"], "record": True}
    return route(name, upstream="monolith", mirror=given | mirror)


@pytest.fixture(scope="module")
def document(monolith: Origin, service: Origin, state: Path) -> dict[str, Any]:
    strict = {"breaker": {"minimum": 1, "ratio": 0.01}, "outliers": {"consecutive_failures": 1}}
    return {
        "state": str(state),
        "upstreams": {
            "monolith": instances(monolith, **strict),
            "service": instances(service),
            "narrow": instances(service),
        },
        "routes": [
            mirrored("once"),
            mirrored("confirmed", confirm_seconds=AFTER),
            mirrored("narrow", "narrow", confirm_seconds=AFTER, concurrent=1),
            mirrored("long", confirm_seconds=1.5),
        ],
    }


@pytest.fixture(scope="module")
def door(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def pairs(state: Path, target: str, number: int = 1) -> list[Pair]:
    """Those of a target, when there are so many."""
    name = target.split("/")[1]

    def found() -> list[Pair]:
        return [one for one in read_pairs(state / "pairs", name) if one.request.target == target]

    eventually(lambda: len(found()) >= number, "they are not recorded")
    return found()


def text(pair: Pair) -> tuple[str | None, str | None]:
    """What both have said."""
    bodies = (pair.primary.body, pair.mirrored.body)
    one, other = (body.text if body is not None else None for body in bodies)
    return one, other


def count(door: FrontDoor, family: str, result: str, upstream: str = "service") -> float:
    return door.metric(f"ficus_proxy_{family}", upstream=upstream, result=result)


def of(side: Origin, target: str) -> list[Got]:
    return [got for got in side.got if got.target == target]


def test_service_that_is_behind_is_no_difference(door: FrontDoor, state: Path) -> None:
    """200 ms; without the option the pair differs by that. No client waits for it."""
    before = count(door, CONFIRMED, "same")
    for name in ("once", "confirmed"):
        assert ask(door.port, "GET", f"/{name}/behind").text == "captured"
    (one,) = pairs(state, "/once/behind")
    assert (one.attempts, text(one)) == (1, ("captured", "authorized"))
    (one,) = pairs(state, "/confirmed/behind")
    assert (one.attempts, text(one)) == (2, ("captured", "captured"))
    assert one.primary.failure is one.mirrored.failure is None
    assert count(door, CONFIRMED, "same") == before + 1


def test_one_that_is_further_behind_is_asked_a_second_time(
    door: FrontDoor, monolith: Origin, service: Origin, state: Path
) -> None:
    """After twice the time; both are asked the same, and it is marked."""
    asked = time.monotonic()
    ask(door.port, "GET", "/confirmed/late-2", headers={"X-Own": "1"})
    (one,) = pairs(state, "/confirmed/late-2")
    assert time.monotonic() - asked > 3 * AFTER - 0.05
    assert (one.attempts, text(one)) == (3, ("captured", "captured"))
    first, *again = of(monolith, "/confirmed/late-2")
    copies = of(service, "/confirmed/late-2")
    assert (len(again), len(copies)) == (2, 3)
    assert "ficus-mirror" not in first.headers
    assert all(got.headers == copies[0].headers for got in (*again, *copies))


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/confirmed/other"), ("HEAD", "/confirmed/gone")]
)
def test_real_difference_stays_one(method: str, target: str, door: FrontDoor, state: Path) -> None:
    """Of the body or of the status; it was asked for three times."""
    before = count(door, CONFIRMED, "different")
    ask(door.port, method, target)
    (one,) = pairs(state, target)
    assert one.attempts == 3
    assert (one.primary.status, text(one)) != (one.mirrored.status, text(one)[::-1])
    assert count(door, CONFIRMED, "different") == before + 2


def test_what_is_the_same_is_not_asked_again(door: FrontDoor, service: Origin, state: Path) -> None:
    """Nor is what cannot be compared."""
    ask(door.port, "GET", "/confirmed/late-0")
    assert pairs(state, "/confirmed/late-0")[0].attempts == 1
    time.sleep(AFTER + 0.1)
    assert len(of(service, "/confirmed/late-0")) == 1


def test_command_is_never_asked_again(
    door: FrontDoor, monolith: Origin, service: Origin, state: Path
) -> None:
    """It would be done again."""
    ask(door.port, "POST", "/confirmed/command", body=b"x")
    (one,) = pairs(state, "/confirmed/command")
    assert (one.attempts, text(one)) == (1, ("captured", "authorized"))
    time.sleep(AFTER + 0.1)
    for side in (monolith, service):
        assert len(of(side, "/confirmed/command")) == 1


def test_questions_under_way_are_bounded(door: FrontDoor, state: Path) -> None:
    """As many as copies may be; of the others the first answers are recorded, and copies go on."""
    for _ in range(3):
        ask(door.port, "GET", "/narrow/other")
        time.sleep(0.05)
    first, second, last = pairs(state, "/narrow/other", 3)
    assert [one.attempts for one in (first, second, last)] == [1, 1, 3]
    assert count(door, CONFIRMED, "dropped", "narrow") == 2
    assert count(door, MIRRORED, "sent", "narrow") == 3
    ask(door.port, "GET", "/narrow/late-1")
    assert pairs(state, "/narrow/late-1")[0].attempts == 2


@pytest.mark.parametrize(
    ("what", "status", "failure"), [("ill", 503, None), ("leaves", None, "upstream_lost")]
)
def test_primary_is_not_judged_by_our_questions(
    what: str, status: int | None, failure: str | None, door: FrontDoor, state: Path
) -> None:
    """One failure would open its breaker; no client has seen one, in answers or in metrics."""
    requests = {"route": "confirmed", "upstream": "monolith"}
    before = door.metric("ficus_proxy_requests_total", **requests)
    failed = count(door, CONFIRMED, "failed")
    ask(door.port, "GET", f"/confirmed/{what}")
    (one,) = pairs(state, f"/confirmed/{what}")
    assert (one.primary.status, one.primary.failure) == (status, failure)
    assert ask(door.port, "GET", "/once/late-0").status == 200
    assert door.metric("ficus_proxy_breaker_opened_total", upstream="monolith") == 0
    assert door.metric("ficus_proxy_requests_total", **requests) == before + 1
    assert count(door, CONFIRMED, "failed") == failed + (failure is not None)


def test_nobody_is_asked_again_by_another_table(
    door: FrontDoor, service: Origin, state: Path
) -> None:
    """Somebody else may have the authority by now: the first answers are recorded."""
    before = count(door, CONFIRMED, "dropped")
    ask(door.port, "GET", "/long/other")
    eventually(lambda: of(service, "/long/other"), "no copy comes")
    found = door.admin("GET", "/-/table").json()
    found["routes"][-1]["mirror"]["percent"] = 99
    assert door.admin("PUT", "/-/table", json=found).is_success
    (one,) = pairs(state, "/long/other")
    assert (one.attempts, len(of(service, "/long/other"))) == (1, 1)
    assert count(door, CONFIRMED, "dropped") == before + 1
