"""The use case: refused before anything changes, or done in the table and at the front door."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections
from django.test import override_settings

from modules.platform.contracts import ContractError
from modules.platform.discovery import Role, registry
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from modules.platform.placement import table
from modules.platform.placement.buckets import bucket_of, is_in
from modules.platform.placement.doors import doors
from modules.platform.placement.errors import (
    DataHasMoved,
    DoorHasNoService,
    NobodyTakesEvents,
    NobodyThere,
    NoSuchModule,
    NotExtractable,
    PercentOutOfRange,
    PlacementChanged,
    ReasonMissing,
)
from modules.platform.placement.following import Follower
from modules.platform.placement.models import PlacementChange
from modules.platform.placement.placing import Change, place
from tests import plain
from tests.platform.discovery.serving import RegistryServer, said
from tests.platform.example import EXAMPLE
from tests.platform.placement.doorway import doorway, telling
from tests.platform.placement.instances import FIRST, enlist
from tests.proxy.front import FrontDoor
from tests.waiting import eventually, seconds_until

pytestmark = pytest.mark.django_db(transaction=True)
SHOPPERS = [f"shopper-{number}" for number in range(60)]


@pytest.fixture
def instance(transactional_db: None) -> None:
    """A live one that works on this host's data."""
    enlist()


@pytest.fixture
def server(transactional_db: None) -> Iterator[RegistryServer]:
    """This host's registry, over a real socket."""
    running = RegistryServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def door(tmp_path: Path, instance: None) -> Iterator[FrontDoor]:
    with doorway(tmp_path, module=EXAMPLE) as running:
        yield running


def _place(percent: int, *, module: str = EXAMPLE, reason: str = "a test", **how: object) -> Change:
    return place(module, percent=percent, reason=reason, **how)  # type: ignore[arg-type]


def _asked(door: FrontDoor) -> dict[str, str]:
    """Who answered each shopper."""
    with plain.client() as client:
        url = f"{door.url}/api/v1/{EXAMPLE}"
        return {s: client.get(url, headers={"Shopper": s}).text for s in SHOPPERS}


def _state(door: FrontDoor) -> tuple[str, int]:
    found = door.admin("GET", "/-/table").json()["capabilities"][EXAMPLE]
    return found["phase"], found["percent"]


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize(
    ("module", "percent", "reason", "error"),
    [
        ("bank", 5, "because", NoSuchModule),
        ("orders", 5, "because", NotExtractable),
        (EXAMPLE, 101, "because", PercentOutOfRange),
        (EXAMPLE, -1, "because", PercentOutOfRange),
        (EXAMPLE, 5, " x ", ReasonMissing),
        (EXAMPLE, 5, "x" * 501, ReasonMissing),
        ("shipping", 5, "because", NobodyThere),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    module: str, percent: int, reason: str, error: type[ContractError]
) -> None:
    """And nothing has changed."""
    with pytest.raises(error) as refused:
        _place(percent, module=module, reason=reason)
    assert str(refused.value)
    assert "\n" not in str(refused.value)
    assert table.placements() == {}
    assert not PlacementChange.objects.exists()


def test_instances_with_their_own_database_are_nobody() -> None:
    """They would work on other data; dropped and silent ones are not there either."""
    enlist("own-1", role=Role.OWN)
    enlist("out-1")
    registry.drop("out-1", reason="misbehaves")
    enlist("gone-1", ttl=-1)
    with pytest.raises(NobodyThere, match="1 have a database of their own"):
        _place(1)


class Deserted(InlineCarrier):
    """Nobody takes anything, or the broker does not say."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    def has_worker(self, queue: str) -> bool:
        if self.error is not None:
            raise self.error
        return False


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize(
    ("carrier", "line"),
    [
        (Deserted(), f"must take from bus.{EXAMPLE}.service, and nobody does"),
        (Deserted(ConnectionError("no broker")), r"the broker does not say \(no broker\)"),
    ],
)
def test_service_without_a_worker_gets_nothing(carrier: Deserted, line: str) -> None:
    """Its share of the events would lie there."""
    with carried_by(carrier), pytest.raises(NobodyTakesEvents, match=line):
        _place(1)
    assert table.placements() == {}


def test_way_back_needs_nobody(instance: None) -> None:
    """The service may have died: 0 % is always possible."""
    _place(50)
    registry.deregister(FIRST, issuer=EXAMPLE)
    with carried_by(Deserted()):
        assert _place(0).after.percent == 0


@pytest.mark.usefixtures("instance")
def test_dry_run_says_the_same_and_changes_nothing() -> None:
    """Refusals included."""
    change = _place(30, dry_run=True)
    assert (change.dry_run, change.before.percent, change.after.percent) == (True, 0, 30)
    assert table.placements() == {}
    with pytest.raises(NobodyThere):
        _place(30, module="shipping", dry_run=True)


@pytest.mark.usefixtures("instance")
def test_placing_is_idempotent_and_swaps() -> None:
    """Again: the same revision. With a revision that does not stand: refused."""
    first, again = _place(5), _place(5)
    assert again.before == again.after == first.after
    with pytest.raises(PlacementChanged):
        _place(6, expected=first.after.revision - 1)
    assert _place(6, expected=first.after.revision).after.percent == 6


def test_front_door_divides_as_the_table_says(door: FrontDoor) -> None:
    """By the very same rule, from the moment that place() returns; and back."""
    for percent in (40, 100, 0):
        change = _place(percent)
        assert not change.has_differences
        expected = {
            s: "service" if is_in(bucket_of(s.encode()), percent) else "monolith" for s in SHOPPERS
        }
        assert _asked(door) == expected
    assert _state(door) == ("monolith", 0)


def test_no_request_fails_while_the_share_changes(door: FrontDoor) -> None:
    """Twenty changes under constant requests: each answered, by both sides."""
    stop, answers = threading.Event(), list[tuple[int, str]]()

    def shop() -> None:
        with plain.client() as client:
            while not stop.is_set():
                for shopper in SHOPPERS[:8]:
                    found = client.get(f"{door.url}/api/v1/{EXAMPLE}", headers={"Shopper": shopper})
                    answers.append((found.status_code, found.text))

    shoppers = [threading.Thread(target=shop) for _ in range(2)]
    for one in shoppers:
        one.start()
    for percent in [100, 0, 50, 13] * 5:
        _place(percent)
    stop.set()
    for one in shoppers:
        one.join()
    assert set(answers) == {(200, "monolith"), (200, "service")}


def test_requests_reach_an_instance_that_registered(server: RegistryServer, tmp_path: Path) -> None:
    """As in a shop: the front door asks this host's registry who there is."""
    at = {
        "url": f"{server.url}/instances?module={EXAMPLE}",
        "role": "origin",
        "refresh_seconds": 0.1,
    }
    with doorway(tmp_path, module=EXAMPLE, registry=at) as door:
        with pytest.raises(NobodyThere):
            _place(100)
        enlist(url=f"http://{door.service_address}")
        _place(100)
        # Until the front door has read the registry, the monolith still answers.
        eventually(lambda: set(_asked(door).values()) == {"service"})
        registry.deregister(FIRST, issuer=EXAMPLE)
        eventually(lambda: set(_asked(door).values()) == {"monolith"})


def test_front_door_that_was_away_follows_when_it_is_back(door: FrontDoor, tmp_path: Path) -> None:
    """The table does not wait for it; the follower tells it as soon as it can."""
    door.stop()
    change = _place(70)
    assert (change.after.percent, change.has_differences) == (70, True)
    assert "cannot be asked" in change.doors[0].trouble

    stop = threading.Event()
    follower = threading.Thread(target=lambda: Follower(doors).run(stop))
    follower.start()
    door.start()
    eventually(lambda: _state(door) == ("canary", 70))
    took = seconds_until(lambda: _swapped(20) and _state(door) == ("canary", 20))
    stop.set()
    follower.join()
    assert took < 1.0


def _swapped(percent: int) -> bool:
    """Changed behind the front door's back."""
    table.swap(EXAMPLE, percent=percent, actor="t", reason="behind its back")
    return True


def test_of_two_who_tell_at_once_the_newer_news_stays(door: FrontDoor) -> None:
    """Whatever the order in which they arrive, the front door ends as the table does."""

    def one(percent: int) -> None:
        try:
            _place(percent)
        finally:
            connections["default"].close()

    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, (10, 20, 0, 30, 40)))
        assert _state(door)[1] == table.placements()[EXAMPLE].percent


@pytest.mark.parametrize("phase", ["extracted", "retired"])
def test_share_of_a_module_whose_data_has_moved_is_not_ours_to_say(
    phase: str, tmp_path: Path, instance: None
) -> None:
    """Neither the use case nor the follower takes it back."""
    with doorway(tmp_path, module=EXAMPLE, phase=phase, epoch=3) as door:
        with pytest.raises(DataHasMoved, match=phase):
            _place(5)
        table.swap(EXAMPLE, percent=5, actor="t", reason="from before the cutover")
        follower = Follower(doors)
        (standing,) = follower.turn()
        follower._source.close()
        assert (standing.follows, _state(door)) == (False, (phase, 0))


@pytest.mark.usefixtures("instance")
def test_front_door_without_a_service_is_told_of_before(tmp_path: Path) -> None:
    """It could not follow, so the table is not changed."""
    with doorway(tmp_path, module=EXAMPLE, service=None) as door:
        with pytest.raises(DoorHasNoService, match=door.admin_url):
            _place(5)
        assert table.placements() == {}
        assert _place(0).after.percent == 0


def test_front_door_without_the_capability_is_as_it_should_be_at_nought(
    door: FrontDoor,
) -> None:
    """What it does not know stays in the monolith."""
    registry.register("shipping-1", said(module="shipping", role=Role.ORIGIN), issuer="shipping")
    assert not _place(0, module="shipping").has_differences
    with pytest.raises(DoorHasNoService):
        _place(5, module="shipping")


@pytest.mark.usefixtures("instance")
def test_address_that_is_no_front_doors_is_said_in_one_line(
    door: FrontDoor, tmp_path: Path
) -> None:
    """Somebody else answers there."""
    with override_settings(PLACEMENT_FRONT_DOORS=[f"{door.admin_url}/-/live?"]):
        change = _place(5)
    assert "is no front door's admin listener" in change.doors[0].trouble


@pytest.mark.parametrize("token", ["another", ""])
def test_wrong_token_is_said_in_one_line(door: FrontDoor, tmp_path: Path, token: str) -> None:
    """The table is changed, the front door is not, and the report says why."""
    with telling(tmp_path, door, token=token):
        change = _place(5)
    assert change.has_differences
    assert "answered 401" in change.doors[0].trouble or "answered 403" in change.doors[0].trouble
    assert _state(door) == ("monolith", 0)
