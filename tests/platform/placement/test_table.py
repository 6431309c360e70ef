"""The table: compare and swap, one sequence, a log row for each change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connections

from modules.platform.placement import table
from modules.platform.placement.errors import PlacementChanged
from modules.platform.placement.models import Placement, PlacementChange
from modules.platform.placement.placed import HERE
from tests.platform.example import EXAMPLE

pytestmark = pytest.mark.django_db(transaction=True)


def _swap(module: str, percent: int, expected: int | None = None) -> tuple[int, int]:
    """The revisions before and after."""
    before, after = table.swap(
        module, percent=percent, actor="op", reason="because", expected=expected
    )
    return before.revision, after.revision


def test_change_grows_the_one_revision_and_is_logged() -> None:
    """Whichever module it is of."""
    assert table.placements() == {}

    zero, first = _swap(EXAMPLE, 5)
    _, second = _swap("shipping", 50)
    _, third = _swap(EXAMPLE, 100)

    assert (zero, HERE.revision) == (0, 0)
    assert 0 < first < second < third
    assert table.placements()[EXAMPLE].percent == 100
    log = list(
        PlacementChange.objects.order_by("revision").values_list("module", "before", "after")
    )
    assert log == [(EXAMPLE, 0, 5), ("shipping", 0, 50), (EXAMPLE, 5, 100)]
    assert Placement.objects.get(module=EXAMPLE).revision == third


def test_same_share_again_changes_nothing() -> None:
    """No row, no revision, no log; also 0 for a module that was never placed."""
    assert _swap(EXAMPLE, 0) == (0, 0)
    _, first = _swap(EXAMPLE, 5)
    assert _swap(EXAMPLE, 5) == (first, first)
    assert PlacementChange.objects.count() == 1


def test_swap_that_expected_another_revision_is_refused() -> None:
    """Also when the share would have been the same."""
    _, first = _swap(EXAMPLE, 5, expected=0)
    _, second = _swap(EXAMPLE, 6, expected=first)

    with pytest.raises(PlacementChanged) as refused:
        _swap(EXAMPLE, 7, expected=first)

    assert (refused.value.expected, refused.value.actual) == (first, second)
    assert table.placements()[EXAMPLE].percent == 6


def test_of_many_that_swap_at_once_one_succeeds() -> None:
    """All expect the revision that stands; the others are told."""

    def attempt(percent: int) -> bool:
        try:
            _swap(EXAMPLE, percent, expected=0)
        except PlacementChanged:
            return False
        finally:
            connections["default"].close()
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(attempt, range(1, 9)))

    assert done.count(True) == 1
    assert PlacementChange.objects.count() == 1


def test_database_refuses_what_is_no_share() -> None:
    """Whoever writes it."""
    with pytest.raises(IntegrityError):
        _swap(EXAMPLE, 101)
