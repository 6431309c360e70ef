"""The table over HTTP: for a host that does not keep it, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings

from modules.platform.placement import table
from modules.platform.placement.asking import AskedSource
from modules.platform.placement.placed import HERE, Placed
from modules.platform.placement.watching import Watcher
from tests.platform.discovery.serving import RegistryServer
from tests.platform.example import EXAMPLE
from tests.waiting import eventually, seconds_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(transactional_db: None) -> Iterator[RegistryServer]:
    running = RegistryServer()
    running.start()
    yield running
    running.stop()


def _place(percent: int) -> Placed:
    return table.swap(EXAMPLE, percent=percent, actor="t", reason="a test")[1]


def test_host_elsewhere_knows_in_less_than_a_second(server: RegistryServer) -> None:
    """While the host that keeps it is away, the last table stays; then it goes on."""
    watcher = Watcher(AskedSource(server.url))
    assert watcher.wait(10)
    assert watcher.of(EXAMPLE) == HERE

    placed = _place(55)
    assert seconds_until(lambda: watcher.of(EXAMPLE) == placed) < 1.0

    server.stop()
    eventually(lambda: (watcher.age() or 0) > 0.5)
    assert watcher.of(EXAMPLE) == placed

    server.start()
    placed = _place(0)
    eventually(lambda: watcher.of(EXAMPLE) == placed)
    watcher.close()


def test_table_is_for_the_house_only() -> None:
    """As the registry's listing is."""
    _place(55)
    assert Client().get("/registry/placement").json()["placements"][0]["percent"] == 55
    with override_settings(REGISTRY_READERS=["10.1.2.3"]):
        assert Client().get("/registry/placement").status_code == 401
    assert Client().post("/registry/placement").status_code == 405


@pytest.mark.parametrize("elsewhere", ["instances", "nowhere"])
def test_answer_that_is_no_table_changes_nothing(server: RegistryServer, elsewhere: str) -> None:
    """It is as if there had been none."""
    placed = _place(55)
    source = AskedSource(server.url)
    watcher = Watcher(source)
    assert watcher.turn()
    source._url = f"{server.url}/{elsewhere}"
    assert not watcher.turn()
    assert watcher._known[EXAMPLE] == placed
    watcher.close()
    source.close()
