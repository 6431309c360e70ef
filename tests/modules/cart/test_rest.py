"""The cart's API."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from modules.cart.rest.answers import CART
from modules.platform.contracts import Actor
from tests.modules.cart.conftest import FakeCatalog, FakeInventory, customer, make_coupon, variant
from tests.modules.cart.test_service import begin

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("catalog", "inventory"),
]
URL = "/api/v1/cart"


class Shopper:
    """A client with headers of its own."""

    def __init__(self, api: Client, **headers: str) -> None:
        self.api, self.headers = api, headers

    def send(self, method: str, path: str = "", body: object = None, **headers: str) -> Any:
        data = b"" if body is None else json.dumps(body)  # api.post() sends an empty form
        return self.api.generic(
            method.upper(), URL + path, data, "application/json", headers=self.headers | headers
        )


@pytest.fixture
def guest(api: Client) -> Shopper:
    """Somebody with a cart, whose address is ``guest.cart``."""
    made = Shopper(api).send("post")
    assert made.status_code == 201, made.content
    shopper = Shopper(api, **{"Cart-Token": made.json()["token"]})
    shopper.cart = f"/{made.json()['id']}"  # type: ignore[attr-defined]
    return shopper


def test_a_guest_opens_a_cart_and_fills_it(guest: Any, django_assert_num_queries: Any) -> None:
    """The token opens it; totals, tax and explanation are the shop's."""
    with django_assert_num_queries(2, using="cart"):
        added = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA", "quantity": 2})
    assert added.status_code == 201
    body = added.json()
    assert body["total"] == {"amount": 998, "currency": "EUR"}
    assert body["tax"]["amount"] == 166
    assert [step["text"] for step in body["explanation"]] == ["2 x 4.99 EUR", "Tax included"]
    assert body["lines"][0]["sku"] == "TEA"
    assert added["ETag"] == '"2"'
    with django_assert_num_queries(1, using="cart"):
        read = guest.send("get", guest.cart)
    assert read.json() == body


def test_a_cart_is_its_owners(guest: Any, api: Client, tokens: dict[str, Actor]) -> None:
    """Without a token 401, with another 404, for staff as it is."""
    assert Shopper(api).send("get", guest.cart).status_code == 401
    other = Shopper(api, **{"Cart-Token": "guessed"})
    assert other.send("get", guest.cart).status_code == 404
    assert other.send("post", f"{guest.cart}/lines", {"sku": "TEA"}).status_code == 404
    staff = Shopper(api, Authorization="Bearer staff")
    assert staff.send("get", guest.cart).status_code == 200
    assert staff.send("post", f"{guest.cart}/lines", {"sku": "TEA"}).status_code == 404


def test_changes_need_the_version_that_was_read(guest: Any) -> None:
    """428 without If-Match, 412 with an old one, and 304 for who has the latest."""
    added = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"})
    line = f"{guest.cart}/lines/TEA"
    assert guest.send("patch", line, {"quantity": 3}).status_code == 428
    old = guest.send("patch", line, {"quantity": 3}, **{"If-Match": '"1"'})
    assert (old.status_code, old.json()["code"]) == (412, "stale_version")
    done = guest.send("patch", line, {"quantity": 3}, **{"If-Match": added["ETag"]})
    assert done.json()["lines"][0]["quantity"] == 3
    again = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"}, **{"If-Match": added["ETag"]})
    assert again.status_code == 412
    unchanged = guest.send("get", guest.cart, **{"If-None-Match": done["ETag"]})
    assert unchanged.status_code == 304
    gone = guest.send("delete", line, **{"If-Match": done["ETag"]})
    assert gone.json()["lines"] == []
    for sku in ("TEA", "%00"):
        again = guest.send("delete", f"{guest.cart}/lines/{sku}", **{"If-Match": gone["ETag"]})
        assert again.status_code == 404


def test_an_answer_with_warnings_is_not_kept(guest: Any, catalog: FakeCatalog) -> None:
    """A price that changed is told even to who has the latest version."""
    added = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"})
    catalog.sells(variant("TEA", 599))
    read = guest.send("get", guest.cart, **{"If-None-Match": added["ETag"]})
    assert read.status_code == 200
    assert read["Cache-Control"] == "no-store"
    assert read.json()["warnings"][0]["code"] == "price_changed"


def test_a_line_that_left_the_shop_is_shown_as_such(guest: Any, catalog: FakeCatalog) -> None:
    """It has no price, counts for nothing and can be removed."""
    guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"})
    catalog.known.clear()
    body = guest.send("get", guest.cart).json()
    assert body["lines"][0] | {"product_id": None} == body["lines"][0]
    assert (body["lines"][0]["sellable"], body["lines"][0]["total"]) == (False, None)
    assert body["total"]["amount"] == 0
    gone = guest.send("delete", f"{guest.cart}/lines/TEA", **{"If-Match": "*"})
    assert gone.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sku": "NOPE"}, 409, "cart.line_not_sellable"),
        ({"sku": "CAN", "quantity": 6}, 422, "cart.quantity_limit"),
        ({"sku": "TEA", "quantity": 0}, 422, "invalid_request"),
        ({"sku": "TEA", "quantity": 10**30}, 422, "invalid_request"),
        ({"sku": "TEA", "price": 1}, 422, "invalid_request"),
        ({"quantity": 1}, 422, "invalid_request"),
        ({"sku": "\u0000"}, 422, "invalid_request"),
    ],
)
def test_a_bad_line_is_refused_by_name(guest: Any, body: object, status: int, code: str) -> None:
    """Clients cannot set prices, and quantities have limits."""
    answer = guest.send("post", f"{guest.cart}/lines", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_coupon_is_applied_explained_and_taken_off(guest: Any) -> None:
    """Its step is in the explanation; an unknown one is refused with the reason."""
    make_coupon()
    guest.send("post", f"{guest.cart}/lines", {"sku": "MUG", "quantity": 2})
    applied = guest.send("post", f"{guest.cart}/coupons", {"code": "ten"})
    body = applied.json()
    assert (applied.status_code, body["discount"]["amount"]) == (201, 250)
    assert body["coupons"] == [{"code": "TEN", "applied": True, "reason": None}]
    assert body["explanation"][1]["text"] == "10 % off"
    refused = guest.send("post", f"{guest.cart}/coupons", {"code": "NOPE"})
    assert (refused.status_code, refused.json()["code"]) == (409, "cart.coupon_refused")
    off = guest.send("delete", f"{guest.cart}/coupons/ten")
    assert off.json()["discount"]["amount"] == 0
    assert guest.send("delete", f"{guest.cart}/coupons/ten").status_code == 404


def test_a_cart_that_is_being_ordered_shows_the_orders_prices(
    guest: Any, catalog: FakeCatalog
) -> None:
    """It cannot change, and later prices do not touch it."""
    make_coupon()
    guest.send("post", f"{guest.cart}/lines", {"sku": "MUG", "quantity": 2})
    guest.send("post", f"{guest.cart}/coupons", {"code": "TEN"})
    from modules.platform.rest.authentication import guest_owner

    owner = Actor(owners=frozenset({guest_owner(guest.headers["Cart-Token"])}))
    order_id = uuid4()
    begin(CART.parse(guest.cart[1:]), owner, order_id)
    catalog.sells(variant("MUG", 1))
    body = guest.send("get", guest.cart).json()
    assert (body["state"], body["total"]["amount"]) == ("checkout", 2250)
    assert [step["amount"]["amount"] for step in body["explanation"]] == [2500, -250, 375]
    assert body["order_id"].startswith("ord_")
    locked = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"})
    assert (locked.status_code, locked.json()["code"]) == (409, "cart.locked")


def test_a_customers_cart_needs_no_token(api: Client, tokens: dict[str, Actor]) -> None:
    """It is theirs by their access token, and listed among their own."""
    tokens["ann"] = customer()
    ann = Shopper(api, Authorization="Bearer ann")
    made = [ann.send("post").json() for _ in range(3)]
    assert made[0]["token"] is None
    page = ann.send("get", "?limit=2").json()
    assert [entry["id"] for entry in page["data"]] == [made[2]["id"], made[1]["id"]]
    rest = ann.send("get", f"?limit=2&cursor={page['next']}").json()
    assert [entry["id"] for entry in rest["data"]] == [made[0]["id"]]
    tokens["bob"] = customer()
    assert Shopper(api, Authorization="Bearer bob").send("get").json()["data"] == []


def test_a_guests_cart_is_claimed_at_login(
    guest: Any, api: Client, tokens: dict[str, Actor]
) -> None:
    """Both proofs together merge it; afterwards the guest's token opens nothing."""
    tokens["ann"] = customer()
    ann = Shopper(api, Authorization="Bearer ann")
    mine = ann.send("post").json()["id"]
    ann.send("post", f"/{mine}/lines", {"sku": "CAN", "quantity": 3})
    guest.send("post", f"{guest.cart}/lines", {"sku": "CAN", "quantity": 3})
    assert guest.send("post", f"{guest.cart}/claim").status_code == 401
    assert ann.send("post", f"{guest.cart}/claim").status_code == 404
    claimed = ann.send("post", f"{guest.cart}/claim", **guest.headers)
    assert (claimed.status_code, claimed.json()["id"]) == (200, mine)
    assert claimed.json()["lines"][0]["quantity"] == 5
    assert guest.send("get", guest.cart).status_code == 404


def test_coupons_are_kept_by_staff(api: Client, tokens: dict[str, Actor]) -> None:
    """Make, read, change under If-Match, remove; contradictions are refused."""
    staff = Shopper(api, Authorization="Bearer staff")
    fixed = {"code": "five", "kind": "fixed", "amount": 500, "currency": "EUR"}
    made = staff.send("post", "/coupons", fixed)
    assert (made.status_code, made.json()["code"]) == (201, "FIVE")
    again = staff.send("post", "/coupons", fixed)
    assert again.json()["code"] == "cart.coupon_code_taken"
    wrong = staff.send("post", "/coupons", {"code": "X", "kind": "percent", "amount": 5})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cart.coupon_invalid")
    changed = staff.send("patch", "/coupons/FIVE", {"ends_at": None}, **{"If-Match": made["ETag"]})
    assert changed.json()["version"] == 2
    stale = staff.send("patch", "/coupons/FIVE", {"active": False}, **{"If-Match": made["ETag"]})
    assert stale.status_code == 412
    assert len(staff.send("get", "/coupons").json()["data"]) == 1
    assert staff.send("get", "/coupons/five").json()["amount"] == 500
    assert staff.send("delete", "/coupons/FIVE").status_code == 204
    for code in ("FIVE", "%00", "%F0%28"):
        assert staff.send("get", f"/coupons/{code}").status_code == 404
    soon = {"code": "X", "kind": "percent", "basis_points": 5}
    late = staff.send("post", "/coupons", soon | {"ends_at": "9999-12-31T23:59:59-12:00"})
    assert late.json()["code"] == "cart.coupon_invalid"
    assert Shopper(api).send("get", "/coupons").status_code == 401


def test_inventory_being_away_does_not_stop_shopping(guest: Any, inventory: FakeInventory) -> None:
    """Lines are added without stock warnings."""
    inventory.away = True
    added = guest.send("post", f"{guest.cart}/lines", {"sku": "TEA"})
    assert (added.status_code, added.json()["warnings"]) == (201, [])
