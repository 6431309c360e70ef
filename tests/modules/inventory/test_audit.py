"""The proof of the books, shown to find what is wrong."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from modules.inventory.models import ReservationLine, Stock
from modules.inventory.service.audit import audit
from modules.inventory.tasks import prove_ledger
from tests.modules.inventory.shop import inventory, reserving, stocked

pytestmark = pytest.mark.django_db


def test_a_counter_that_the_ledger_does_not_explain_is_found() -> None:
    """A change behind the ledger's back is named with SKU, warehouse and both numbers."""
    stocked(a=5, b=5)
    Stock.objects.filter(sku="a").update(on_hand=6)
    (found,) = audit().differences
    assert (found.sku, found.warehouse, found.counter) == ("a", "main", "on_hand")
    assert (found.booked, found.proved) == (6, 5)
    assert prove_ledger() == 1


def test_a_promise_that_no_reservation_explains_is_found() -> None:
    """Reserved stock must be the open lines of reservations."""
    stocked(a=5)
    inventory.reserve(reserving(a=2))
    ReservationLine.objects.update(released=1)
    (found,) = audit().differences
    assert (found.counter, found.booked, found.proved) == ("promised as reserved", 2, 1)


def test_the_command_exits_with_3_on_differences(capsys: pytest.CaptureFixture[str]) -> None:
    """0 when the books are right; 3, with the differences as JSON, when they are not."""
    stocked(a=5)
    said = StringIO()
    call_command("inventory_audit", stdout=said)
    assert "1 movements: 0 differences" in said.getvalue()
    Stock.objects.update(on_hand=6)
    said = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("inventory_audit", "--json", stdout=said)
    assert exit_.value.code == 3
    assert json.loads(said.getvalue())["differences"][0]["booked"] == 6


def test_the_table_names_each_difference() -> None:
    """For people there is a table before the sum."""
    stocked(a=5)
    Stock.objects.update(on_hand=6)
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("inventory_audit", stdout=said)
    assert "on_hand" in said.getvalue()
