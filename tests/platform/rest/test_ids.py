"""Ids as clients see them."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.platform.rest.identifiers import ids, new_id


@given(st.uuids())
def test_every_uuid_survives_the_way_there_and_back(value: UUID) -> None:
    """Text and back gives the same UUID."""
    kind = ids("thing")
    assert kind.parse(kind.text(value)) == value


def test_the_specification_s_own_example() -> None:
    """The TypeID specification's published vector holds."""
    value = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert ids("prefix").text(value) == "prefix_01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize(
    "text", ["", "thing_", "other_01h455vb4pex5vsknk084sn02q", "thing_8" + "0" * 25]
)
def test_what_is_not_an_id_is_refused(text: str) -> None:
    """Another prefix, another length or too large a number raises ValueError."""
    with pytest.raises(ValueError, match="not an id"):
        ids("thing").parse(text)


def test_new_ids_are_in_order_of_creation() -> None:
    """UUIDv7 sorts by time."""
    made = [new_id() for _ in range(100)]
    assert made == sorted(made)
    assert {each.version for each in made} == {7}
