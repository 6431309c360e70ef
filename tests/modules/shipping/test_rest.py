"""Shipping over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from modules.platform.databases import atomic
from modules.platform.rest.identifiers import ids
from modules.shipping.contract import ShipmentState
from modules.shipping.handlers import hold_on_flagged
from tests.modules.shipping.orders import flagged, held, only, ordered, shipments, shipping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_tariff")]
BASE = "/api/v1/shipping"
Headers = dict[str, str]
QUOTE = {
    "address": {"country": "US", "postal_code": "10115"},
    "parcel": {"weight_grams": 500, "value": {"amount": 1000, "currency": settings.SHOP_CURRENCY}},
}


def post(api: Client, path: str, body: Any, headers: Headers, key: str = "k") -> Any:
    """POST as JSON with an Idempotency-Key."""
    given = {**headers, "Idempotency-Key": key} if key else headers
    return api.post(f"{BASE}{path}", body, "application/json", headers=given)


def shown(order: Any) -> str:
    """The address of the order's one shipment."""
    return f"/shipments/{ids('shp').text(only(order).id)}"


def test_anybody_gets_quotes_by_body_and_by_parameters(api: Client) -> None:
    """Both ways say the same, cheapest first, in minor units, with dates."""
    by_body = api.post(f"{BASE}/quotes", QUOTE, "application/json")
    by_query = api.get(
        f"{BASE}/quotes?country=US&postal_code=10115&weight_grams=500&value=1000"
        f"&currency={settings.SHOP_CURRENCY}"
    )
    assert by_body.status_code == 200
    assert by_body.json() == by_query.json()
    first = by_body.json()["data"][0]
    assert first["method"] == "standard"
    assert first["price"] == {"amount": 490, "currency": settings.SHOP_CURRENCY}
    assert set(first) == {"method", "name", "price", "tax_basis_points", "earliest", "latest"}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"address": {"country": "usa"}}, 422, "invalid_request"),
        ({"address": {}}, 422, "invalid_request"),
        (
            {"parcel": {"weight_grams": -1, "value": QUOTE["parcel"]["value"]}},
            422,
            "invalid_request",
        ),
        (
            {"parcel": {"weight_grams": 1, "value": {"amount": 1, "currency": "XXX"}}},
            409,
            "shipping.not_deliverable",
        ),
    ],
)
def test_a_quote_that_cannot_be_is_refused(
    api: Client, change: dict[str, Any], status: int, code: str
) -> None:
    """Wrong input 422; what is not delivered 409."""
    response = api.post(f"{BASE}/quotes", {**QUOTE, **change}, "application/json")
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_customers_see_their_own_shipments_only(api: Client, staff: Headers) -> None:
    """Another's is not found; staff sees all; nobody else anything."""
    order = ordered(a=1, owner="customer:ada")
    ordered(a=1, owner="customer:bob")
    ada, bob = ({"Authorization": f"Bearer {name}"} for name in ("ada", "bob"))
    assert api.get(f"{BASE}{shown(order)}").status_code == 401
    assert api.get(f"{BASE}{shown(order)}", headers=ada).status_code == 200
    assert api.get(f"{BASE}{shown(order)}", headers=bob).status_code == 404
    assert len(api.get(f"{BASE}/shipments", headers=ada).json()["data"]) == 1
    assert len(api.get(f"{BASE}/shipments", headers=staff).json()["data"]) == 2
    listed = api.get(f"{BASE}/shipments?order_id={ids('ord').text(order)}", headers=bob).json()
    assert listed["data"] == []


def test_the_list_costs_a_constant_number_of_queries(api: Client, staff: Headers) -> None:
    """Shipments and their lines, however many."""
    for _ in range(5):
        ordered(a=1, b=2)
    with CaptureQueriesContext(connections["shipping"]) as queries:
        body = api.get(f"{BASE}/shipments?state=pending&warehouse=main", headers=staff).json()
    assert (len(body["data"]), len(queries)) == (5, 2)
    wrong = api.get(f"{BASE}/shipments?order_id=ord_x", headers=staff)
    assert wrong.json()["errors"][0]["pointer"] == "query/order_id"


def test_a_shipment_has_an_etag(api: Client, staff: Headers) -> None:
    """Unchanged 304; a dispatch of an older version 412."""
    order = ordered(a=1)
    tag = api.get(f"{BASE}{shown(order)}", headers=staff)["ETag"]
    again = api.get(f"{BASE}{shown(order)}", headers={**staff, "If-None-Match": tag})
    assert again.status_code == 304
    shipping.start_picking(shipment_id=only(order).id)
    stale = post(api, f"{shown(order)}/dispatch", {}, {**staff, "If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


def test_a_parcel_is_dispatched_and_delivered_once(api: Client, staff: Headers) -> None:
    """The key is required and replayed; a second dispatch under another key is a conflict."""
    order = ordered(a=1)
    path = shown(order)
    body = {"tracking_number": "N1"}
    assert post(api, f"{path}/dispatch", body, staff, key="").status_code == 400
    first, second = (post(api, f"{path}/dispatch", body, staff) for _ in range(2))
    assert (first.status_code, first.json()["state"]) == (200, "dispatched")
    assert first.json()["tracking_url"].endswith("N1")
    assert second["Idempotent-Replayed"] == "true"
    conflict = post(api, f"{path}/dispatch", body, staff, key="l")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "shipping.not_in_state")
    done = post(api, f"{path}/deliver", {}, staff, key="m")
    assert (done.status_code, done.json()["state"]) == (200, "delivered")


def test_a_shipment_on_hold_says_so_and_does_not_leave(api: Client, staff: Headers) -> None:
    """Its representation changes with the hold, and so does its ETag."""
    order = ordered(a=1)
    path = shown(order)
    before = api.get(f"{BASE}{path}", headers=staff)
    with atomic("shipping"):
        hold_on_flagged(flagged(order))
    after = api.get(f"{BASE}{path}", headers=staff)
    assert (before.json()["on_hold"], after.json()["on_hold"]) == (False, True)
    assert before["ETag"] != after["ETag"]
    refused = post(api, f"{path}/dispatch", {}, staff)
    assert (refused.status_code, refused.json()["code"]) == (409, "shipping.on_hold")


def test_part_of_a_shipment_is_sent_or_split_off(api: Client, staff: Headers) -> None:
    """The rest waits in a shipment of its own."""
    order = ordered(a=3, b=1)
    path = shown(order)
    split = post(api, f"{path}/split", {"lines": [{"sku": "b", "quantity": 1}]}, staff)
    assert (split.status_code, split.json()["lines"][0]["sku"]) == (201, "b")
    sent = post(api, f"{path}/dispatch", {"lines": [{"sku": "a", "quantity": 1}]}, staff)
    assert sent.json()["lines"] == [{"sku": "a", "name": "A", "quantity": 1}]
    assert [held(shipment) for shipment in shipments(order)] == [{"a": 1}, {"b": 1}, {"a": 2}]
    much = post(api, f"{path}/split", {"lines": [{"sku": "a", "quantity": 9}]}, staff, key="z")
    assert much.status_code == 409


def test_a_shipment_is_cancelled_with_a_reason(api: Client, staff: Headers) -> None:
    """It is not sent any more."""
    order = ordered(a=1)
    done = post(api, f"{shown(order)}/cancel", {"reason": "broken"}, staff)
    assert (done.status_code, only(order).state) == (200, ShipmentState.CANCELLED)


def test_the_pick_list_is_for_staff(api: Client, staff: Headers) -> None:
    """Goods add up; the day may be chosen."""
    ordered(a=1)
    ordered(a=2)
    body = api.get(f"{BASE}/pick-list?day=2099-01-01", headers=staff).json()
    assert [(line["sku"], line["quantity"]) for line in body["lines"]] == [("a", 3)]
    assert (len(body["shipments"]), body["more"]) == (2, False)
    assert api.get(f"{BASE}/pick-list?day=2000-01-01", headers=staff).json()["lines"] == []
    assert api.get(f"{BASE}/pick-list").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", f"/shipments/{ids('shp').text(UUID(int=1))}/dispatch"),
        ("post", f"/shipments/{ids('shp').text(UUID(int=1))}/deliver"),
        ("post", f"/shipments/{ids('shp').text(UUID(int=1))}/split"),
        ("post", f"/shipments/{ids('shp').text(UUID(int=1))}/cancel"),
        ("post", "/zones"),
        ("put", "/zones/domestic"),
        ("post", "/carriers"),
        ("post", "/methods"),
        ("put", "/methods/standard"),
        ("put", "/rates/domestic/standard/EUR"),
        ("delete", "/rates/domestic/standard/EUR"),
    ],
)
def test_changes_are_for_staff(api: Client, staff: Headers, method: str, path: str) -> None:
    """Nobody 401, customers and other staff 403."""
    call = getattr(api, method)
    assert call(f"{BASE}{path}").status_code == 401
    for name in ("ada", "other"):
        refused = call(f"{BASE}{path}", headers={"Authorization": f"Bearer {name}"})
        assert refused.status_code == 403


def test_the_tariff_is_read_by_anybody(api: Client) -> None:
    """Zones with areas, methods, carriers, rates with brackets; in a constant query count."""
    zones = api.get(f"{BASE}/zones").json()["data"]
    assert [zone["code"] for zone in zones] == ["domestic", "worldwide"]
    assert zones[0]["areas"][0]["country"] == "US"
    assert len(api.get(f"{BASE}/methods").json()["data"]) == 2
    assert api.get(f"{BASE}/carriers").json()["data"][0]["code"] == "dhl"
    with CaptureQueriesContext(connections["shipping"]) as queries:
        rates = api.get(f"{BASE}/rates?zone=domestic").json()["data"]
    assert (len(rates), len(rates[0]["brackets"]), len(queries)) == (2, 3, 2)
    assert len(api.get(f"{BASE}/rates?method=express").json()["data"]) == 2


def test_staff_builds_a_tariff_and_it_is_quoted(api: Client, staff: Headers) -> None:
    """Carrier, method, zone and rate over the API; then an island pays more."""

    def send(method: str, path: str, body: Any) -> Any:
        call = getattr(api, method)
        return call(f"{BASE}{path}", body, "application/json", headers=staff)

    carrier = {"code": "boat", "name": "Boat", "tracking_template": "https://b.test/{number}"}
    assert send("post", "/carriers", carrier).status_code == 201
    method = {"code": "ferry", "name": "Ferry", "carrier": "boat"}
    assert send("post", "/methods", method).status_code == 201
    zone = {
        "code": "island",
        "name": "Island",
        "areas": [{"country": "US", "postal_prefix": "96"}],
    }
    assert send("post", "/zones", zone).status_code == 201
    rate = {"min_days": 3, "max_days": 6, "brackets": [{"price": 2500}]}
    path = f"/rates/island/ferry/{settings.SHOP_CURRENCY}"
    assert send("put", path, rate).status_code == 200
    from modules.shipping.service import tariff

    tariff.forget()  # the test's own transaction never commits
    quote = {**QUOTE, "address": {"country": "US", "postal_code": "96701"}}
    (found,) = send("post", "/quotes", quote).json()["data"]
    assert (found["method"], found["price"]["amount"]) == ("ferry", 2500)
    assert (
        send("put", "/methods/ferry", {**method, "active": False} | {"code": "x"}).status_code
        == 422
    )
    off = {"name": "Ferry", "carrier": "boat", "active": False}
    assert send("put", "/methods/ferry", off).json()["active"] is False
    closed = {"name": "Island", "areas": [], "active": False}
    assert send("put", "/zones/island", closed).json()["areas"] == []
    assert api.delete(f"{BASE}{path}", headers=staff).status_code == 204
    assert api.delete(f"{BASE}{path}", headers=staff).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("post", "/zones", {"code": "domestic", "name": "x", "areas": []}, 409),
        ("post", "/zones", {"code": "new", "name": "x", "areas": [{"country": "US"}]}, 422),
        ("post", "/zones", {"code": "new", "name": "x", "areas": [{"region": "x"}]}, 422),
        ("put", "/zones/moon", {"name": "x", "areas": []}, 404),
        ("post", "/carriers", {"code": "dhl", "name": "x"}, 409),
        ("post", "/carriers", {"code": "x", "name": "x", "tracking_template": "https://x"}, 422),
        ("post", "/methods", {"code": "standard", "name": "x", "carrier": "dhl"}, 409),
        ("post", "/methods", {"code": "new", "name": "x", "carrier": "moon"}, 404),
        ("put", "/methods/moon", {"name": "x", "carrier": "dhl"}, 404),
        (
            "put",
            "/rates/moon/standard/EUR",
            {"min_days": 1, "max_days": 1, "brackets": [{"price": 1}]},
            404,
        ),
        (
            "put",
            "/rates/domestic/standard/eur",
            {"min_days": 1, "max_days": 1, "brackets": [{"price": 1}]},
            422,
        ),
        (
            "put",
            "/rates/domestic/standard/EUR",
            {"min_days": 2, "max_days": 1, "brackets": [{"price": 1}]},
            422,
        ),
        (
            "put",
            "/rates/domestic/standard/EUR",
            {"min_days": 1, "max_days": 1, "brackets": [{"price": 1}, {"price": 2}]},
            422,
        ),
        (
            "put",
            "/rates/domestic/standard/EUR",
            {
                "min_days": 1,
                "max_days": 1,
                "brackets": [{"price": 1, "weight_from": 5, "weight_below": 5}],
            },
            422,
        ),
    ],
)
def test_a_tariff_that_contradicts_itself_is_refused(
    api: Client, staff: Headers, method: str, path: str, body: Any, status: int
) -> None:
    """Taken names 409, unknown parts 404, nonsense 422; the old tariff stands."""
    call = getattr(api, method)
    response = call(f"{BASE}{path}", body, "application/json", headers=staff)
    assert response.status_code == status, response.content
