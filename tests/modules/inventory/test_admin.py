"""Inventory's admin pages: seen, searched, and acted upon."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.test import Client

from modules.inventory.domain import NoticeKind
from modules.inventory.models import Reservation, Stock, Warehouse
from modules.inventory.service import notices, utc_now
from tests.modules.inventory.shop import counters, inventory, lines, reserving, shelf, stocked

pytestmark = pytest.mark.django_db
BASE = "/admin/inventory"


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do everything."""
    user = get_user_model().objects.create_superuser(email="op@shop.test", password="x")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def act(operator: Client, page: str, action: str, row: Any, **fields: object) -> Any:
    """Choose an action for one row and send its form."""
    data = {"action": action, "_selected_action": str(row.pk), "reason": "because", **fields}
    return operator.post(f"{BASE}/{page}/", data, follow=True)


def test_every_page_is_shown(operator: Client) -> None:
    """Lists, searches, filters and details answer with rows in them."""
    stocked(a=5)
    command = reserving(a=1)
    inventory.reserve(command)
    notices.note(command.order_id, NoticeKind.CONFIRMED, lines(a=1), now=utc_now())
    for page in ("warehouse", "stock", "reservation", "movement", "notice"):
        assert operator.get(f"{BASE}/{page}/").status_code == 200, page
    for condition in ("out", "low", "shortfall"):
        assert operator.get(f"{BASE}/stock/?condition={condition}").status_code == 200
    assert operator.get(f"{BASE}/stock/{Stock.objects.get().pk}/change/").status_code == 200
    found = operator.get(f"{BASE}/reservation/{Reservation.objects.get().pk}/change/")
    assert str(command.order_id).encode() in found.content


def test_nothing_is_edited_by_hand(operator: Client) -> None:
    """There is no form that bypasses the use cases."""
    stocked(a=5)
    row = Stock.objects.get()
    assert operator.get(f"{BASE}/stock/add/").status_code == 403
    assert operator.post(f"{BASE}/stock/{row.pk}/change/", {"on_hand": 9}).status_code == 403
    assert counters("a") == (5, 0, 0)


def test_an_adjustment_asks_for_the_difference_and_a_reason(operator: Client) -> None:
    """Without a number the form comes back; sent twice it acts once, and it is audited."""
    stocked(a=5)
    row = Stock.objects.get()
    asked = operator.post(f"{BASE}/stock/", {"action": "adjust", "_selected_action": str(row.pk)})
    (token,) = re.findall(r'name="token" value="([^"]+)"', asked.content.decode())
    act(operator, "stock", "adjust", row, token=token)
    assert counters("a") == (5, 0, 0)
    for _ in range(2):
        act(operator, "stock", "adjust", row, delta=-2, token=token)
    assert counters("a") == (3, 0, 0)
    assert "because" in LogEntry.objects.first().change_message  # type: ignore[union-attr]


def test_a_count_and_a_transfer_call_the_use_cases(operator: Client) -> None:
    """Both are booked; what cannot be moved is told, not done."""
    stocked(a=5)
    stocked("east", a=0)
    row = Stock.objects.get(warehouse__code="main")
    act(operator, "stock", "count", row, counted=4, token="1")
    east = Warehouse.objects.get(code="east")
    act(operator, "stock", "transfer", row, quantity=3, target=str(east.pk), token="2")
    refused = act(operator, "stock", "transfer", row, quantity=3, target=str(east.pk), token="3")
    assert (counters("a"), counters("a", "east")) == ((1, 0, 0), (3, 0, 0))
    assert b"Not enough stock" in refused.content


def test_backorders_are_switched(operator: Client) -> None:
    """On and off again, with what was promised meanwhile kept."""
    stocked(a=1)
    row = Stock.objects.get()
    act(operator, "stock", "allow_backorders", row)
    inventory.reserve(reserving(a=2))
    act(operator, "stock", "stop_backorders", row)
    assert shelf("a") == (1, 2, 0, 1)


def test_a_reservation_is_released(operator: Client) -> None:
    """A stuck order's stock is given back with a reason."""
    stocked(a=5)
    inventory.reserve(reserving(a=2))
    act(operator, "reservation", "release", Reservation.objects.get())
    assert counters("a") == (5, 0, 0)


def test_an_operator_without_the_permission_gets_no_actions(client: Client) -> None:
    """Seeing stock does not mean moving it."""
    from django.contrib.auth.models import Permission

    stocked(a=5)
    user = get_user_model().objects.create_user(email="viewer@shop.test", password="x")
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_stock"))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    act(client, "stock", "adjust", Stock.objects.get(), delta=-2, token="1")
    assert counters("a") == (5, 0, 0)
    assert b'value="adjust"' not in client.get(f"{BASE}/stock/").content
