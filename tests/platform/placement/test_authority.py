"""Where an extraction has moved the data, a front door follows whoever has it, not the share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.platform.messaging import authority
from modules.platform.placement import table
from modules.platform.placement.doors import Standing, doors
from modules.platform.placement.following import Follower
from modules.platform.placement.metrics import DOORS
from tests.platform.example import EXAMPLE
from tests.platform.placement.doorway import doorway
from tests.platform.placement.instances import enlist
from tests.platform.placement.test_command import _json, _run
from tests.proxy.front import FrontDoor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def moved(transactional_db: None) -> Iterator[None]:
    """The module's data is a service's own, and it was placed before."""
    enlist()
    table.swap(EXAMPLE, percent=5, actor="t", reason="a canary")
    table.swap(EXAMPLE, percent=0, actor="t", reason="a cutover")
    before = authority._has_authority
    authority.install_authority(lambda module: module != EXAMPLE)
    yield
    authority.install_authority(before)


def followed(door: FrontDoor) -> tuple[Standing, float]:
    """What a follower finds, and what it counts."""
    follower = Follower(doors)
    (standing,) = follower.turn()
    follower._source.close()
    return standing, DOORS.labels(EXAMPLE, door.admin_url)._value.get()


def phase_of(door: FrontDoor) -> str:
    return str(door.admin("GET", "/-/table").json()["capabilities"][EXAMPLE]["phase"])


@pytest.mark.parametrize("phase", ["extracted", "retired"])
def test_door_that_goes_by_the_authority_follows(phase: str, moved: None, tmp_path: Path) -> None:
    """By the metric, to the follower, and to people: exit code 0, and all is the service's."""
    with doorway(tmp_path, module=EXAMPLE, phase=phase, epoch=3) as door:
        standing, counted = followed(door)
        assert (standing.follows, counted) == (True, 1.0)
        code, text, _ = _run("show", EXAMPLE)
        assert (code, "differs" in text, "all, with its data" in text) == (0, False, True)
        assert f" {phase} " in text
        (shown,) = _json("show", EXAMPLE)[1]["modules"]
        assert (shown["data_is_there"], shown["percent"]) == (True, 0)


def test_door_that_has_not_heard_of_it_does_not_follow(moved: None, tmp_path: Path) -> None:
    """And is not told by placing, whose share says nothing any more."""
    with doorway(tmp_path, module=EXAMPLE, phase="canary", percent=40) as door:
        standing, counted = followed(door)
        assert (standing.follows, counted) == (False, 0.0)
        assert _run("show", EXAMPLE)[0] == 3
        assert phase_of(door) == "canary"


def test_door_that_has_missed_the_way_back_does_not_follow(tmp_path: Path) -> None:
    """The data is here, and it sends requests there."""
    table.swap(EXAMPLE, percent=5, actor="t", reason="placed")
    with doorway(tmp_path, module=EXAMPLE, phase="extracted", epoch=3) as door:
        standing, counted = followed(door)
        assert (standing.follows, counted) == (False, 0.0)
        assert _run("show", EXAMPLE)[0] == 3
        assert phase_of(door) == "extracted"
