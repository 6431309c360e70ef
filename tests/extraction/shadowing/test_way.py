"""Shadowing over two real databases: from ``create`` to ``cancel``, and beside ``watch``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from modules.extraction import models, standings, targets
from modules.extraction.following import Carrier
from modules.extraction.moves import move_of
from modules.extraction.phases import Standing
from modules.extraction.shadowing import mirrors
from modules.extraction.shadowing import models as kept
from modules.extraction.shadowing.differences import SAMPLES, rate
from modules.extraction.shadowing.mirrors import PERIOD, mirror_at
from modules.extraction.shadowing.retaining import prune
from modules.extraction.shadowing.working import Working
from modules.payment.models import Payment
from strangler_proxy.mirror.recorded import read_pairs
from tests import plain
from tests.extraction.commands import done, leftovers, pay, strangler, told
from tests.extraction.shadowing.sides import PAYMENTS, Both, spoil
from tests.waiting import eventually

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]
ROWS = "SELECT id::text, state, amount, created_at FROM payment.payment_payment ORDER BY id"


def reading(url: str) -> Callable[[], Any]:
    """The payments as one side's database has them at this moment, in the way of a REST API."""

    def rows() -> Any:
        with psycopg.connect(url, options="-c timezone=UTC") as connection:
            names = ("id", "state", "amount", "created_at")
            found = [dict(zip(names, row, strict=True)) for row in connection.execute(ROWS)]
        return {"items": [one | {"created_at": one["created_at"].isoformat()} for one in found]}

    return rows


@contextmanager
def carrying() -> Iterator[None]:
    """The stream runs meanwhile, as it does beside ``watch``."""
    carrier = Carrier(move_of("payment"))
    carrier.follow(standings.standing_of("payment"))
    try:
        yield
    finally:
        carrier.close()


def test_a_changed_row_is_found_and_one_that_lags_is_not(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row of three in one of the databases; a rule of the module that it breaks, as well.
    Afterwards ``cancel`` leaves nothing."""
    standings.put("payment", Standing(), reason="planted")
    pay(3)
    done("create")
    both.join()
    done("backfill")
    target = targets.known("payment")
    assert target is not None
    both.monolith.body = reading(targets.source_url("payment"))
    both.service.body = reading(target.admin_url)
    before = both.table()
    done("shadow", "--percent", "100", "--learn", "0")
    both.ask(2)
    assert told("diff", "payment")[0] == 0
    one = Payment.objects.order_by("id").last()
    assert one is not None
    _lag_is_no_difference(both, one, monkeypatch)
    spoil("authorized = 100, captured = 7", one.order_id)
    both.ask()
    code, found = told("diff", "payment")
    assert (code, found["fingerprints"]) == (3, [])
    (rule,) = found["broken"]
    assert (rule["side"], rule["keys"]) == ("service", [str(one.pk)])
    assert rule["rule"] == "a payment says what its ledger says"
    spoil("amount = 999", one.order_id)
    both.ask()
    code, found = told("diff", "payment")
    (difference,) = found["fingerprints"]
    assert (code, difference["place"], difference["way"]) == (3, "body $.items[].amount", "value")
    assert difference["samples"][0]["place"] == "body $.items[2].amount"
    sample = difference["samples"][0]
    assert (sample["monolith"], sample["service"]) == ("100", "999")
    _cancelled(both, before)


def _lag_is_no_difference(both: Both, one: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read just after a write, while the stream is paused for 200 ms; then it has come."""
    monkeypatch.setattr(mirrors, "CONFIRM", 0.5)  # what came in 200 ms must also be written
    done("shadow", "--percent", "100", "--learn", "0")
    # Counted from the ten seconds on in which it began anew: what came before may be among them.
    before = told("diff", "payment")[1]["compared"]
    Payment.objects.filter(pk=one.pk).update(state="captured")
    plain.get(both.door.url + PAYMENTS, timeout=10, trust_env=False).raise_for_status()
    time.sleep(0.2)
    assert both.recorded() == 2
    with carrying():
        eventually(lambda: both.recorded() == 3)
    last = list(read_pairs(both.pairs, "payment"))[-1]
    assert (last.attempts > 1, last.primary.body) == (True, last.mirrored.body)
    code, found = told("diff", "payment")
    assert (code, found["compared"], found["pairs"]["same"]) == (0, before + 1, before + 1)
    monkeypatch.setattr(mirrors, "CONFIRM", 0.05)
    done("shadow", "--percent", "100", "--learn", "0")


def _cancelled(both: Both, before: dict[str, Any]) -> None:
    done("cancel")
    after = both.table()
    assert after["upstreams"] == before["upstreams"]
    assert after["capabilities"] == before["capabilities"]
    assert (both.recorded(), leftovers()) == (0, [])
    for table in (kept.Shadow, kept.Tally, kept.Difference, kept.Sample, kept.Ignored, kept.Cursor):
        assert not table.objects.exists()
    assert models.Step.objects.filter(verb="shadow", outcome="done").exists()


def test_pairs_are_compared_beside_watch(both: Both) -> None:
    """As they come, by a thread of its own; the front doors are told again what they forgot."""
    done("shadow", "--percent", "100", "--learn", "0")
    working = Working("payment", every=0.05)
    try:
        both.ask(3)
        since = datetime.now(UTC) - timedelta(hours=1)
        eventually(lambda: rate("payment", since).compared == 3)
        patch = {"phase": "monolith", "percent": 0}  # as after a rollback
        both.door.admin("PATCH", "/-/capabilities/payment", json=patch)
        eventually(lambda: both.table()["capabilities"]["payment"]["phase"] == "shadow")
    finally:
        working.close()


def test_nothing_is_asked_while_it_is_off(both: Both) -> None:
    """A round reads one row; no front door hears of it."""
    revision = both.table()["revision"]
    working = Working("payment", every=0.01)
    try:
        assert told("diff", "payment")[1]["late"] == []
    finally:
        working.close()
    assert both.table()["revision"] == revision


def test_learning_is_the_beginning_of_every_period() -> None:
    """First the monolith twice, then the service, and again."""
    began = datetime(2026, 11, 20, tzinfo=UTC)
    shadow = kept.Shadow(module="payment", percent=1, learn_seconds=30, since=began)
    at = [0, 29, 30, PERIOD - 1, PERIOD, PERIOD + 31]
    names = [mirror_at(shadow, began + timedelta(seconds=second)) for second in at]
    again, own = "payment-again", "payment-own"
    assert names == [again, again, own, own, again, own]


def test_what_is_kept_has_bounds(both: Both) -> None:
    """Samples of a fingerprint by number and age; tallies and differences by age."""
    both.service.body = {"items": [1]}
    done("shadow", "--percent", "100", "--learn", "0")
    both.ask(SAMPLES + 3)
    strangler("diff", "payment")
    assert kept.Sample.objects.count() == SAMPLES
    now = datetime.now(UTC)
    prune("payment", now)
    assert (kept.Sample.objects.count(), kept.Tally.objects.count() > 0) == (SAMPLES, True)
    prune("payment", now + timedelta(days=8))
    assert (kept.Sample.objects.count(), kept.Difference.objects.count()) == (0, 1)
    prune("payment", now + timedelta(days=31))
    assert (kept.Tally.objects.count(), kept.Difference.objects.count()) == (0, 0)
