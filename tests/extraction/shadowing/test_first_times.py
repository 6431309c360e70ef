"""The first time of a command, repeated on the service's database with what it heard then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import make_conninfo

from modules.extraction import targets
from modules.extraction.moves import move_of
from modules.extraction.protocol.recording import forget, recording
from modules.extraction.protocol.sides import connect
from modules.extraction.shadowing.comparing import NotComparable
from modules.extraction.shadowing.models import Asked, Difference
from modules.extraction.shadowing.repeating import KEPT, Recordings, compare_first_times
from modules.extraction.shadowing.replaying import Sides, _is_alone
from modules.extraction.shadowing.working import Round, round_of
from modules.payment.contract import (
    CancelPayment,
    CapturePayment,
    Declined,
    OutcomeUnknown,
    Payment,
    RefundPayment,
)
from modules.payment.service import PaymentService
from modules.platform.binding import use
from modules.platform.contracts import Money, deadline_in
from modules.platform.databases import atomic
from modules.platform.hosting.dry import Answered
from tests.extraction.commands import done, leftovers, monolith_rows, service_rows, told
from tests.extraction.shadowing.commanding import authorization, listening

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]

ALL = "SELECT id, state, version, updated_at FROM payment_payment ORDER BY id"
RECORDED = "SELECT count(*) FROM payment_move.recorded WHERE tab > 0"


@pytest.fixture
def sides(shadowed: None) -> Iterator[Sides]:
    """Both hosts, to be asked."""
    both = Sides("payment")
    both.begin()  # meanwhile there is enough to do
    try:
        yield both
    finally:
        both.close()


def sold(order_id: UUID) -> None:
    """An order's payment, from its authorization to a refund of some of it."""
    payment = use(Payment)
    payment.authorize(authorization(order_id))
    payment.capture(CapturePayment(order_id=order_id, idempotency_key="saga:capture"))
    payment.refund(
        RefundPayment(
            order_id=order_id,
            amount=Money(amount=2_500, currency="EUR"),
            reason="a dent",
            idempotency_key="staff:1",
        )
    )


def refused(order_id: UUID) -> None:
    """Orders whose payments end otherwise: declined, given up, and nobody knows yet."""
    payment = use(Payment)
    with pytest.raises(Declined):
        payment.authorize(authorization(order_id, "card_declined"))
    other = uuid4()
    payment.authorize(authorization(other))
    payment.cancel(CancelPayment(order_id=other, reason="no stock", idempotency_key="saga:cancel"))
    with deadline_in(timedelta(seconds=0.4)), pytest.raises(OutcomeUnknown):
        payment.authorize(authorization(uuid4(), "card_timeout"))


def first_times(sides: Sides) -> list[tuple[str, Answered, Answered]]:
    """What is written down: operation, the monolith's first time, and the service's."""
    move, found = move_of("payment"), []
    told("verify", "payment", "--quick")  # it carries
    with connect(move.source, purpose="test") as source:
        recordings = Recordings(source, move)
        for row in Asked.objects.order_by("id"):
            assert row.first is not None
            asked, ours = recordings.of(row.first)
            answered = sides.service.ask(row.operation, row.arguments, asked)
            found.append((row.operation, ours, answered))
    return found


def written(answered: Answered) -> list[str]:
    """Tables, and how their rows were changed."""
    return [
        f"{one.table} {'I' if one.before is None else 'U' if one.row else 'D'}"
        for one in answered.rows
    ]


@contextmanager
def planted(statement: str) -> Iterator[None]:
    """A trigger of the service's database that no migration has made."""
    target = targets.known("payment")
    assert target is not None
    url = make_conninfo(target.admin_url, options="-c search_path=payment")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {statement}; RETURN NEW; END $$;".encode()
        )
        connection.execute(
            "CREATE TRIGGER planted BEFORE INSERT ON payment_attempt "
            "FOR EACH ROW EXECUTE FUNCTION planted()"
        )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION planted() CASCADE")


def test_first_times_are_repeated(sides: Sides) -> None:
    """One setting for all of it, since two hosts begin for each: effects and errors are the same,
    and faults that only new rows meet are found.
    """
    _have_the_same_effects(sides)
    _hear_errors_again(sides)
    _are_compared_only_while_all_since_is_known()
    for statement, places in FAULTS:
        Difference.objects.all().delete()
        _show_other_effects(sides, statement, places)


def _have_the_same_effects(sides: Sides) -> None:
    """Rows, events, answers and what providers are asked; with the rows of later commands there."""
    with listening():
        sold(uuid4())
    rows = monolith_rows(ALL)
    found = first_times(sides)
    assert [operation for operation, _, _ in found] == ["authorize", "capture", "refund"]
    for operation, ours, theirs in found:
        assert theirs.why_not == ""
        assert compare_first_times(ours, theirs) == ()
        assert written(ours) == written(theirs)
        assert "bus_outbox I" in written(theirs)
        assert [one.asked for one in theirs.asked] == [f"standin.{operation}"]
    assert (monolith_rows(ALL), service_rows(ALL)) == (rows, rows)
    with connect(move_of("payment").source, purpose="test") as other:
        assert _is_alone(other, "payment")  # a second watch, or diff
        assert round_of("payment", by=sides) == Round(pairs=0)
    assert round_of("payment", by=sides) == Round(pairs=3)
    assert told("diff", "payment")[1]["pairs"]["same"] == 6
    assert monolith_rows(RECORDED) == [(0,)]


def _hear_errors_again(sides: Sides) -> None:
    """Declined, given back, and an answer that was lost after the charge."""
    with listening():
        refused(uuid4())
    found = first_times(sides)
    assert [operation for operation, _, _ in found] == 2 * ["authorize"] + ["cancel", "authorize"]
    for _operation, ours, theirs in found:
        assert theirs.why_not == ""
        # When the reconciler asks again is drawn by lot.
        lots = {"rows $.payment_attempt I[].next_at"}
        assert {one.place for one in compare_first_times(ours, theirs)} <= lots
        assert [one.of for one in ours.asked] == [one.of for one in theirs.asked]
    assert [one[2].error and one[2].error["code"] for one in found] == [
        "payment.declined", None, None, "payment.outcome_unknown",
    ]  # fmt: skip
    Asked.objects.all().delete()


def _are_compared_only_while_all_since_is_known() -> None:
    """Not what a cutover, or a crash of the server, has come between."""
    with listening():
        use(Payment).authorize(authorization(uuid4()))
    [text] = Asked.objects.values_list("first", flat=True)
    source = move_of("payment").source
    old = json.dumps(json.loads(text) | {"began": "2026-01-01T00:00:00Z"})
    with connect(source, purpose="test") as session:
        with pytest.raises(NotComparable, match="too long ago"):
            Recordings(session, move_of("payment")).of(old)
        # What waits for its turn so long still has its rows.
        session.execute("UPDATE payment_move.recorded SET at = at - interval '59 minutes'")
        forget(session, source, [], KEPT)
        assert recording(session, source, UUID(json.loads(text)["command"]))
    moved = "UPDATE payment_move.ownership SET epoch = epoch {} 1"
    for between, afterwards in (
        (moved.format("+"), moved.format("-")),
        ("TRUNCATE payment_move.recorded", ""),  # and the mark comes again, for what comes next
    ):
        with connect(move_of("payment").source, purpose="test") as source:
            Recordings(source, move_of("payment")).of(text)
            source.execute(between)
            with pytest.raises(NotComparable, match="not all since then"):
                Recordings(source, move_of("payment")).of(text)
            source.execute(afterwards)
    Asked.objects.all().delete()


FAULTS = (
    (
        "NEW.amount := NEW.amount - 1",
        {
            "payment.capture (first time) asked $[].amount": "value",
            "payment.capture (first time) rows $.payment_attempt I[].amount": "value",
            "payment.authorize (first time) rows $.payment_attempt I[].amount": "value",
        },
    ),
    (
        "NEW.created_at := NEW.created_at + interval '1 hour'",
        {
            f"payment.{one} (first time) rows $.payment_attempt I[].created_at": "value"
            for one in ("authorize", "capture")
        },
    ),
)


def _show_other_effects(sides: Sides, statement: str, places: dict[str, str]) -> None:
    """The retry of the same commands finds nothing."""
    order_id = uuid4()
    with listening():
        use(Payment).authorize(authorization(order_id))
        use(Payment).capture(CapturePayment(order_id=order_id, idempotency_key="saga:capture"))
    told("verify", "payment", "--quick")  # it carries
    with planted(statement):
        assert round_of("payment", by=sides) == Round(pairs=2)
    code, said = told("diff", "payment")
    assert code == 3
    assert {f"{one['route']} {one['place']}": one["way"] for one in said["fingerprints"]} == places


def test_only_who_asks_is_recorded_and_what_is_off_is_gone(shadowed: None) -> None:
    """Others' rows leave no trace; nothing is undone but in a dry transaction."""
    use(Payment).authorize(authorization(uuid4()))
    assert monolith_rows(RECORDED) == [(0,)]
    with listening():
        use(Payment).authorize(authorization(uuid4()))
    assert monolith_rows(RECORDED)[0][0] > 0
    with connections["payment"].cursor() as cursor:
        cursor.execute("SELECT current_setting('ficus.recording')")
        assert cursor.fetchone() == ("",)
    _have_no_first_time_in_a_transaction()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="dry transaction"):
        service_rows("SELECT payment_move.undo('[]', '{}')")
    service_rows("UPDATE payment_move.ownership SET owner = 'service'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="where the module is"):
        service_rows("SELECT payment_move.begin_dry(); SELECT payment_move.undo('[]', '{}')")
    service_rows("UPDATE payment_move.ownership SET owner = 'monolith'")
    done("shadow", "--percent", "0")
    gone = "SELECT tgname FROM pg_trigger WHERE tgname = 'ficus_record'"
    assert monolith_rows(gone) == service_rows(gone) == []
    made = "SELECT to_regclass('payment_move.recorded')"
    assert monolith_rows(made) == service_rows(made) == [(None,)]
    done("shadow", "--percent", "0", "--commands", "5")
    assert ("ficus_record",) in leftovers()
    done("cancel")
    assert leftovers() == []


def _have_no_first_time_in_a_transaction() -> None:
    """Of the caller's, who may roll it back: the retry is all that can be compared."""
    Asked.objects.all().delete()
    command = CancelPayment(order_id=uuid4(), reason="no stock", idempotency_key="saga:cancel")
    with listening(), atomic("payment"):
        PaymentService().cancel(command)
    assert [row.first for row in Asked.objects.all()] == [None]
    [(before,)] = monolith_rows(RECORDED)
    use(Payment).authorize(authorization(uuid4()))
    assert monolith_rows(RECORDED) == [(before,)]
