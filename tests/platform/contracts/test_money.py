"""Money: whole minor units, one currency at a time, nothing lost by splitting or rounding."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.platform.contracts import Money
from modules.platform.contracts.codec import decode, encode
from modules.platform.contracts.money import EXPONENTS

amounts = st.integers(-(2**63), 2**63 - 1)
currencies = st.sampled_from(["EUR", "USD", "JPY", "KWD"])


def _euros(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


@given(amounts, amounts, amounts)
def test_sums_do_not_depend_on_order(a: int, b: int, c: int) -> None:
    """Addition is commutative and associative, zero is neutral, subtraction undoes it."""
    x, y, z = _euros(a), _euros(b), _euros(c)

    assert x + y == y + x
    assert (x + y) + z == x + (y + z)
    assert x + Money.zero("EUR") == x
    assert (x + y) - y == x
    assert x + -x == Money.zero("EUR")


@given(amounts, st.integers(0, 1000))
def test_quantity_is_repeated_addition(amount: int, quantity: int) -> None:
    """A line of n pieces costs n times the price."""
    one = _euros(amount)

    assert one * quantity + one == one * (quantity + 1)


@given(amounts, amounts)
def test_order_is_that_of_amounts(a: int, b: int) -> None:
    """Comparisons agree with the numbers."""
    assert (_euros(a) < _euros(b)) == (a < b)
    assert (_euros(a) <= _euros(b)) == (a <= b)
    assert (_euros(a) == _euros(b)) == (a == b)


@given(st.integers(-(10**15), 10**15), st.integers(0, 20_000))
def test_percentages_round_half_away_from_zero(amount: int, basis_points: int) -> None:
    """The same cent as commercial rounding of exact decimals gives."""
    exact = Decimal(amount) * Decimal(basis_points) / Decimal(10_000)

    rounded = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))

    assert _euros(amount).percent(basis_points).amount == rounded


@given(amounts, currencies)
def test_text_says_the_exact_amount(amount: int, currency: str) -> None:
    """Read as a decimal the text is the amount again, with the currency's own digits."""
    number, name = str(Money(amount=amount, currency=currency)).split(" ")
    places = EXPONENTS.get(currency, 2)

    assert name == currency
    assert Decimal(number).scaleb(places) == amount
    assert len(number.partition(".")[2]) == places


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1999, "EUR", "19.99 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (7, "JPY", "7 JPY"),
        (1, "KWD", "0.001 KWD"),
    ],
)
def test_text_for_people(amount: int, currency: str, text: str) -> None:
    """Minor units differ by currency."""
    assert str(Money(amount=amount, currency=currency)) == text


@pytest.mark.parametrize("act", ["__add__", "__sub__", "__lt__", "__le__"])
def test_currencies_do_not_mix(act: str) -> None:
    """Adding dollars to euros is a mistake, not a number."""
    dollars = Money(amount=1, currency="USD")

    with pytest.raises(ValueError, match="cannot combine EUR with USD"):
        getattr(_euros(1), act)(dollars)


@given(amounts, currencies)
def test_money_crosses_the_wire_as_it_is(amount: int, currency: str) -> None:
    """Nothing becomes a float on the way."""
    money = Money(amount=amount, currency=currency)

    assert decode(encode(money), Money) == money


@given(amounts)
def test_money_is_a_value(amount: int) -> None:
    """Equal money is one key."""
    assert len({_euros(amount), _euros(amount)}) == 1
