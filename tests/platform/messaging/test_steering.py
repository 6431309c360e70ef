"""Dead letters in an operator's hands: retried, skipped, resolved, replayed, with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.platform.messaging import steering
from modules.platform.messaging.database import rows
from modules.platform.messaging.errors import NoSuchLetter, ReasonRequired
from modules.platform.messaging.steering import Selection
from modules.platform.messaging.testing import dead_letters, drain, letters
from tests.platform.messaging.ledgers import SOURCE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ORDERS = Selection(consumer="orders")


@pytest.fixture
def dead_key(ledger: Ledger) -> UUID:
    """A key whose first event is dead and whose second and third wait behind it."""
    key = uuid4()
    ledger.fail = lambda event: TypeError() if event.available == 1 else None
    publish_now(*(ran_low(key, n) for n in (1, 2, 3)))
    drain()
    assert [letter.state for letter in letters()] == ["dead", "blocked", "blocked"]
    return key


def test_replay_runs_in_order(ledger: Ledger, dead_key: UUID) -> None:
    """The dead one first, then what waited behind it, here and now."""
    ledger.fail = lambda event: None
    done = steering.replay(ORDERS, reason="fixed the handler")
    assert done.changed == 1
    assert ledger.of(dead_key) == [1, 2, 3]
    assert letters() == []


def test_retry_leaves_the_work_to_the_worker(ledger: Ledger, dead_key: UUID) -> None:
    """And gives all retries again."""
    ledger.fail = lambda event: None
    steering.retry(ORDERS, reason="fixed")
    assert ledger.of(dead_key) == []
    drain()
    assert ledger.of(dead_key) == [1, 2, 3]


def test_replay_that_fails_again_is_dead_again(ledger: Ledger, dead_key: UUID) -> None:
    """Nothing overtakes it."""
    steering.replay(ORDERS, reason="try")
    assert [letter.state for letter in letters()] == ["dead", "blocked", "blocked"]


@pytest.mark.parametrize(("verb", "resolution"), [("skip", "skipped"), ("resolve", "done by hand")])
def test_settled_event_lets_the_next_go_on(
    ledger: Ledger, dead_key: UUID, verb: str, resolution: str
) -> None:
    """The row stays with who, why and what."""
    getattr(steering, verb)(ORDERS, reason="order was a test", actor="ada")
    drain()
    assert ledger.of(dead_key) == [2, 3]
    kept = rows("orders", "SELECT state, resolution, reason, actor FROM bus_parked")
    assert kept == [("resolved", resolution, "order was a test", "ada")]
    audit = rows("orders", "SELECT actor, verb, reason, changed FROM bus_audit")
    assert audit == [("ada", verb, "order was a test", 1)]


def test_held_event_is_a_persons(ledger: Ledger, dead_key: UUID) -> None:
    """It is not tried again by itself, and its key still waits."""
    steering.hold(ORDERS, reason="asking the provider")
    drain(ahead=9999)
    assert [letter.state for letter in letters()] == ["manual", "blocked", "blocked"]
    steering.resolve(ORDERS, reason="refunded by hand")
    drain()
    assert ledger.of(dead_key) == [2, 3]


@pytest.mark.parametrize("verb", ["retry", "skip", "resolve", "hold", "replay"])
def test_every_change_needs_a_reason(ledger: Ledger, dead_key: UUID, verb: str) -> None:
    """An empty one is none."""
    with pytest.raises(ReasonRequired):
        getattr(steering, verb)(ORDERS, reason=" ")
    assert len(dead_letters()) == 1


def test_dry_run_changes_nothing(ledger: Ledger, dead_key: UUID) -> None:
    """It only counts."""
    done = steering.skip(ORDERS, reason="x", dry_run=True)
    assert (done.changed, done.dry_run) == (1, True)
    assert len(dead_letters()) == 1
    assert rows("orders", "SELECT * FROM bus_audit") == []


def test_selection_by_fingerprint_and_key(ledger: Ledger) -> None:
    """Only what fits every field is changed."""
    keys = [uuid4() for _ in range(3)]
    kinds: dict[Any, type[Exception]] = dict(
        zip(keys, (TypeError, NameError, TypeError), strict=True)
    )
    ledger.fail = lambda event: kinds[UUID(event.sku)]()
    publish_now(*(ran_low(key) for key in keys))
    drain()
    name_error = next(one for one in dead_letters() if "NameError" in one.place)
    ledger.fail = lambda event: None
    chosen = Selection(consumer="orders", fingerprint=name_error.fingerprint)
    assert steering.replay(chosen, reason="x").changed == 1
    by_key = Selection(consumer="orders", key=str(keys[0]))
    assert steering.replay(by_key, reason="x").changed == 1
    assert [one.key for one in dead_letters()] == [str(keys[2])]
    with pytest.raises(NoSuchLetter):
        steering.replay(by_key, reason="x")


def test_restart_gives_everything_again(ledger: Ledger) -> None:
    """For what is derived from events and must be rebuilt."""
    key = uuid4()
    publish_now(*(ran_low(key, n) for n in range(5)))
    drain()
    steering.restart("orders", SOURCE, position=0, reason="rebuild")
    drain()
    assert ledger.of(key) == [*range(5), *range(5)]
