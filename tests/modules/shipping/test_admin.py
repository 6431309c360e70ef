"""Shipping's admin pages: seen, acted upon, printed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from modules.platform.databases import atomic
from modules.shipping.contract import ShipmentState
from modules.shipping.handlers import hold_on_flagged
from modules.shipping.models import Holiday, Rate, Shipment, Zone
from tests.modules.shipping.orders import flagged, held, only, ordered, shipments

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_tariff")]
BASE = "/admin/shipping"


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do everything."""
    user = get_user_model().objects.create_superuser(email="op@shop.test", password="x")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def act(operator: Client, action: str, order: Any, **fields: object) -> Any:
    """Choose an action for the order's first shipment and send its form."""
    data = {
        "action": action,
        "_selected_action": str(shipments(order)[0].id),
        "reason": "because",
        **fields,
    }
    return operator.post(f"{BASE}/shipment/", data, follow=True)


def test_every_page_is_shown(operator: Client) -> None:
    """Lists and details answer with rows in them."""
    ordered(a=1)
    for page in ("shipment", "zone", "method", "carrier", "rate", "holiday"):
        assert operator.get(f"{BASE}/{page}/").status_code == 200, page
    assert operator.get(f"{BASE}/shipment/{Shipment.objects.get().pk}/change/").status_code == 200
    assert operator.get(f"{BASE}/zone/{Zone.objects.first().pk}/change/").status_code == 200  # type: ignore[union-attr]
    assert operator.get(f"{BASE}/rate/{Rate.objects.first().pk}/change/").status_code == 200  # type: ignore[union-attr]


def test_a_parcel_goes_its_way_by_actions(operator: Client) -> None:
    """Pick, dispatch in part with a number, deliver."""
    order = ordered(a=2)
    act(operator, "pick", order)
    assert only(order).state is ShipmentState.PICKING
    asked = operator.post(
        f"{BASE}/shipment/",
        {"action": "dispatch_parcel", "_selected_action": str(only(order).id)},
    )
    assert b"tracking_number" in asked.content
    wrong = act(operator, "dispatch_parcel", order, lines="nonsense")
    assert b"is not a SKU and a quantity" in wrong.content
    act(operator, "dispatch_parcel", order, tracking_number="N1", lines="a 1\n")
    first, second = shipments(order)
    assert (first.tracking_number, held(first), held(second)) == ("N1", {"a": 1}, {"a": 1})
    act(operator, "deliver", order)
    assert shipments(order)[0].state is ShipmentState.DELIVERED
    refused = act(operator, "cancel", order)
    assert b"is delivered" in refused.content


def test_a_shipment_is_split_and_cancelled_by_actions(operator: Client) -> None:
    """Both need a reason; a split needs lines."""
    order = ordered(a=2)
    assert b"Name at least one line" in act(operator, "split", order, lines=" ").content
    act(operator, "split", order, lines="a 1")
    act(operator, "cancel", order)
    assert [s.state for s in shipments(order)] == [
        ShipmentState.CANCELLED,
        ShipmentState.PENDING,
    ]


def test_a_parcel_on_hold_says_why_and_does_not_leave(operator: Client) -> None:
    """In the list, on its page, and when somebody tries."""
    order = ordered(a=1)
    with atomic("shipping"):
        hold_on_flagged(flagged(order))
    assert b"capture failed" in operator.get(f"{BASE}/shipment/").content
    page = operator.get(f"{BASE}/shipment/{only(order).id}/change/")
    assert b"capture failed" in page.content
    refused = act(operator, "dispatch_parcel", order)
    assert b"until its order is reviewed: capture failed" in refused.content
    assert only(order).state is ShipmentState.PENDING


@pytest.mark.parametrize("day", ["2099-01-01", "2099-13-45", "x"])
def test_the_pick_list_is_a_page_to_print(operator: Client, day: str) -> None:
    """Goods with their shipments; a day that is none means today."""
    ordered(a=2)
    Shipment.objects.update(pick_on="2020-01-01")
    page = operator.get(f"{BASE}/shipment/pick-list/?warehouse=main&day={day}")
    assert page.status_code == 200
    assert b"window.print()" in page.content
    assert b"F-1-1" in page.content


def test_the_pick_list_needs_permission(client: Client) -> None:
    """Strangers are sent to log in; staff without the right are refused."""
    assert client.get(f"{BASE}/shipment/pick-list/").status_code == 302
    user = get_user_model().objects.create_user(email="v@shop.test", password="x")
    user.is_staff = True
    user.save()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"{BASE}/shipment/pick-list/").status_code == 403


def test_holidays_are_entered_by_hand(operator: Client) -> None:
    """A day off has no rules that a form could bypass."""
    operator.post(f"{BASE}/holiday/add/", {"day": "2026-12-25", "name": "Christmas"})
    assert Holiday.objects.get().name == "Christmas"
