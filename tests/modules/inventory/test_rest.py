"""Inventory over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from modules.platform.rest.identifiers import ids
from tests.modules.inventory.shop import counters, inventory, reserving, stocked

pytestmark = pytest.mark.django_db
BASE = "/api/v1/inventory"
Headers = dict[str, str]


def post(api: Client, path: str, body: Any, headers: Headers, key: str = "k") -> Any:
    """POST as JSON with an Idempotency-Key."""
    given = {**headers, "Idempotency-Key": key} if key else headers
    return api.post(f"{BASE}{path}", body, "application/json", headers=given)


def patch(api: Client, path: str, body: Any, headers: Headers) -> Any:
    """PATCH as JSON."""
    return api.patch(f"{BASE}{path}", body, "application/json", headers=headers)


def test_anybody_sees_availability_and_nothing_else(api: Client) -> None:
    """The public answer has no numbers of warehouses, and an ETag."""
    stocked(a=5)
    inventory.reserve(reserving(a=2))
    response = api.get(f"{BASE}/stock/a")
    assert response.status_code == 200
    assert response.json() == {
        "sku": "a",
        "available": 3,
        "backorderable": False,
        "in_stock": True,
    }
    again = api.get(f"{BASE}/stock/a", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304


def test_staff_sees_the_numbers_per_warehouse(api: Client, staff: Headers) -> None:
    """With inventory:read the same address tells all; another scope does not help."""
    stocked(a=5)
    stocked("east", a=1)
    inventory.reserve(reserving(a=2))
    body = api.get(f"{BASE}/stock/a", headers=staff).json()
    assert (body["on_hand"], body["reserved"], body["available"]) == (6, 2, 4)
    found = [(shelf["warehouse"], shelf["on_hand"]) for shelf in body["warehouses"]]
    assert sorted(found) == [("east", 1), ("main", 5)]
    other = api.get(f"{BASE}/stock/a", headers={"Authorization": "Bearer other"}).json()
    assert "on_hand" not in other


@pytest.mark.parametrize("sku", ["nothing", "x" * 100, "%00", "%0a"])
def test_an_unknown_or_impossible_sku_is_not_found(api: Client, sku: str) -> None:
    """404 with its code, never a failure of the database."""
    response = api.get(f"{BASE}/stock/{sku}")
    assert (response.status_code, response.json()["code"]) == (404, "inventory.unknown_sku")


def test_availability_of_many_skus_keeps_their_order(api: Client) -> None:
    """Known ones in the order asked for; one query."""
    stocked(a=5, b=0)
    with CaptureQueriesContext(connections["inventory"]) as queries:
        response = api.get(f"{BASE}/availability?skus=b,nothing,a")
    found = [(row["sku"], row["in_stock"]) for row in response.json()["data"]]
    assert (found, len(queries)) == ([("b", False), ("a", True)], 1)


def test_a_change_needs_the_version_that_was_read(api: Client, staff: Headers) -> None:
    """Missing 428, stale 412, right 200 with the next ETag."""
    stocked(a=5)
    body = {"on_hand": 8, "low_threshold": 3, "reason": "recount"}
    assert patch(api, "/stock/a", body, staff).status_code == 428
    tag = api.get(f"{BASE}/stock/a", headers=staff)["ETag"]
    changed = patch(api, "/stock/a", body, {**staff, "If-Match": tag})
    assert (changed.status_code, changed.json()["on_hand"]) == (200, 8)
    assert changed.json()["low_threshold"] == 3
    stale = patch(api, "/stock/a", body, {**staff, "If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/stock"),
        ("patch", "/stock/a"),
        ("get", "/warehouses"),
        ("post", "/warehouses"),
        ("post", "/adjustments"),
        ("post", "/transfers"),
        ("post", "/stocktakes"),
        ("get", "/movements"),
        ("get", f"/reservations/{ids('ord').text(UUID(int=1))}"),
        ("post", f"/reservations/{ids('ord').text(UUID(int=1))}/release"),
    ],
)
def test_staff_only_operations_refuse_others(
    api: Client, staff: Headers, method: str, path: str
) -> None:
    """Nobody 401, a stranger to the module 403."""
    call = getattr(api, method)
    assert call(f"{BASE}{path}").status_code == 401
    other = call(f"{BASE}{path}", headers={"Authorization": "Bearer other"})
    assert other.status_code == 403


def test_the_stock_list_filters_and_pages(api: Client, staff: Headers) -> None:
    """By what is left, by warehouse, by threshold; pages by cursor in a constant query count."""
    stocked(a=1, b=5, c=9)
    stocked("east", a=7)
    inventory.change_sku(sku="b", expected_version=None, reason="t", low_threshold=6)

    def listed(query: str) -> list[tuple[str, str]]:
        rows = api.get(f"{BASE}/stock?{query}", headers=staff).json()["data"]
        return [(row["sku"], row["warehouse"]) for row in rows]

    assert listed("available__lte=1") == [("a", "main")]
    assert listed("low=true") == [("b", "main")]
    assert listed("warehouse=east") == [("a", "east")]
    first = api.get(f"{BASE}/stock?limit=3", headers=staff).json()
    second = api.get(f"{BASE}/stock?limit=3&cursor={first['next']}", headers=staff).json()
    assert (len(first["data"]), len(second["data"]), second["next"]) == (3, 1, None)
    with CaptureQueriesContext(connections["inventory"]) as queries:
        api.get(f"{BASE}/stock", headers=staff)
    assert len(queries) == 1


def test_an_adjustment_needs_a_key_and_is_replayed(api: Client, staff: Headers) -> None:
    """400 without a key; the same key gives the same answer and moves stock once."""
    stocked(a=5)
    body = {"sku": "a", "delta": -1, "reason": "broken"}
    assert post(api, "/adjustments", body, staff, key="").status_code == 400
    first, second = (post(api, "/adjustments", body, staff) for _ in range(2))
    assert (first.status_code, first.json()["on_hand"]) == (201, 4)
    assert (second.content, second["Idempotent-Replayed"]) == (first.content, "true")
    assert counters("a") == (4, 0, 0)


def test_warehouses_are_opened_listed_and_closed(api: Client, staff: Headers) -> None:
    """A code is taken once; changing needs the version."""
    body = {"code": "east", "name": "East", "country": "DE", "priority": 20}
    made = post(api, "/warehouses", body, staff)
    assert (made.status_code, made.json()["id"][:3]) == (201, "wh_")
    assert post(api, "/warehouses", body, staff, key="l").status_code == 409
    shown = api.get(f"{BASE}/warehouses/east", headers=staff)
    closed = patch(api, "/warehouses/east", {"active": False}, {**staff, "If-Match": shown["ETag"]})
    assert (closed.status_code, closed.json()["active"]) == (200, False)
    assert [row["code"] for row in api.get(f"{BASE}/warehouses", headers=staff).json()["data"]] == [
        "east"
    ]
    assert api.get(f"{BASE}/warehouses/moon", headers=staff).status_code == 404


def test_a_transfer_and_a_stocktake_are_in_the_ledger(api: Client, staff: Headers) -> None:
    """Movements tell who did what and why, newest first."""
    stocked(a=5)
    stocked("east", a=0)
    moved = post(
        api,
        "/transfers",
        {
            "source": "main",
            "target": "east",
            "lines": [{"sku": "a", "quantity": 2}],
            "reason": "balance",
        },
        staff,
    )
    assert moved.status_code == 201
    counted = post(
        api,
        "/stocktakes",
        {"warehouse": "east", "counts": [{"sku": "a", "counted": 1}], "reason": "count"},
        staff,
        key="l",
    )
    assert counted.json()["lines"] == [{"sku": "a", "booked": 2, "counted": 1, "difference": -1}]
    rows = api.get(f"{BASE}/movements?sku=a", headers=staff).json()["data"]
    assert [(row["kind"], row["warehouse"], row["on_hand"]) for row in rows] == [
        ("count", "east", -1),
        ("transfer", "east", 2),
        ("transfer", "main", -2),
        ("count", "main", 5),
    ]
    assert (rows[1]["document"], rows[1]["actor"]) == (moved.json()["document"], "s@shop.test")


def test_a_transfer_beyond_what_is_free_is_a_conflict(api: Client, staff: Headers) -> None:
    """409 that says what lacks."""
    stocked(a=1)
    stocked("east", a=0)
    body = {
        "source": "main",
        "target": "east",
        "lines": [{"sku": "a", "quantity": 2}],
        "reason": "balance",
    }
    response = post(api, "/transfers", body, staff)
    assert (response.status_code, response.json()["code"]) == (409, "inventory.insufficient_stock")


def test_an_orders_reservation_is_shown_and_released(api: Client, staff: Headers) -> None:
    """Staff sees what is set aside and may give it back, once, with a reason."""
    stocked(a=5)
    command = reserving(a=2)
    inventory.reserve(command)
    order = ids("ord").text(command.order_id)
    shown = api.get(f"{BASE}/reservations/{order}", headers=staff).json()
    assert (shown["order_id"], shown["state"]) == (order, "held")
    done = post(api, f"/reservations/{order}/release", {"reason": "stuck"}, staff)
    assert (done.status_code, done.json()["state"]) == (200, "released")
    assert counters("a") == (5, 0, 0)
    unknown = ids("ord").text(uuid4())
    assert api.get(f"{BASE}/reservations/{unknown}", headers=staff).status_code == 404
    movements = api.get(f"{BASE}/movements?order_id={order}", headers=staff).json()["data"]
    assert [row["kind"] for row in movements] == ["release", "reserve"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/adjustments", {"sku": "", "delta": 1, "reason": "xxx"}, "/sku"),
        ("/adjustments", {"sku": "a", "delta": 10**12, "reason": "xxx"}, "/delta"),
        ("/adjustments", {"sku": "a", "delta": 1, "reason": "x"}, "/reason"),
        ("/stocktakes", {"warehouse": "main", "counts": [], "reason": "xxx"}, "/counts"),
        ("/warehouses", {"code": "Not Good", "name": "x"}, "/code"),
    ],
)
def test_a_wrong_body_is_refused_with_its_place(
    api: Client, staff: Headers, path: str, body: Any, pointer: str
) -> None:
    """422 that points at the field; nothing is too large for the database."""
    response = post(api, path, body, staff)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)
