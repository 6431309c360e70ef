"""The catalogue's admin pages: what operators edit goes through the use cases."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from modules.catalog.models import (
    AttributeDefinition,
    Category,
    Collection,
    CollectionItem,
    Media,
    PriceRow,
    Product,
    TaxClass,
    Variant,
)
from modules.catalog.service import categories, collections
from modules.catalog.service.products import withdraw_product
from tests.modules.catalog.conftest import NOW, FakeInventory, make_product
from tests.modules.catalog.test_importing import GOOD, HEADER
from tests.modules.catalog.test_service import published

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("tax_classes", "inventory"),
]
BASE = "/admin/catalog"


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do everything."""
    user = get_user_model().objects.create_superuser(email="op@shop.test", password="x")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def formset(prefix: str, *rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    """An inline's part of a form."""
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": initial,
        f"{prefix}-MIN_NUM_FORMS": 0,
        f"{prefix}-MAX_NUM_FORMS": 1000,
    }
    for index, row in enumerate(rows):
        data |= {f"{prefix}-{index}-{name}": value for name, value in row.items()}
    return data


TEA = {
    "name": "Green tea",
    "slug": "",
    "description": "",
    "brand": "Kyoto",
    "category": "",
    "tax_class": "standard",
    "attributes": "{}",
}
SKU = {
    "sku": "TEA-1",
    "name": "",
    "price_amount": 499,
    "price_currency": "EUR",
    "weight_grams": 0,
    "max_per_order": 0,
    "attributes": "{}",
    "position": 0,
}


def send(operator: Client, path: str, data: dict[str, Any]) -> Any:
    answer = operator.post(f"{BASE}/{path}", data, follow=True)
    assert answer.status_code == 200
    return answer


def messages_of(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_every_page_is_shown(operator: Client) -> None:
    """Lists, searches and details answer with rows in them."""
    food = categories.create_category(name="Food")
    made = make_product(category_id=food.id)
    gifts = collections.create_collection(name="Gifts")
    for page in (
        "product/",
        "product/?q=TEA-1",
        "product/add/",
        f"product/{made.pk}/change/",
        "variant/",
        f"variant/{Variant.objects.get().pk}/change/",
        "category/",
        "category/add/",
        f"category/{food.pk}/change/",
        "collection/",
        f"collection/{gifts.pk}/change/",
        "attributedefinition/",
        "attributedefinition/add/",
        "taxclass/",
        "taxclass/standard/change/",
        "importrun/",
        "importrun/import/",
    ):
        assert operator.get(f"{BASE}/{page}").status_code == 200, page


def test_a_product_is_made_with_its_variants(operator: Client) -> None:
    """One form makes the draft, its SKU, its price history and its picture."""
    send(
        operator,
        "product/add/",
        TEA
        | formset("variants", SKU)
        | formset("media", {"url": "https://img.test/1.png", "alt": "Tea", "position": 0}),
    )
    made = Product.objects.get()
    assert (made.status, made.skus, made.price_amount) == ("draft", ["TEA-1"], 499)
    assert made.slug.startswith("green-tea-")
    assert PriceRow.objects.get().changed_by == "op@shop.test"
    assert made.image_url == Media.objects.get().url


def test_a_new_price_in_the_form_is_history_and_an_event(operator: Client) -> None:
    """Editing inline is the same use case as the API's."""
    made = make_product()
    variant = Variant.objects.get()
    row = SKU | {"id": str(variant.pk), "product": str(made.pk), "price_amount": 399}
    body = TEA | {"slug": made.slug, "name": "Sencha", "brand": ""}
    send(
        operator,
        f"product/{made.pk}/change/",
        body | formset("variants", row, initial=1) | formset("media"),
    )
    assert [price.amount for price in PriceRow.objects.order_by("id")] == [499, 399]
    after = Product.objects.get()
    assert (after.name, after.price_amount) == ("Sencha", 399)
    kinds = [type(event).__name__ for event in published()]
    assert kinds == ["ProductPublished", "ProductChanged", "PriceChanged", "ProductChanged"]


def test_what_a_use_case_refuses_is_shown_and_undone(operator: Client) -> None:
    """The last variant of a published product stays, and so does the text of the same form."""
    made = make_product()
    variant = Variant.objects.get()
    row = SKU | {"id": str(variant.pk), "product": str(made.pk), "DELETE": "on"}
    answer = send(
        operator,
        f"product/{made.pk}/change/",
        TEA
        | {"slug": made.slug, "name": "Changed"}
        | formset("variants", row, initial=1)
        | formset("media"),
    )
    assert "last variant" in messages_of(answer)
    assert (Variant.objects.count(), Product.objects.get().name) == (1, "Green tea")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sku": "A B"}, b"letters, digits"),
        ({"price_currency": "E"}, b"ISO 4217"),
        ({"price_amount": -1}, b"catalog_variant_price"),
        ({"attributes": '{"color": "red"}'}, b"no such attribute"),
    ],
)
def test_a_wrong_field_is_pointed_at(
    operator: Client, changes: dict[str, Any], complaint: bytes
) -> None:
    """The form comes back with the reason, and nothing is made."""
    data = TEA | formset("variants", SKU | changes) | formset("media")
    answer = operator.post(f"{BASE}/product/add/", data)
    assert answer.status_code == 200
    assert complaint in answer.content
    assert Product.objects.count() == 0


def test_an_upload_that_is_no_picture_is_refused(operator: Client, settings: Any) -> None:
    """By its content, whatever its name says."""
    row = {"file": SimpleUploadedFile("tea.png", b"<script>"), "url": "", "alt": "", "position": 0}
    answer = operator.post(
        f"{BASE}/product/add/", TEA | formset("variants", SKU) | formset("media", row)
    )
    assert b"neither PNG" in answer.content
    assert Product.objects.count() == 0


def test_products_are_published_withdrawn_and_archived_with_a_reason(operator: Client) -> None:
    """Each act asks why and calls the use case; there is no delete."""
    made = make_product()
    withdraw_product(product_id=made.id, now=NOW)
    for action, status in (
        ("publish", "published"),
        ("withdraw", "draft"),
        ("archive", "archived"),
    ):
        data = {"action": action, "_selected_action": str(made.pk)}
        assert b"Why?" in send(operator, "product/", data).content
        send(operator, "product/", data | {"reason": "because"})
        assert Product.objects.get().status == status
    assert operator.post(f"{BASE}/product/{made.pk}/delete/", {"post": "yes"}).status_code == 403
    listed = operator.get(f"{BASE}/product/").content
    assert b"delete_selected" not in listed


def test_categories_grow_move_and_go(operator: Client) -> None:
    """Paths are the service's work; a category in use stays."""
    body = {"name": "Food", "slug": "", "parent": "", "description": "", "position": 0}
    send(operator, "category/add/", body)
    food = Category.objects.get()
    send(operator, "category/add/", body | {"name": "Tea", "parent": str(food.pk)})
    tea = Category.objects.get(slug="food-tea")
    assert tea.path.startswith(food.path)
    answer = send(operator, f"category/{food.pk}/delete/", {"post": "yes"})
    assert Category.objects.count() == 2, answer
    loop = body | {"slug": "food", "parent": str(tea.pk)}
    looped = operator.post(f"{BASE}/category/{food.pk}/change/", loop)
    assert b"below itself" in looped.content
    send(operator, f"category/{tea.pk}/change/", body | {"name": "Tea", "slug": "tea"})
    tea.refresh_from_db()
    assert (tea.parent_id, tea.depth, tea.slug) == (None, 1, "tea")
    send(operator, f"category/{tea.pk}/delete/", {"post": "yes"})
    assert Category.objects.count() == 1


def test_collections_are_put_together(operator: Client) -> None:
    """By hand in order of positions; by a rule that is checked."""
    one, two = make_product("A"), make_product("B")
    body = {
        "name": "Gifts",
        "slug": "",
        "description": "",
        "visible": "on",
        "position": 0,
        "rule": "{}",
    }
    rows = ({"product": str(one.pk), "position": 2}, {"product": str(two.pk), "position": 1})
    send(operator, "collection/add/", body | formset("items", *rows))
    assert list(CollectionItem.objects.values_list("product_id", flat=True)) == [two.id, one.id]
    wrong = operator.post(
        f"{BASE}/collection/add/",
        body | {"name": "R", "rule": '{"category": "nowhere"}'} | formset("items"),
    )
    assert b"no category nowhere" in wrong.content
    rule = body | {"name": "Cheap", "rule": '{"price_lte": 500}'}
    send(operator, "collection/add/", rule | formset("items"))
    cheap = Collection.objects.get(name="Cheap")
    assert (cheap.kind, cheap.rule) == ("rule", {"price_lte": 500})
    send(
        operator,
        f"collection/{cheap.pk}/change/",
        rule | {"slug": "cheap", "rule": '{"price_lte": 300}'},
    )
    cheap.refresh_from_db()
    assert cheap.rule == {"price_lte": 300}


def test_attributes_and_tax_classes_are_kept(operator: Client) -> None:
    """Definitions through their use cases, rates as they are."""
    body = {"code": "color", "name": "Colour", "type": "enum", "unit": "", "options": "red,blue"}
    send(operator, "attributedefinition/add/", body)
    assert AttributeDefinition.objects.get().options == ["red", "blue"]
    make_product(attributes={"color": "red"})
    change = {"name": "Colour", "unit": "", "options": "blue"}
    answer = send(operator, "attributedefinition/color/change/", change)
    assert "remove those first" in messages_of(answer)
    send(operator, "taxclass/standard/change/", {"name": "Standard", "basis_points": 2000})
    assert TaxClass.objects.get(code="standard").basis_points == 2000


def test_a_file_is_looked_at_then_loaded(operator: Client, inventory: FakeInventory) -> None:
    """The preview changes nothing and shows refused rows; loading does what it said."""

    def upload(what: str) -> Any:
        text = "\n".join((HEADER, *GOOD, "X 1,Bad,,,,1,EUR,1"))
        file = SimpleUploadedFile("products.csv", text.encode())
        return operator.post(f"{BASE}/importrun/import/", {"file": file, "what": what})

    looked = upload("look")
    assert b"nothing was changed" in looked.content
    assert b"the SKU must be" in looked.content
    assert Product.objects.count() == 0
    upload("load")
    assert Product.objects.count() == 3
    assert inventory.stock == {"TEA-1": 12, "MUG-1": 3}
    out = operator.get(f"{BASE}/importrun/export/")
    assert len(b"".join(out.streaming_content).splitlines()) == 4  # type: ignore[attr-defined]
    bad = SimpleUploadedFile("products.csv", b"colour\nred")
    answer = operator.post(f"{BASE}/importrun/import/", {"file": bad, "what": "look"})
    assert b"the header lacks" in answer.content
