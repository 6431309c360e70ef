"""Use cases of the catalogue against PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, connections

from modules.catalog.contract import (
    AttributeInUse,
    AttributeInvalid,
    CategoryInUse,
    CategoryMoveInvalid,
    CategoryNotFound,
    CurrenciesMixed,
    MediaRefused,
    NotPublishable,
    PriceChanged,
    ProductChanged,
    ProductNotFound,
    ProductPublished,
    ProductWithdrawn,
    RuleInvalid,
    SkuTaken,
    SlugTaken,
    TaxClassUnknown,
    TooManySkus,
)
from modules.catalog.domain import AttributeType, ProductStatus, Rule
from modules.catalog.models import Category, PriceRow, Product, Variant
from modules.catalog.queries.detail import product_detail
from modules.catalog.queries.filters import Wanted
from modules.catalog.queries.listing import BadCursor, Sort, product_page
from modules.catalog.queries.tree import subtree, whole_tree
from modules.catalog.service import CatalogService, attributes, categories, collections, media
from modules.catalog.service.products import (
    NewProduct,
    change_product,
    create_product,
    delete_product,
    publish_product,
    withdraw_product,
)
from modules.catalog.service.variants import NewVariant, add_variant, change_variant, remove_variant
from modules.platform.contracts import Event, Money, StaleVersion
from modules.platform.contracts.codec import decode
from tests.modules.catalog.conftest import NOW, make_product

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.usefixtures("tax_classes")]
KINDS: dict[str, type[Event]] = {
    kind.type_name().rpartition(".v")[0]: kind
    for kind in (ProductPublished, ProductChanged, ProductWithdrawn, PriceChanged)
}


def published() -> list[Event]:
    """The events in the catalogue's outbox, oldest first."""
    with connections["catalog"].cursor() as cursor:
        cursor.execute("SELECT type, payload::text FROM bus_outbox ORDER BY id")
        return [decode(payload.encode(), KINDS[kind]) for kind, payload in cursor.fetchall()]


def test_a_new_product_is_a_draft_with_its_price_on_record() -> None:
    """Creating tells nobody, sums up the variants and starts the price history."""
    made = make_product(published=False)
    assert (made.status, made.price_amount, made.price_currency) == ("draft", 499, "EUR")
    assert made.skus == ["TEA-1"]
    assert PriceRow.objects.get().valid_to is None
    assert published() == []


def test_publishing_and_withdrawing_are_told() -> None:
    """Each change of visibility is one event; asking twice is none."""
    made = make_product(published=False)
    for _ in range(2):
        publish_product(product_id=made.id, now=NOW)
    for _ in range(2):
        withdraw_product(product_id=made.id, now=NOW)
    assert published() == [
        ProductPublished(product_id=made.id, skus=("TEA-1",)),
        ProductWithdrawn(product_id=made.id, skus=("TEA-1",)),
    ]


def test_a_product_without_a_variant_is_not_published() -> None:
    """There must be something to buy; the database insists as well."""
    made = create_product(NewProduct(name="Nothing"), now=NOW)
    with pytest.raises(NotPublishable):
        publish_product(product_id=made.id, now=NOW)
    with pytest.raises(IntegrityError, match="catalog_product_published_has_sku"):
        Product.objects.filter(id=made.id).update(status="published")


def test_a_change_of_a_published_product_is_told_and_counted() -> None:
    """Its version grows and ProductChanged goes out; a draft changes silently."""
    made = make_product()
    after = change_product(product_id=made.id, changes={"name": "Sencha"}, now=NOW)
    assert (after.name, after.version) == ("Sencha", made.version + 1)
    draft = make_product("TEA-2", published=False)
    change_product(product_id=draft.id, changes={"name": "Bancha"}, now=NOW)
    assert [type(event) for event in published()] == [ProductPublished, ProductChanged]


def test_a_stale_version_changes_nothing() -> None:
    """Who has not seen the last change is refused."""
    made = make_product()
    with pytest.raises(StaleVersion):
        change_product(
            product_id=made.id, changes={"name": "X"}, now=NOW, expected_version=made.version - 1
        )
    assert Product.objects.get().name == "Green tea"


def test_a_new_price_is_told_and_the_old_one_kept() -> None:
    """The old price's period ends where the new one's begins."""
    made = make_product()
    later = NOW + timedelta(days=1)
    change_variant(
        product_id=made.id,
        sku="TEA-1",
        changes={"price": Money(amount=399, currency="EUR")},
        now=later,
        by="s@shop.test",
    )
    old, new = PriceRow.objects.order_by("valid_from")
    assert (old.amount, old.valid_to, new.amount, new.changed_by) == (
        499,
        later,
        399,
        "s@shop.test",
    )
    assert Product.objects.get().price_amount == 399
    assert published()[1] == PriceChanged(
        product_id=made.id,
        sku="TEA-1",
        before=Money(amount=499, currency="EUR"),
        after=Money(amount=399, currency="EUR"),
    )


def test_the_same_price_again_is_no_change() -> None:
    """Only a different price is history."""
    made = make_product()
    price = Money(amount=499, currency="EUR")
    change_variant(product_id=made.id, sku="TEA-1", changes={"price": price}, now=NOW)
    assert PriceRow.objects.count() == 1


def test_the_lowest_price_of_30_days_forgets_older_ones() -> None:
    """A price in force within the last 30 days counts, one that ended before does not."""
    made = make_product(amount=100)
    for day, amount in ((10, 300), (20, 200), (25, 400)):
        change_variant(
            product_id=made.id,
            sku="TEA-1",
            changes={"price": Money(amount=amount, currency="EUR")},
            now=NOW + timedelta(days=day),
        )
    at = {
        day: product_detail(made.id, now=NOW + timedelta(days=day)).variants[0].lowest_amount
        for day in (26, 41, 60)
    }
    assert at == {26: 100, 41: 200, 60: 400}


def test_a_sku_belongs_to_one_variant() -> None:
    """A second one is refused, and its product is not made."""
    make_product()
    with pytest.raises(SkuTaken):
        make_product(name="Another")
    assert Product.objects.count() == 1


def test_a_slug_belongs_to_one_product() -> None:
    """A second one is refused."""
    make_product(slug="tea")
    with pytest.raises(SlugTaken):
        make_product("TEA-2", slug="tea")


def test_a_product_has_one_currency() -> None:
    """A variant in another currency is refused."""
    made = make_product()
    other = NewVariant(sku="TEA-9", price=Money(amount=1, currency="USD"))
    with pytest.raises(CurrenciesMixed):
        add_variant(product_id=made.id, new=other, now=NOW)


def test_the_last_variant_of_a_published_product_stays() -> None:
    """Removing it would leave nothing to buy; of several, one may go."""
    made = make_product()
    with pytest.raises(NotPublishable):
        remove_variant(product_id=made.id, sku="TEA-1", now=NOW)
    price = Money(amount=300, currency="EUR")
    add_variant(product_id=made.id, new=NewVariant(sku="TEA-2", price=price), now=NOW)
    remove_variant(product_id=made.id, sku="TEA-1", now=NOW)
    found = Product.objects.get()
    assert (found.skus, found.price_amount) == (["TEA-2"], 300)


def test_deleting_removes_a_draft_and_archives_what_was_sold() -> None:
    """Orders refer to what was on sale, so that is only archived."""
    draft, sold = make_product("A-1", published=False), make_product("B-1")
    delete_product(product_id=draft.id, now=NOW)
    delete_product(product_id=sold.id, now=NOW)
    assert Product.objects.get().status == ProductStatus.ARCHIVED
    with pytest.raises(ProductNotFound):
        delete_product(product_id=draft.id, now=NOW)


def test_references_are_checked() -> None:
    """A product needs a category and a tax class that exist."""
    with pytest.raises(CategoryNotFound):
        make_product(category_id=make_product("X-1").id)
    with pytest.raises(TaxClassUnknown):
        make_product("X-2", tax_class_id="luxury")


def test_attributes_are_checked_against_their_definitions() -> None:
    """Typed values are kept, others refused; a used option and a used attribute stay."""
    attributes.define_attribute(
        code="color", name="Colour", type=AttributeType.ENUM, options=["red", "blue"]
    )
    made = make_product(attributes={"color": "red"})
    assert made.attributes == {"color": "red"}
    with pytest.raises(AttributeInvalid):
        change_product(product_id=made.id, changes={"attributes": {"color": "pink"}}, now=NOW)
    with pytest.raises(AttributeInUse):
        attributes.change_attribute(code="color", changes={"options": ["blue"]})
    with pytest.raises(AttributeInUse):
        attributes.remove_attribute(code="color")
    with pytest.raises(SlugTaken):
        attributes.define_attribute(code="color", name="C", type=AttributeType.TEXT)
    with pytest.raises(AttributeInvalid):
        attributes.define_attribute(code="size", name="S", type=AttributeType.ENUM)


def test_the_port_answers_many_skus_in_one_query(
    django_assert_num_queries: Any,
) -> None:
    """Carts ask once for all their lines; unknown SKUs are left out, drafts are not sellable."""
    tea = make_product(brand="Kyoto")
    make_product("DRAFT-1", published=False)
    with django_assert_num_queries(1, using="catalog"):
        found = CatalogService().variants(skus=("TEA-1", "DRAFT-1", "NOPE"))
    by_sku = {variant.sku: variant for variant in found}
    assert set(by_sku) == {"TEA-1", "DRAFT-1"}
    assert by_sku["TEA-1"].price == Money(amount=499, currency="EUR")
    assert (by_sku["TEA-1"].product_id, by_sku["TEA-1"].brand) == (tea.id, "Kyoto")
    assert (by_sku["TEA-1"].sellable, by_sku["DRAFT-1"].sellable) == (True, False)
    with pytest.raises(TooManySkus):
        CatalogService().variants(skus=tuple(str(number) for number in range(501)))


def grow() -> dict[str, Category]:
    """Food > Cheese > Hard, and Toys."""
    food = categories.create_category(name="Food")
    cheese = categories.create_category(name="Cheese", parent_id=food.id)
    hard = categories.create_category(name="Hard", parent_id=cheese.id)
    toys = categories.create_category(name="Toys")
    return {"food": food, "cheese": cheese, "hard": hard, "toys": toys}


def listed(**wanted: Any) -> set[str]:
    page = product_page(Wanted(**wanted), sort=Sort.NEWEST, cursor="", limit=100, now=NOW)
    return {row.skus[0] for row in page.rows}


def test_a_category_holds_what_is_below_it() -> None:
    """The filter takes the whole subtree, by slug and by id, and nothing beside it."""
    tree = grow()
    make_product("FOOD", category_id=tree["food"].id)
    make_product("HARD", category_id=tree["hard"].id)
    make_product("TOY", category_id=tree["toys"].id)
    assert listed(category="food") == {"FOOD", "HARD"}
    assert listed(category=tree["cheese"].id) == {"HARD"}
    assert listed(category="food-cheese-hard") == {"HARD"}
    assert listed(category="nowhere") == set()


def test_the_subtree_is_a_range_of_the_index() -> None:
    """PostgreSQL reads a subtree by index range, not by scanning all categories."""
    Category.objects.bulk_create(
        Category(name=f"c{n}", slug=f"c{n}", path=f"{n:04d}", depth=1) for n in range(2000)
    )
    with connections["catalog"].cursor() as cursor:
        cursor.execute("ANALYZE catalog_category")
        cursor.execute(
            "EXPLAIN SELECT b.id FROM catalog_category h JOIN catalog_category b "
            "ON b.path >= h.path AND b.path < h.path || '~' WHERE h.slug = 'c77'"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "path" in plan
    assert "Index Cond: (((path)::text >= (h.path)::text)" in plan


def test_a_category_moves_with_all_below_it() -> None:
    """Its products are found under the new place, and are told of."""
    tree = grow()
    hard = make_product("HARD", category_id=tree["hard"].id)
    categories.change_category(
        category_id=tree["cheese"].id, changes={"parent_id": tree["toys"].id}, now=NOW
    )
    assert listed(category="toys") == {"HARD"}
    assert listed(category="food") == set()
    assert [step.name for step in product_detail(hard.id, now=NOW).categories] == [
        "Toys",
        "Cheese",
        "Hard",
    ]
    assert ProductChanged(product_id=hard.id, skus=("HARD",)) in published()
    assert Product.objects.get(id=hard.id).version == hard.version + 1


def test_a_category_does_not_move_below_itself() -> None:
    """The tree stays a tree."""
    tree = grow()
    with pytest.raises(CategoryMoveInvalid, match="below itself"):
        categories.change_category(
            category_id=tree["food"].id, changes={"parent_id": tree["hard"].id}, now=NOW
        )


def test_categories_nest_ten_deep_and_no_deeper() -> None:
    """The eleventh level is refused, also by a move."""
    parent = None
    chain = []
    for level in range(10):
        parent = categories.create_category(
            name=f"L{level}", parent_id=parent.id if parent else None
        )
        chain.append(parent)
    with pytest.raises(CategoryMoveInvalid):
        categories.create_category(name="L10", parent_id=chain[-1].id)
    other = categories.create_category(name="Other")
    with pytest.raises(CategoryMoveInvalid):
        categories.change_category(
            category_id=chain[0].id, changes={"parent_id": other.id}, now=NOW
        )


def test_siblings_have_names_of_their_own() -> None:
    """Two categories of one name cannot stand side by side, but apart they can."""
    tree = grow()
    with pytest.raises(SlugTaken):
        categories.create_category(name="Cheese", parent_id=tree["food"].id)
    again = categories.create_category(name="Cheese", parent_id=tree["toys"].id)
    assert again.slug == "toys-cheese"


def test_only_an_empty_category_is_removed() -> None:
    """Not with categories below, not with products in it."""
    tree = grow()
    with pytest.raises(CategoryInUse):
        categories.remove_category(category_id=tree["food"].id)
    make_product("TOY", category_id=tree["toys"].id)
    with pytest.raises(CategoryInUse):
        categories.remove_category(category_id=tree["toys"].id)
    categories.remove_category(category_id=tree["hard"].id)
    assert subtree("food-cheese").children == []


def test_the_tree_is_read_in_one_query(django_assert_num_queries: Any) -> None:
    """Roots and children come in the shop's order."""
    grow()
    with django_assert_num_queries(1, using="catalog"):
        tree = whole_tree()
    assert [node.name for node in tree] == ["Food", "Toys"]
    assert tree[0].children[0].children[0].name == "Hard"


def test_a_list_narrows_by_every_filter() -> None:
    """Brand, price, SKU and attribute each leave what they should."""
    attributes.define_attribute(code="size", name="Size", type=AttributeType.INTEGER)
    make_product("A", amount=100, brand="Acme", attributes={"size": 1})
    make_product("B", amount=200, brand="Bolt", attributes={"size": 2})
    make_product("C", amount=300, brand="Acme", published=False)
    assert listed(brands=("Acme",)) == {"A"}
    assert listed(brands=("Acme", "Bolt")) == {"A", "B"}
    assert listed(price_gte=200) == {"B"}
    assert listed(price_lte=100) == {"A"}
    assert listed(sku="B") == {"B"}
    assert listed(attributes={"size": 2}) == {"B"}
    assert listed(statuses=("draft",)) == {"C"}
    assert listed(statuses=("draft", "published")) == {"A", "B", "C"}


@pytest.mark.parametrize("sort", list(Sort))
def test_pages_meet_without_gap_or_overlap(sort: Sort) -> None:
    """Walking forth and back by cursors gives every product once, in order."""
    for number in range(7):
        make_product(f"P-{number}", name=f"N{number // 2}", amount=100 * (number // 3))
    seen, cursor, pages = [], "", []
    while True:
        page = product_page(Wanted(), sort=sort, cursor=cursor, limit=3, now=NOW)
        pages.append(page)
        seen += [row.id for row in page.rows]
        if page.next is None:
            break
        cursor = page.next
    assert len(seen) == len(set(seen)) == 7
    assert pages[0].previous is None
    back = product_page(Wanted(), sort=sort, cursor=pages[-1].previous or "", limit=3, now=NOW)
    assert [row.id for row in back.rows] == [row.id for row in pages[-2].rows]
    other = Sort.NAME if sort is not Sort.NAME else Sort.NAME_DOWN
    with pytest.raises(BadCursor):
        product_page(Wanted(), sort=other, cursor=cursor, limit=3, now=NOW)


def test_a_manual_collection_holds_what_was_put_in() -> None:
    """Exactly those products; a rule cannot be set on it."""
    one, _ = make_product("A"), make_product("B")
    made = collections.create_collection(name="Gifts")
    collections.set_products(collection_id=made.id, product_ids=[one.id, one.id])
    assert listed(collection=collections.as_filter(made)) == {"A"}
    with pytest.raises(RuleInvalid):
        collections.change_collection(collection_id=made.id, changes={"rule": Rule(price_lte=1)})
    with pytest.raises(ProductNotFound):
        collections.set_products(collection_id=made.id, product_ids=[made.id])


def test_a_rule_based_collection_is_always_current() -> None:
    """A product enters it by meeting the rule, with nobody's help."""
    rule = Rule(price_lte=200, brands=("Acme",), newer_than_days=30)
    made = collections.create_collection(name="Bargains", rule=rule)
    assert listed(collection=collections.as_filter(made)) == set()
    make_product("A", amount=200, brand="Acme")
    make_product("B", amount=201, brand="Acme")
    make_product("OLD", amount=100, brand="Acme", now=NOW - timedelta(days=40))
    assert listed(collection=collections.as_filter(made)) == {"A"}
    with pytest.raises(RuleInvalid):
        collections.create_collection(name="All", rule=Rule())
    with pytest.raises(RuleInvalid):
        collections.create_collection(name="Lost", rule=replace(rule, category="nowhere"))
    with pytest.raises(RuleInvalid):
        collections.set_products(collection_id=made.id, product_ids=[])


def test_the_first_picture_stands_for_the_product() -> None:
    """Lists show the first of the media, also after they were put in another order."""
    made = make_product()
    first = media.add_media(product_id=made.id, url="https://img.test/1.png", now=NOW)
    second = media.add_media(product_id=made.id, url="https://img.test/2.png", alt="Two", now=NOW)
    assert Product.objects.get().image_url == first.url
    media.order_media(product_id=made.id, media_ids=[second.id], now=NOW)
    assert Product.objects.get().image_url == second.url
    media.remove_media(product_id=made.id, media_id=second.id, now=NOW)
    assert Product.objects.get().image_url == first.url


def test_an_upload_is_known_by_its_content(settings: Any, tmp_path: Any) -> None:
    """A picture is stored under a name of ours; what only claims to be one is refused."""
    settings.MEDIA_ROOT = tmp_path
    made = make_product()
    png = ContentFile(b"\x89PNG\r\n\x1a\n" + b"0" * 20, name="../../evil.html")
    stored = media.add_media(product_id=made.id, file=png, now=NOW)
    assert stored.file.name.endswith(f"{stored.id.hex}.png")
    html = ContentFile(b"<script>alert(1)</script>", name="cat.png")
    with pytest.raises(MediaRefused):
        media.add_media(product_id=made.id, file=html, now=NOW)
    with pytest.raises(MediaRefused):
        media.add_media(product_id=made.id, now=NOW)
    media.remove_media(product_id=made.id, media_id=stored.id, now=NOW)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"price_amount": -1}, "catalog_variant_price"),
        ({"price_currency": "eur"}, "catalog_variant_currency"),
    ],
)
def test_the_database_refuses_impossible_prices(values: dict[str, Any], constraint: str) -> None:
    """Even a statement that goes round the service cannot store them."""
    make_product()
    with pytest.raises(IntegrityError, match=constraint):
        Variant.objects.update(**values)
