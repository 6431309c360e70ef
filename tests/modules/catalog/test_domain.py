"""Rules of the catalogue, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.catalog.contract import AttributeInvalid, NotPublishable
from modules.catalog.domain import (
    SLUG,
    AttributeType,
    Definition,
    check_publishable,
    checked_attributes,
    checked_value,
    read_value,
    slug_for,
    slugify,
)
from modules.platform.rest.identifiers import new_id


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (AttributeType.TEXT, ["cotton"], ["", "x" * 1001, 3, True]),
        (AttributeType.INTEGER, [0, -5, 2**53], [1.5, "1", True, 2**53 + 1]),
        (AttributeType.NUMBER, [0, 1.5, -2], [float("nan"), float("inf"), "1", True, 1e300]),
        (AttributeType.BOOL, [True, False], [1, "true"]),
        (AttributeType.ENUM, ["red"], ["green", "", 1]),
        (AttributeType.DATE, ["2026-01-31"], ["2026-02-31", "soon", 20260131]),
    ],
)
def test_a_value_is_what_its_definition_allows(
    type_: AttributeType, good: list[object], bad: list[object]
) -> None:
    """Values of the attribute's type pass as they are; all others are refused."""
    definition = Definition(code="a", type=type_, options=("red", "blue"))
    assert [checked_value(definition, value) for value in good] == good
    for value in bad:
        with pytest.raises(AttributeInvalid):
            checked_value(definition, value)


def test_an_undefined_attribute_is_refused() -> None:
    """A value needs a definition."""
    with pytest.raises(AttributeInvalid, match="no such attribute"):
        checked_attributes({"colour": "red"}, [])


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (AttributeType.BOOL, "TRUE", True),
        (AttributeType.INTEGER, "42", 42),
        (AttributeType.NUMBER, "1.5", 1.5),
        (AttributeType.TEXT, "42", "42"),
    ],
)
def test_text_is_read_as_the_attributes_type(
    type_: AttributeType, text: str, value: object
) -> None:
    """A query string's or a CSV cell's text becomes a typed value."""
    assert read_value(Definition(code="a", type=type_), text) == value


def test_text_that_is_no_number_is_refused() -> None:
    """A number attribute does not take words."""
    with pytest.raises(AttributeInvalid, match="expected a number"):
        read_value(Definition(code="a", type=AttributeType.NUMBER), "many")


@given(st.text(max_size=200))
def test_a_slug_is_always_well_formed(name: str) -> None:
    """Whatever the name, the slug made of it can stand in an address."""
    assert SLUG.fullmatch(slug_for(name, new_id()))
    assert slugify(name) == "" or SLUG.fullmatch(slugify(name))


def test_a_product_without_variants_cannot_be_on_sale() -> None:
    """There must be something to buy."""
    with pytest.raises(NotPublishable, match="no variant"):
        check_publishable(reference="x", name="X", variants=0)
    with pytest.raises(NotPublishable, match="no name"):
        check_publishable(reference="x", name=" ", variants=1)
