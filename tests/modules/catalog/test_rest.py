"""The catalogue's API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from modules.catalog.rest.answers import CAT, PRD
from modules.catalog.service import categories, collections
from modules.platform.rest.identifiers import new_id
from tests.modules.catalog.conftest import FakeInventory, make_product

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("tax_classes", "inventory"),
]
URL = "/api/v1/catalog"
TEA = {
    "name": "Green tea",
    "brand": "Kyoto",
    "variants": [{"sku": "TEA-1", "price": {"amount": 499, "currency": "EUR"}}],
}


class Staff:
    """The API as somebody with ``catalog:write`` sees it."""

    def __init__(self, api: Client, headers: dict[str, str]) -> None:
        self.api, self.headers = api, headers

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        kind = {"content_type": "application/json", "data": body} if body is not None else {}
        call = getattr(self.api, method)
        return call(URL + path, headers=self.headers | headers, **kind)


@pytest.fixture
def shop(api: Client, staff: dict[str, str]) -> Staff:
    return Staff(api, staff)


def test_a_list_shows_price_and_stock_in_two_queries(
    api: Client, inventory: FakeInventory, django_assert_num_queries: Any
) -> None:
    """One query for the page and one call for its stock, however many products it has."""
    for number in range(5):
        make_product(f"P-{number}", name=f"Product {number}")
    inventory.stock = {"P-4": 7}
    with django_assert_num_queries(1, using="catalog"):
        answer = api.get(f"{URL}/products?limit=3")
    body = answer.json()
    assert [entry["name"] for entry in body["data"]] == ["Product 4", "Product 3", "Product 2"]
    assert body["data"][0]["price"] == {"amount": 499, "currency": "EUR"}
    assert body["data"][0]["stock"] == {"available": 7, "backorderable": False}
    assert body["data"][1]["stock"] == {"available": 0, "backorderable": False}
    assert inventory.calls == [("P-4", "P-3", "P-2")]
    following = api.get(f"{URL}/products", {"limit": 3, "cursor": body["next"]}).json()
    assert [entry["name"] for entry in following["data"]] == ["Product 1", "Product 0"]
    assert following["next"] is None
    assert following["previous"]


def test_a_list_answers_while_inventory_cannot(api: Client, inventory: FakeInventory) -> None:
    """Stock is null then, and everything else is there."""
    make_product()
    inventory.away = True
    answer = api.get(f"{URL}/products")
    assert answer.status_code == 200
    assert answer.json()["data"][0]["stock"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("cursor=nonsense", "query/cursor"),
        ("price__gte=-1", "query/price__gte"),
        ("price__gte=99999999999999999999", "query/price__gte"),
        ("sort=random", "query/sort"),
        ("limit=101", "query/limit"),
        ("category=cat_!", "query/category"),
        ("colour=red", "query/colour"),
    ],
)
def test_a_list_points_at_what_it_cannot_read(api: Client, query: str, pointer: str) -> None:
    """A wrong parameter is a 422 that names it, never a 500."""
    answer = api.get(f"{URL}/products?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_forged_cursor_is_refused(api: Client) -> None:
    """Well-formed cursors with impossible values end at 422 too."""
    from base64 import urlsafe_b64encode

    for lead in ('"2026-01-01T00:00:00"', '"x"', "5", "null"):
        text = f'[false,"newest",{lead},"{new_id()}"]'
        cursor = urlsafe_b64encode(text.encode()).decode().rstrip("=")
        assert api.get(f"{URL}/products", {"cursor": cursor}).status_code == 422


def test_drafts_are_for_staff(api: Client, shop: Staff) -> None:
    """Shoppers neither list nor read them."""
    made = make_product(published=False)
    address = f"/products/{PRD.text(made.id)}"
    assert api.get(f"{URL}/products?status=draft").status_code == 403
    assert api.get(URL + address).status_code == 404
    assert len(shop.send("get", "/products?status=draft").json()["data"]) == 1
    assert shop.send("get", address).status_code == 200


def test_a_product_is_made_published_and_read(shop: Staff, api: Client) -> None:
    """The whole way over HTTP, with ETags guarding each change."""
    made = shop.send("post", "/products", TEA)
    assert made.status_code == 201, made.json()
    address, etag = f"/products/{made.json()['id']}", made["ETag"]
    assert shop.send("post", f"{address}/publish", {}).status_code == 428
    on_sale = shop.send("post", f"{address}/publish", {}, **{"If-Match": etag})
    assert on_sale.json()["status"] == "published"
    stale = shop.send("patch", address, {"name": "Sencha"}, **{"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    changed = shop.send("patch", address, {"name": "Sencha"}, **{"If-Match": on_sale["ETag"]})
    assert changed.json()["name"] == "Sencha"
    read = api.get(URL + address)
    assert read["ETag"] == changed["ETag"]
    unchanged = api.get(URL + address, headers={"If-None-Match": read["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_stock_is_added_on_demand(api: Client, inventory: FakeInventory) -> None:
    """It changes without a new version, so such an answer is never 304."""
    made = make_product()
    inventory.stock = {"TEA-1": 3}
    answer = api.get(
        f"{URL}/products/{PRD.text(made.id)}?expand=stock", headers={"If-None-Match": "*"}
    )
    assert answer.status_code == 200
    assert answer.json()["variants"][0]["stock"]["available"] == 3


def test_variants_and_prices_change_over_http(shop: Staff) -> None:
    """Add, reprice, remove; every answer is the product as it stands."""
    made = shop.send("post", "/products", TEA)
    address = f"/products/{made.json()['id']}"
    body = {"sku": "TEA-2", "price": {"amount": 899, "currency": "EUR"}, "name": "200 g"}
    added = shop.send("post", f"{address}/variants", body)
    assert added.status_code == 201
    assert shop.send("post", f"{address}/variants", body).json()["code"] == "catalog.sku_taken"
    repriced = shop.send(
        "patch",
        f"{address}/variants/TEA-2",
        {"price": {"amount": 99, "currency": "EUR"}},
        **{"If-Match": added["ETag"]},
    )
    assert repriced.json()["price"]["amount"] == 99
    assert repriced.json()["variants"][1]["lowest_price_30_days"]["amount"] == 99
    gone = shop.send("delete", f"{address}/variants/TEA-2", **{"If-Match": repriced["ETag"]})
    assert [variant["sku"] for variant in gone.json()["variants"]] == ["TEA-1"]
    for sku in ("NOPE", "%00", "%F0%28"):
        missing = shop.send("delete", f"{address}/variants/{sku}", **{"If-Match": "*"})
        assert missing.status_code == 404


def test_pictures_change_over_http(shop: Staff) -> None:
    """Add by address, describe, remove."""
    made = shop.send("post", "/products", TEA)
    address = f"/products/{made.json()['id']}"
    added = shop.send("post", f"{address}/media", {"url": "https://img.test/1.png"})
    media = f"{address}/media/{added.json()['media'][0]['id']}"
    told = shop.send("patch", media, {"alt": "A cup of tea"}, **{"If-Match": added["ETag"]})
    assert told.json()["media"][0]["alt"] == "A cup of tea"
    gone = shop.send("delete", media, **{"If-Match": told["ETag"]})
    assert gone.json()["media"] == []
    assert shop.send("post", f"{address}/media", {"url": "javascript:x"}).status_code == 422


def test_the_category_tree_over_http(shop: Staff, api: Client) -> None:
    """Make, read, move and remove; products are listed by subtree."""
    food = shop.send("post", "/categories", {"name": "Food"}).json()
    tea = shop.send("post", "/categories", {"name": "Tea", "parent": food["slug"]})
    assert tea.json()["slug"] == "food-tea"
    tree = api.get(f"{URL}/categories").json()["data"]
    assert tree[0]["children"][0]["name"] == "Tea"
    made = shop.send("post", "/products", TEA | {"category": tea.json()["id"]})
    shop.send("post", f"/products/{made.json()['id']}/publish", {}, **{"If-Match": "*"})
    assert [step["name"] for step in made.json()["categories"]] == ["Food", "Tea"]
    for reference in ("food", food["id"], "food-tea"):
        found = api.get(f"{URL}/products", {"category": reference}).json()["data"]
        assert found[0]["category"]["slug"] == "food-tea"
    address = f"/categories/{tea.json()['id']}"
    moved = shop.send("patch", address, {"parent": None}, **{"If-Match": tea["ETag"]})
    assert moved.json()["version"] == 2
    used = shop.send("delete", address, **{"If-Match": moved["ETag"]})
    assert used.json()["code"] == "catalog.category_in_use"
    empty = shop.send("delete", f"/categories/{food['id']}", **{"If-Match": '"1"'})
    assert empty.status_code == 204


def test_collections_over_http(shop: Staff, api: Client) -> None:
    """A manual one holds its products, a hidden one is for staff, a rule is checked."""
    made = make_product()
    gifts = shop.send("post", "/collections", {"name": "Gifts"})
    address = f"/collections/{gifts.json()['id']}"
    filled = shop.send(
        "put", f"{address}/products", {"products": [PRD.text(made.id)]}, **{"If-Match": '"1"'}
    )
    assert filled.status_code == 200
    assert len(api.get(f"{URL}/products?collection=gifts").json()["data"]) == 1
    hidden = shop.send("patch", address, {"visible": False}, **{"If-Match": filled["ETag"]})
    assert api.get(URL + address).status_code == 404
    assert api.get(f"{URL}/products?collection=gifts").status_code == 404
    assert api.get(f"{URL}/collections").json()["data"] == []
    assert shop.send("get", address).json()["version"] == hidden.json()["version"]
    wrong = shop.send("post", "/collections", {"name": "R", "rule": {"category": "nowhere"}})
    assert wrong.json()["code"] == "catalog.rule_invalid"
    bad = shop.send("put", f"{address}/products", {"products": ["x"]}, **{"If-Match": "*"})
    assert bad.status_code == 422
    assert shop.send("delete", address, **{"If-Match": "*"}).status_code == 204


def test_a_rule_sees_its_category(api: Client) -> None:
    """A rule-based collection lists what meets its rule at this moment."""
    from modules.catalog.domain import Rule

    food = categories.create_category(name="Food")
    make_product("IN", category_id=food.id)
    make_product("OUT")
    collections.create_collection(name="Eat", rule=Rule(category="food"))
    found = api.get(f"{URL}/products?collection=eat").json()["data"]
    assert [entry["skus"] for entry in found] == [["IN"]]


def test_attributes_over_http(shop: Staff, api: Client) -> None:
    """Define, use as a filter, and refuse wrong values."""
    size = {"code": "size", "name": "Size", "type": "integer", "unit": "cm"}
    assert shop.send("post", "/attributes", size).status_code == 201
    made = shop.send("post", "/products", TEA | {"attributes": {"size": 42}})
    assert made.json()["attributes"] == [
        {"code": "size", "name": "Size", "type": "integer", "unit": "cm", "value": 42}
    ]
    shop.send("post", f"/products/{made.json()['id']}/publish", {}, **{"If-Match": "*"})
    assert len(api.get(f"{URL}/products?attribute=size:42").json()["data"]) == 1
    assert api.get(f"{URL}/products?attribute=size:43").json()["data"] == []
    assert api.get(f"{URL}/products?attribute=size:big").status_code == 422
    wrong = shop.send("post", "/products", {"name": "X", "attributes": {"size": "big"}})
    assert wrong.json()["code"] == "catalog.attribute_invalid"
    assert api.get(f"{URL}/attributes").json()["data"][0]["code"] == "size"
    renamed = shop.send("patch", "/attributes/size", {"name": "Width"})
    assert renamed.json()["name"] == "Width"
    assert shop.send("delete", "/attributes/size").status_code == 409
    assert shop.send("delete", "/attributes/none").status_code == 404


def test_brands_count_what_is_on_sale(api: Client) -> None:
    """Drafts do not count."""
    make_product("A", brand="Acme")
    make_product("B", brand="Acme")
    make_product("C", brand="Bolt", published=False)
    assert api.get(f"{URL}/brands").json()["data"] == [{"name": "Acme", "products": 2}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/products"),
        ("post", "/categories"),
        ("post", "/collections"),
        ("post", "/attributes"),
        ("delete", f"/products/{PRD.text(UUID(int=1))}"),
        ("delete", f"/categories/{CAT.text(UUID(int=1))}"),
        ("get", "/export"),
        ("post", "/imports"),
    ],
)
def test_changes_need_the_scope(api: Client, method: str, path: str) -> None:
    """Nobody without ``catalog:write`` changes the catalogue."""
    answer = getattr(api, method)(URL + path, content_type="application/json")
    assert answer.status_code == 401
