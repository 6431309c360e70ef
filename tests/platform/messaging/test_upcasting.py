"""Old versions are lifted by a chain; what no chain reaches is a dead letter, not a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from modules.inventory.contract.events import StockRanLow
from modules.platform.databases import atomic
from modules.platform.messaging import registry, upcast
from modules.platform.messaging.database import execute, row
from modules.platform.messaging.errors import UnacceptableVersion
from modules.platform.messaging.testing import dead_letters, drain
from modules.platform.messaging.upcasting import accepted_versions, forget, lift
from tests.platform.messaging.ledgers import SOURCE, TYPE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """StockRanLow as version 3; 1 said ``left`` for available, 2 had no threshold."""
    monkeypatch.setattr(StockRanLow, "VERSION", 3)
    yield
    forget(TYPE)


def store(version: int, payload: str, key: object) -> None:
    with atomic(SOURCE):
        execute(
            SOURCE,
            "SELECT bus_publish(ARRAY[gen_random_uuid()], ARRAY[%s], ARRAY[%s], "
            "ARRAY[%s]::smallint[], ARRAY[%s], NULL)",
            [str(key), TYPE, version, payload],
        )


def add_threshold(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "threshold": 5}


def rename_left(data: dict[str, Any]) -> dict[str, Any]:
    return {"sku": data["sku"], "available": data["left"]}


def test_old_event_arrives_as_the_version_that_is_read(ledger: Ledger, third_version: None) -> None:
    """Through every step of the chain."""
    upcast(TYPE, 1, rename_left)
    upcast(TYPE, 2, add_threshold)
    key = uuid4()
    store(1, f'{{"sku":"{key}","left":7}}', key)
    drain()
    assert ledger.of(key) == [7]
    assert ledger.calls[0].threshold == 5


@pytest.mark.parametrize("version", [1, 4])
def test_version_that_no_chain_reaches_is_a_dead_letter(
    ledger: Ledger, third_version: None, version: int
) -> None:
    """Neither a too old nor a newer one is guessed at."""
    upcast(TYPE, 2, add_threshold)
    key = uuid4()
    store(version, f'{{"sku":"{key}"}}', key)
    drain()
    [letter] = dead_letters()
    assert "UnacceptableVersion" in letter.place
    assert f"arrived as version {version}" in letter.error


def test_event_that_does_not_fit_its_contract_is_a_dead_letter(ledger: Ledger) -> None:
    """The message names the field."""
    key = uuid4()
    store(1, f'{{"sku":"{key}","available":"seven","threshold":5}}', key)
    drain()
    [letter] = dead_letters()
    assert "$.available" in letter.error


def test_unknown_fields_are_ignored(ledger: Ledger) -> None:
    """A producer may add fields without asking its consumers."""
    key = uuid4()
    publish_now(ran_low(key, 5))
    execute(SOURCE, "UPDATE bus_outbox SET payload = (payload::jsonb || '{\"new\": 1}')::json")
    drain()
    assert ledger.of(key) == [5]


def test_consumer_announces_what_it_accepts(ledger: Ledger, third_version: None) -> None:
    """The publisher's side can see whether it may raise its version."""
    upcast(TYPE, 2, add_threshold)
    drain()
    found = row(SOURCE, "SELECT DISTINCT accepts::text FROM bus_subscription")
    assert found == (f'{{"{TYPE}": [2, 3]}}',)


def test_chain_has_one_way_up() -> None:
    """A second step from the same version is a mistake; the same one again is not."""
    try:
        upcast("t", 1, add_threshold)
        upcast("t", 1, add_threshold)
        with pytest.raises(ValueError, match="already"):
            upcast("t", 1, rename_left)
        assert accepted_versions("t", 2) == (1, 2)
        with pytest.raises(UnacceptableVersion):
            lift("t", 1, 3, {})
    finally:
        forget("t")
    assert registry.listener("orders", "t") is None
