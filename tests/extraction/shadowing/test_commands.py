"""Commands written down on their way, asked of both sides dry, and compared."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from modules.extraction.shadowing.answers import compare_answers
from modules.extraction.shadowing.listening import SAMPLED, WAITING, Notebook
from modules.extraction.shadowing.models import Asked
from modules.extraction.shadowing.replaying import Sides
from modules.extraction.shadowing.working import Round, round_of
from modules.payment.contract import CapturePayment, Payment
from modules.payment.service import PaymentService
from modules.platform.binding import use
from modules.platform.contracts.codec import encode
from modules.platform.hosting.dry import ASKS, Answered
from tests.extraction.commands import monolith_rows, service_rows, told
from tests.extraction.shadowing.commanding import authorization, listening
from tests.extraction.shadowing.sides import spoil

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


ROWS = "SELECT id, state, version, updated_at FROM payment_payment ORDER BY id"


def retried(order_id: UUID, book: Notebook) -> None:
    """Both commands, one by a call and one as REST does it; written down, and carried."""
    use(Payment).authorize(authorization(order_id))
    capture = CapturePayment(order_id=order_id, idempotency_key="saga:capture")
    PaymentService().capture(capture)
    book.close()
    told("verify", "payment", "--quick")


def found(sides: Sides) -> dict[str, str]:
    """Where commands differ, and how, as ``diff`` says; and it says so by its exit code."""
    assert round_of("payment", by=sides) == Round(pairs=2)
    code, said = told("diff", "payment")
    assert (code == 3) == bool(said["fingerprints"])
    return {f"{one['route']} {one['place']}": one["way"] for one in said["fingerprints"]}


def test_commands_are_asked_again_of_both_sides(
    shadowed: None,
) -> None:
    """The same, until a row of the service is another; and nothing of it is written anywhere.

    Both ways: as they are asked again now, and as they were answered when they were written down.
    """
    order_id, sides = uuid4(), Sides("payment")
    try:
        sides.begin()  # meanwhile there is enough to do
        with listening() as book:
            retried(order_id, book)
        rows = monolith_rows(ROWS)
        assert found(sides) == {}
        assert told("diff", "payment")[1]["pairs"]["same"] == 4
        assert (monolith_rows(ROWS), service_rows(ROWS), Asked.objects.count()) == (rows, rows, 0)
        _asks_nobody_outside(sides)
        spoil("amount = 10001", order_id)
        with listening() as book:
            retried(order_id, book)
        assert found(sides) == {
            f"payment.{command} answer $.amount.amount": "value"
            for one in ("authorize", "capture")
            for command in (one, f"{one} (first time)")
        }
    finally:
        sides.close()


def _asks_nobody_outside(sides: Sides) -> None:
    """One that would go to a provider is not compared, and nothing of it is there afterwards."""
    before = monolith_rows(ROWS)
    command = encode({"command": authorization(uuid4())}).decode()
    for side in (sides.monolith, sides.service):
        assert side.ask("authorize", command) == Answered(why_not=ASKS)
    assert (monolith_rows(ROWS), service_rows(ROWS)) == (before, before)


def test_answers_differ_by_error_by_value_and_by_what_is_written() -> None:
    """An error tells all by its code; else each value and each table has its place."""
    one = Answered(answer={"amount": 1}, changes={"payment_payment U": 1})
    (error,) = compare_answers(one, Answered(error={"code": "payment.declined"}))
    assert (error.place, error.way) == ("error", "none -> payment.declined")
    other = replace(one, answer={"amount": 2}, changes={"payment_payment U": 1, "bus_outbox I": 1})
    places = [(found.place, found.way) for found in compare_answers(one, other)]
    assert places == [("answer $.amount", "value"), ("rows $.bus_outbox I", "added")]


def test_full_notebook_loses_commands_and_waits_for_nobody(place: None) -> None:
    """While the table cannot be written, the queue fills and the rest is lost; nobody notices."""

    def away() -> Any:
        raise psycopg.OperationalError("away")

    book = Notebook(away)
    before = SAMPLED.labels("payment", "lost")._value.get()
    began = time.monotonic()
    for number in range(WAITING + 10):
        book.take("payment", "authorize", {"number": number})
    assert time.monotonic() - began < 5
    assert SAMPLED.labels("payment", "lost")._value.get() == before + 10
    book.close()
