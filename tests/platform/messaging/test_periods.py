"""Beat sends a module's periodic tasks where its live data is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import schedule

from modules.platform.messaging import authority
from modules.platform.messaging.periods import ByAuthority
from shop.celery import app as shop_app
from tests.platform.example import EXAMPLE

TASKS = (f"{EXAMPLE}.audit", "orders.close", "sagas.sweep")


class Recorded(ByAuthority):
    """Beat, but for the broker."""

    sent: list[str]

    def apply_async(self, entry, producer=None, advance=True, **_):  # type: ignore[no-untyped-def]
        self.sent.append(entry.task)


@pytest.fixture
def beat(tmp_path: Path) -> Iterator[Recorded]:
    """With three tasks that are due all the time."""
    app = Celery("beat-of-a-test", broker="memory://", set_as_current=False)
    plan = {name: {"task": name, "schedule": schedule(0.0)} for name in TASKS}
    app.conf.beat_schedule = plan
    scheduler = Recorded(app, schedule_filename=str(tmp_path / "schedule"))
    scheduler.sent = []
    yield scheduler
    scheduler.close()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Who has the authority by default, afterwards."""
    before = authority._has_authority
    yield
    authority.install_authority(before)


def ticked(beat: Recorded) -> set[str]:
    """What it sends while each task comes due."""
    beat.sent.clear()
    for _ in range(2 * len(TASKS)):
        beat.tick()
    return set(beat.sent)


def test_all_is_sent_where_all_is_at_home(beat: Recorded) -> None:
    """A host whose modules do not move."""
    assert ticked(beat) == set(TASKS)


def test_a_module_elsewhere_has_its_periods_there(beat: Recorded) -> None:
    """Two hosts with a beat would send twice into one queue; what is no module's goes on."""
    authority.install_authority(lambda module: module != EXAMPLE)
    assert ticked(beat) == {"orders.close", "sagas.sweep"}


def test_a_module_that_comes_back_is_served_again(beat: Recorded) -> None:
    """Without a new start of beat."""
    authority.install_authority(lambda module: False)
    assert ticked(beat) == {"sagas.sweep"}
    authority.install_authority(lambda module: True)
    assert ticked(beat) == set(TASKS)


def test_every_hosts_beat_goes_by_it() -> None:
    """The scheduler is a setting, which no command line of ours overrides."""
    assert shop_app.conf.beat_scheduler == "modules.platform.messaging.periods:ByAuthority"
