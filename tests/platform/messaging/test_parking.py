"""Failing handlers: the event is put aside, its key waits in order, the rest moves on."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, OperationalError

from modules.inventory.contract.events import StockRanLow
from modules.platform.contracts import Conflict, Fenced, Unavailable
from modules.platform.messaging import authority, failures, parking, registry
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.failures import Kind, kind_of, retry_in
from modules.platform.messaging.testing import dead_letters, drain, letters
from tests.platform.messaging.ledgers import Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LATER = 400.0  # seconds: past the longest delay


class Longest(Random):
    """Every wait is as long as may be, so that no retry is due before the test asks for it."""

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        return b


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """First retries come after four seconds, not at any time until then."""
    monkeypatch.setattr(parking, "random", Longest())


def failing(key: UUID, error: BaseException, available: int | None = None) -> Any:
    """Fail for the events of ``key`` (of one ``available`` only, if it is given)."""

    def fail(event: Any) -> BaseException | None:
        wrong = event.sku == str(key) and available in (None, event.available)
        return error if wrong else None

    return fail


def test_failing_event_blocks_only_its_own_key(ledger: Ledger) -> None:
    """Later events of the key queue behind it; other keys of the same batch are handled."""
    bad, others = uuid4(), [uuid4() for _ in range(30)]
    ledger.fail = failing(bad, Unavailable(), available=1)
    publish_now(ran_low(bad, 1), *(ran_low(key) for key in others), ran_low(bad, 2))
    drain()
    publish_now(ran_low(bad, 3))
    drain()
    assert ledger.of(bad) == []
    assert all(ledger.of(key) == [100] for key in others)
    assert [letter.state for letter in letters()] == ["retry", "blocked", "blocked"]


def test_key_moves_on_in_order_once_its_event_succeeds(ledger: Ledger) -> None:
    """What waited follows at once, and what is published meanwhile comes after it."""
    bad = uuid4()
    ledger.fail = failing(bad, Unavailable(), available=1)
    publish_now(*(ran_low(bad, n) for n in range(1, 6)))
    drain()
    ledger.fail = lambda event: None
    publish_now(ran_low(bad, 6))
    drain(ahead=LATER)
    assert ledger.of(bad) == [1, 2, 3, 4, 5, 6]
    assert letters() == []


def test_second_failure_of_a_key_blocks_it_again(ledger: Ledger) -> None:
    """Whichever event of the key fails, nothing overtakes it."""
    bad = uuid4()
    ledger.fail = failing(bad, Unavailable(), available=1)
    publish_now(*(ran_low(bad, n) for n in range(1, 5)))
    drain()
    ledger.fail = failing(bad, Unavailable(), available=3)
    drain(ahead=LATER)
    assert ledger.of(bad) == [1, 2]
    # So far ahead all its retries are over.
    assert [letter.state for letter in letters()] == ["dead", "blocked"]


def test_event_dies_after_five_retries(ledger: Ledger) -> None:
    """One attempt, five retries, then a dead letter that nobody tries again by itself."""
    bad = uuid4()
    ledger.fail = failing(bad, Unavailable())
    publish_now(ran_low(bad))
    drain()
    for _ in range(8):
        drain(ahead=LATER)
    [letter] = dead_letters()
    assert letter.attempts == 6
    assert "Unavailable" in letter.place
    # The first attempt runs twice: with its batch, and then alone.
    assert len(ledger.calls) == 7


@pytest.mark.parametrize("error", [TypeError("x"), Conflict(), AssertionError()])
def test_what_cannot_heal_dies_at_once(ledger: Ledger, error: Exception) -> None:
    """A bug or a refusal is somebody's work now, not after ten minutes of retries."""
    bad = uuid4()
    ledger.fail = failing(bad, error)
    publish_now(ran_low(bad), ran_low(bad))
    drain()
    assert [letter.state for letter in letters()] == ["dead", "blocked"]


@pytest.mark.usefixtures("patient")
def test_effects_of_a_failing_event_are_rolled_back(ledger: Ledger) -> None:
    """Handlers that succeeded before the failing one leave nothing behind."""
    bad = uuid4()

    def fail(event: Any) -> None:
        raise Unavailable

    with registry.only({"orders": {StockRanLow: [ledger.hear, fail]}}):
        publish_now(ran_low(bad))
        drain()
    assert ledger.of(bad) == []
    assert len(ledger.calls) == 2


def test_broken_transaction_of_one_event_spares_its_batch(ledger: Ledger) -> None:
    """An SQL error inside a handler ends at its savepoint."""
    bad, good = uuid4(), uuid4()

    def divide(event: Any) -> None:
        if event.sku == str(bad):
            execute("orders", "SELECT 1/0")

    with registry.only({"orders": {StockRanLow: [divide, ledger.hear]}}):
        publish_now(ran_low(bad), ran_low(good))
        drain()
    assert ledger.of(good) == [100]
    assert [letter.key for letter in letters()] == [str(bad)]


def test_same_error_in_the_same_place_has_one_fingerprint(ledger: Ledger) -> None:
    """Dead letters are shown by what went wrong, not one by one."""
    ledger.fail = lambda event: TypeError(event.sku)
    publish_now(*(ran_low() for _ in range(5)))
    drain()
    ledger.fail = lambda event: AttributeError()
    publish_now(ran_low())
    drain()
    assert len({letter.fingerprint for letter in dead_letters()}) == 2


def test_retries_wait_with_full_jitter_up_to_five_minutes() -> None:
    """Uniform between nothing and min(300 s, 4^n s)."""
    waits = [retry_in(Unavailable(), n, Longest()) for n in range(1, 7)]
    assert [w.total_seconds() if w else None for w in waits] == [4, 16, 64, 256, 300, None]
    spread = {retry_in(Unavailable(), 3, Random(n)) for n in range(20)}
    assert len(spread) == 20


def test_kinds_of_failure() -> None:
    """The error's class decides."""
    assert kind_of(Unavailable()) is Kind.TRANSIENT
    assert kind_of(OperationalError()) is Kind.TRANSIENT
    assert kind_of(Conflict()) is Kind.REFUSED
    assert kind_of(TypeError()) is Kind.BUG
    assert kind_of(IntegrityError()) is Kind.UNKNOWN
    assert set(failures.RETRIES) == set(Kind)


def test_retry_is_due_within_the_schedule(ledger: Ledger) -> None:
    """The first retry comes within four seconds."""
    ledger.fail = lambda event: Unavailable()
    publish_now(ran_low())
    drain()
    assert row(
        "orders",
        "SELECT next_at - parked_at BETWEEN interval '-1 second' AND interval '4 seconds' "
        "FROM bus_parked",
    ) == (True,)
    drain(ahead=4.5)
    [(attempts,)] = rows("orders", "SELECT attempts FROM bus_parked")
    assert attempts >= 2


@pytest.mark.usefixtures("patient")
def test_handler_that_runs_out_of_time_is_parked_without_another_run(ledger: Ledger) -> None:
    """It would take the whole task with it the second time."""
    slow, good = uuid4(), uuid4()
    ledger.fail = failing(slow, SoftTimeLimitExceeded())
    publish_now(ran_low(slow), ran_low(good))
    drain()
    assert ledger.of(good) == [100]
    assert len([event for event in ledger.calls if event.sku == str(slow)]) == 1
    assert [letter.state for letter in letters()] == ["retry"]


def test_refusal_by_the_database_is_nobodys_failure(ledger: Ledger) -> None:
    """Whoever has the authority by then gets the batch; nothing is parked or counted."""
    key = uuid4()
    ledger.fail = failing(key, Fenced(module="orders"))
    publish_now(ran_low(key))
    with pytest.raises(Fenced):
        drain()
    assert letters() == []
    ledger.fail = lambda event: None
    drain(ahead=60)
    assert ledger.of(key) == [100]


def test_refusal_is_also_known_by_its_sqlstate() -> None:
    """PostgreSQL says it with a state of its own, which Django wraps."""

    class Refusal(Exception):
        sqlstate = "FX001"

    wrapped = OperationalError()
    wrapped.__cause__ = Refusal()
    assert not authority.refused(wrapped)
    authority.refuse_on("FX001")
    assert authority.refused(wrapped)
