"""The cart's admin pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from modules.cart.models import Cart, Coupon
from tests.modules.cart.conftest import make_coupon
from tests.modules.cart.test_service import filled

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("catalog", "inventory"),
]
BASE = "/admin/cart"
TEN = {
    "code": "ten",
    "description": "",
    "kind": "percent",
    "basis_points": 1000,
    "amount": 0,
    "currency": "",
    "min_subtotal": 0,
    "usage_limit": "",
    "owner_limit": "",
    "combinable": "on",
    "active": "on",
    "uses-TOTAL_FORMS": 0,
    "uses-INITIAL_FORMS": 0,
}


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do everything."""
    user = get_user_model().objects.create_superuser(email="op@shop.test", password="x")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_carts_are_looked_at_only(operator: Client) -> None:
    """Found by owner, shown with their lines, edited by nobody."""
    cart_id, actor = filled()
    owner = next(iter(actor.owners))
    assert str(cart_id).encode() in operator.get(f"{BASE}/cart/?q={owner}").content
    assert b"TEA" in operator.get(f"{BASE}/cart/{cart_id}/change/").content
    assert operator.get(f"{BASE}/cart/add/").status_code == 403
    assert operator.post(f"{BASE}/cart/{cart_id}/change/", {"owner": "me"}).status_code == 403
    assert Cart.objects.get().owner == owner


def test_coupons_are_made_changed_and_switched_off(operator: Client) -> None:
    """Through their use cases: capitals, versions, a reason for switching off."""
    assert operator.get(f"{BASE}/coupon/add/").status_code == 200
    operator.post(f"{BASE}/coupon/add/", TEN)
    coupon = Coupon.objects.get()
    assert (coupon.code, coupon.basis_points, coupon.version) == ("TEN", 1000, 1)
    operator.post(f"{BASE}/coupon/{coupon.pk}/change/", TEN | {"basis_points": 2000})
    coupon.refresh_from_db()
    assert (coupon.basis_points, coupon.version) == (2000, 2)
    data: dict[str, Any] = {"action": "switch_off", "_selected_action": str(coupon.pk)}
    operator.post(f"{BASE}/coupon/", data | {"reason": "over"})
    coupon.refresh_from_db()
    assert not coupon.active
    assert operator.post(f"{BASE}/coupon/{coupon.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_contradictory_coupon_is_pointed_at(operator: Client) -> None:
    """The form comes back, and nothing is made or changed."""
    operator.post(f"{BASE}/coupon/add/", TEN | {"basis_points": 0})
    assert Coupon.objects.count() == 0
    coupon = make_coupon(usage_limit=5)
    Coupon.objects.update(used=3)
    operator.post(f"{BASE}/coupon/{coupon.pk}/change/", TEN | {"usage_limit": 2})
    assert Coupon.objects.get().usage_limit == 5
