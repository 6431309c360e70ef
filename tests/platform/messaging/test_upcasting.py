"""Old versions are lifted by a chain; what no chain reaches is a dead letter, not a guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from modules.payment.contract.events import PaymentAuthorized
from modules.platform.databases import atomic
from modules.platform.messaging import registry, upcast
from modules.platform.messaging.database import execute, row
from modules.platform.messaging.errors import UnacceptableVersion
from modules.platform.messaging.testing import dead_letters, drain
from modules.platform.messaging.upcasting import accepted_versions, forget, lift
from tests.platform.messaging.ledgers import Ledger, authorized, publish_now

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

TYPE = "payment.payment_authorized"


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PaymentAuthorized as version 3; 1 had a bare amount, 2 had no payment_id."""
    monkeypatch.setattr(PaymentAuthorized, "VERSION", 3)
    yield
    forget(TYPE)


def store(version: int, payload: str, key: object) -> None:
    with atomic("payment"):
        execute(
            "payment",
            "SELECT bus_publish(ARRAY[gen_random_uuid()], ARRAY[%s], ARRAY[%s], "
            "ARRAY[%s]::smallint[], ARRAY[%s], NULL)",
            [str(key), TYPE, version, payload],
        )


def add_payment_id(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "payment_id": data["order_id"]}


def wrap_amount(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "amount": {"amount": data["amount"], "currency": "EUR"}}


def test_old_event_arrives_as_the_version_that_is_read(ledger: Ledger, third_version: None) -> None:
    """Through every step of the chain."""
    upcast(TYPE, 1, wrap_amount)
    upcast(TYPE, 2, add_payment_id)
    key = uuid4()
    store(1, f'{{"order_id":"{key}","amount":7}}', key)
    drain()
    assert ledger.of(key) == [7]
    assert ledger.calls[0].payment_id == key


@pytest.mark.parametrize("version", [1, 4])
def test_version_that_no_chain_reaches_is_a_dead_letter(
    ledger: Ledger, third_version: None, version: int
) -> None:
    """Neither a too old nor a newer one is guessed at."""
    upcast(TYPE, 2, add_payment_id)
    key = uuid4()
    store(version, f'{{"order_id":"{key}"}}', key)
    drain()
    [letter] = dead_letters()
    assert "UnacceptableVersion" in letter.place
    assert f"arrived as version {version}" in letter.error


def test_event_that_does_not_fit_its_contract_is_a_dead_letter(ledger: Ledger) -> None:
    """The message names the field."""
    key = uuid4()
    store(1, f'{{"order_id":"{key}","payment_id":"{key}","amount":7}}', key)
    drain()
    [letter] = dead_letters()
    assert "$.amount" in letter.error


def test_unknown_fields_are_ignored(ledger: Ledger) -> None:
    """A producer may add fields without asking its consumers."""
    key = uuid4()
    publish_now(authorized(key, 5))
    execute("payment", "UPDATE bus_outbox SET payload = (payload::jsonb || '{\"new\": 1}')::json")
    drain()
    assert ledger.of(key) == [5]


def test_consumer_announces_what_it_accepts(ledger: Ledger, third_version: None) -> None:
    """The publisher's side can see whether it may raise its version."""
    upcast(TYPE, 2, add_payment_id)
    drain()
    found = row("payment", "SELECT DISTINCT accepts::text FROM bus_subscription")
    assert found == ('{"payment.payment_authorized": [2, 3]}',)


def test_chain_has_one_way_up() -> None:
    """A second step from the same version is a mistake; the same one again is not."""
    try:
        upcast("t", 1, add_payment_id)
        upcast("t", 1, add_payment_id)
        with pytest.raises(ValueError, match="already"):
            upcast("t", 1, wrap_amount)
        assert accepted_versions("t", 2) == (1, 2)
        with pytest.raises(UnacceptableVersion):
            lift("t", 1, 3, {})
    finally:
        forget("t")
    assert registry.listener("orders", "t") is None
