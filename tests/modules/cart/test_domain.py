"""What a cart costs: properties that hold for every cart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.cart.domain import (
    CouponKind,
    Entry,
    Terms,
    limit_of,
    merged_quantity,
    price,
    refusal,
    split,
    tax_in,
)
from modules.platform.contracts import Money
from tests.modules.cart.conftest import NOW


def entry(sku: str, amount: int, quantity: int, tax: int) -> Entry:
    """So many of a SKU at this price, with this tax in it."""
    return Entry(
        sku=sku,
        product_id=UUID(int=1),
        name=sku,
        unit_price=Money(amount=amount, currency="EUR"),
        quantity=quantity,
        tax_basis_points=tax,
    )


entries = st.lists(
    st.builds(
        lambda amount, quantity, tax: entry("S", amount, quantity, tax),
        st.integers(0, 10**12),
        st.integers(1, 999),
        st.sampled_from([0, 700, 1900, 2000, 10_000]),
    ),
    max_size=12,
)
terms = st.one_of(
    st.builds(
        lambda points: Terms(code="P", kind=CouponKind.PERCENT, basis_points=points),
        st.integers(1, 10_000),
    ),
    st.builds(
        lambda amount: Terms(code="F", kind=CouponKind.FIXED, amount=amount, currency="EUR"),
        st.integers(1, 10**12),
    ),
)


@given(entries, st.lists(terms, max_size=5))
def test_a_cart_adds_up_to_the_cent(cart: list[Entry], coupons: list[Terms]) -> None:
    """Lines sum to the total, nothing is below zero, and the explanation explains all of it."""
    found = price(cart, coupons, currency="EUR")
    assert found.total + found.discount == found.subtotal
    assert sum(line.total.amount for line in found.lines) == found.total.amount
    assert sum(line.discount.amount for line in found.lines) == found.discount.amount
    assert sum(line.tax.amount for line in found.lines) == found.tax.amount
    for line in found.lines:
        assert line.total == line.unit_price * line.quantity - line.discount
        assert 0 <= line.tax.amount <= line.total.amount
        assert line.discount.amount >= 0
    explained = [step.amount.amount for step in found.steps if step.kind != "tax"]
    assert sum(explained) == found.total.amount


@given(st.lists(st.integers(0, 10**15), max_size=30), st.data())
def test_a_split_is_exact_and_fair(weights: list[int], data: st.DataObject) -> None:
    """The parts sum to the amount, none exceeds its weight, none is off by a whole unit."""
    whole = sum(weights)
    amount = data.draw(st.integers(0, whole))
    parts = split(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part <= weight
        assert abs(part * whole - amount * weight) < max(whole, 1)


@pytest.mark.parametrize(
    ("amount", "points", "tax"), [(1200, 2000, 200), (1000, 0, 0), (107, 700, 7), (1, 1900, 0)]
)
def test_tax_is_the_part_of_the_price_that_is_tax(amount: int, points: int, tax: int) -> None:
    """12.00 with 20 % in it holds 2.00 of tax."""
    assert tax_in(amount, points) == tax


def test_percent_then_fixed_apply_in_turn() -> None:
    """10 % off 100.00 and then 15.00 off leave 75.00, and each step says so."""
    found = price(
        [entry("A", 2500, 4, 2000)],
        [
            Terms(code="TEN", kind=CouponKind.PERCENT, basis_points=1000),
            Terms(code="15", kind=CouponKind.FIXED, amount=1500, currency="EUR"),
        ],
        currency="EUR",
    )
    assert found.total.amount == 7500
    assert [(step.kind, step.text, step.amount.amount) for step in found.steps] == [
        ("line", "4 x 25.00 EUR", 10_000),
        ("coupon", "10 % off", -1000),
        ("coupon", "15.00 EUR off", -1500),
        ("tax", "Tax included", 1250),
    ]


SUBTOTAL = Money(amount=1000, currency="EUR")
TEN = Terms(code="TEN", kind=CouponKind.PERCENT, basis_points=1000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"active": False}, "not valid now"),
        ({"starts_at": NOW + timedelta(seconds=1)}, "not valid now"),
        ({"starts_at": NOW}, None),
        ({"ends_at": NOW}, "expired"),
        ({"ends_at": NOW + timedelta(seconds=1)}, None),
        ({"usage_limit": 3, "used": 3}, "used up"),
        ({"usage_limit": 3, "used": 2}, None),
        ({"owner_limit": 1}, None),
        ({"owner_limit": 1, "used_by_owner": 1}, "used it already"),
        ({"min_subtotal": 1001}, "subtotal of 10.01 EUR"),
        ({"min_subtotal": 1000}, None),
        ({"kind": CouponKind.FIXED, "currency": "USD"}, "in USD"),
    ],
)
def test_a_coupon_applies_within_its_terms(changes: dict[str, object], reason: str | None) -> None:
    """Each condition is checked to its very edge."""
    found = refusal(replace(TEN, **changes), subtotal=SUBTOTAL, owner="customer:1", now=NOW)  # type: ignore[arg-type]
    assert (found is None) if reason is None else (reason in str(found))


def test_a_guest_must_sign_in_for_a_limited_coupon() -> None:
    """Guests cannot be told apart, so uses a customer cannot be counted for them."""
    limited = replace(TEN, owner_limit=1)
    assert refusal(limited, subtotal=SUBTOTAL, owner="guest:x", now=NOW) == "sign in to use it"


def test_a_coupon_that_stands_alone_is_not_combined() -> None:
    """Neither beside another nor another beside it."""
    alone = replace(TEN, combinable=False)
    for one, other in ((alone, TEN), (TEN, alone)):
        found = refusal(one, subtotal=SUBTOTAL, owner="customer:1", now=NOW, beside=[other])
        assert found == "it cannot be combined"


def test_limits_hold_when_quantities_are_merged() -> None:
    """The variant's limit, else the cart's."""
    assert (limit_of(5), limit_of(0), limit_of(5000)) == (5, 999, 999)
    assert merged_quantity(3, 4, 5) == 5
    assert merged_quantity(900, 900) == 999
    assert merged_quantity(3, 4) == 7
