"""``strangler repair``: rows that were written around the triggers, and the module moves again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from modules.extraction import targets
from modules.extraction.models import Step
from modules.extraction.moves import move_of
from modules.extraction.protocol.sides import Side
from modules.payment.models import Payment
from modules.platform.discovery import Role, registry
from tests.extraction.commands import (
    done,
    monolith_rows,
    pay,
    service_rows,
    strangler,
    told,
)
from tests.platform.discovery.serving import said

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("place"),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

SAY = ("payment", "--reason", "INC-42: a restore into one side", "--yes")
AMOUNTS = "SELECT id, amount FROM payment_payment ORDER BY id"
SPOIL = """
UPDATE payment.payment_payment SET amount = amount + 1
WHERE id IN (SELECT id FROM payment.payment_payment ORDER BY id LIMIT 2)
"""
DROP = "DELETE FROM payment.payment_payment WHERE id = (SELECT max(id::text)::uuid FROM "
TAKEN = "ref-of-one"  # may be one payment's only
REFER = "UPDATE payment.payment_payment SET reference = %s WHERE id = %s"
TOUCH = "UPDATE payment_payment SET email = 'from the service' RETURNING 1"


@contextmanager
def around(side: Side) -> Iterator[psycopg.Connection]:
    """A session past guards, capture and foreign keys."""
    with psycopg.connect(side.url, autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SELECT set_config('ficus.applier', 'payment', false)")
        yield session


def test_there_and_back_over_spoiled_rows() -> None:
    """Found, refused, made right and on record: on the service's side, then on the monolith's."""
    pay(4)
    done("create")
    _refused_before_the_copy()
    done("backfill")
    move = move_of("payment")
    with around(move.target) as session:
        session.execute(SPOIL)
        session.execute(DROP + "payment.payment_payment)")
    assert told("verify", "payment")[0] == 3
    _looked_at()
    _too_many()
    _made_right()
    url = "http://127.0.0.1:9"  # nobody is sent there
    registry.register("payment-9", said(role=Role.OWN, url=url), issuer="payment", ttl=600)
    done("verify")
    done("cutover")
    _the_other_way(move.source)
    done("rollback")
    assert monolith_rows(AMOUNTS) == service_rows(AMOUNTS)
    done("cancel")
    assert targets.known("payment") is None


def _refused_before_the_copy() -> None:
    code, out, err = strangler("repair", *SAY)
    assert (code, out) == (1, "")
    assert "repair is not done: not all copied yet" in err
    assert Step.objects.get(verb="repair").outcome == "failed"


def _looked_at() -> None:
    """A dry run names the rows, and leaves them and the record as they are."""
    before, steps = service_rows(AMOUNTS), Step.objects.count()
    code, report = told("repair", "payment", "--dry-run")
    assert code == 0
    assert report["would"][0] == (
        "payment_payment: make 3 rows the monolith's (2 changed, 1 missing)"
    )
    assert len(report["would"]) == 4
    assert (report["facts"]["count"], report["did"]) == (3, [])
    assert (service_rows(AMOUNTS), Step.objects.count()) == (before, steps)
    code, out, err = strangler("repair", "payment", "--reason", "a test")
    assert (code, out) == (2, "")
    assert "say --yes" in err


def _too_many() -> None:
    """Nothing is changed, and it is on record that it was tried."""
    before = service_rows(AMOUNTS)
    code, out, err = strangler("repair", *SAY, "--most", "2")
    assert (code, out) == (1, "")
    assert "3 rows differ, and no more than 2 are repaired" in err
    assert service_rows(AMOUNTS) == before
    assert Step.objects.filter(verb="repair").latest("id").outcome == "failed"
    assert strangler("repair", *SAY, "--most", "-1")[0] == 2


def _made_right() -> None:
    """Which rows, of which kind: in the report and on record. A look at every row is still due."""
    code, report = told("repair", *SAY)
    assert code == 0
    assert report["did"][0] == "payment_payment: made 3 rows the monolith's (2 changed, 1 missing)"
    assert report["next_step"] == "manage.py strangler verify payment"
    step = Step.objects.filter(verb="repair").latest("id")
    assert (step.outcome, step.reason) == ("done", SAY[2])
    facts: dict[str, Any] = step.facts
    assert (facts["authority"], facts["count"], facts["tables"]) == (
        *("monolith", 3),
        ["payment_payment"],
    )
    assert sorted(one["kind"] for one in facts["rows"]) == ["changed", "changed", "missing"]
    keys = {str(key) for key, _ in monolith_rows(AMOUNTS)}
    assert {one["key"] for one in facts["rows"]} <= keys
    assert service_rows(AMOUNTS) == monolith_rows(AMOUNTS)
    assert "scrub" in strangler("cutover", "payment", "--dry-run")[1]


def _the_other_way(monolith: Side) -> None:
    """A spoiled row that the stream has replaced since has left sums that refuse a rollback."""
    with around(monolith) as session:
        session.execute(SPOIL)
    assert len(service_rows(TOUCH)) == 4
    code, _, err = strangler("rollback", *SAY)
    assert code == 1
    assert "differs between the two sides in payment_payment" in err
    assert done("repair")["did"] == ["payment_payment: made its sums true"]
    assert "nothing" in strangler("repair", *SAY)[1]


def test_a_row_that_stops_the_stream_is_named_in_one_line() -> None:
    """By whatever verb carries changes first; once it is repaired they pass."""
    pay(2)
    done("create")
    done("backfill")
    first, second = (row[0] for row in monolith_rows(AMOUNTS))
    with around(move_of("payment").target) as session:
        session.execute(REFER, [TAKEN, first])
    Payment.objects.filter(id=second).update(reference=TAKEN)
    for verb in ("verify", "backfill"):
        code, out, err = strangler(verb, *SAY)
        assert (code, out) == (1, "")
        assert "stopped at payment_payment (duplicate key value" in err
        assert "repair" in err
        assert TAKEN not in err
    assert done("repair")["facts"]["count"] == 1
    done("verify")
    done("cancel")
