"""Keyset cursors: every row once, forwards and back, and no cursor of another list."""

from __future__ import annotations

import base64

import msgspec
import pytest
from django.contrib.auth import get_user_model

from modules.platform.rest.pagination import keyset
from modules.platform.rest.problems import Problem

ORDER = ("-created_at", "-id")


def page(cursor: str = "", limit: int = 3) -> tuple[list[str], str | None, str | None]:
    """E-mail addresses of one page, and its two cursors."""
    people = get_user_model().objects.all()
    rows, following, before = keyset(people, order=ORDER, cursor=cursor, limit=limit)
    return [row.email for row in rows], following, before


@pytest.fixture
def people(db: None) -> list[str]:
    """Seven people, the newest first."""
    make = get_user_model().objects.create
    made = [make(email=f"p{n}@example.com").email for n in range(7)]
    return list(reversed(made))


def test_walks_to_the_end_and_back(people: list[str]) -> None:
    """Every row comes once, in order; going back gives the same pages."""
    first, cursor, before = page()
    second, cursor2, before2 = page(cursor or "")
    third, end, _ = page(cursor2 or "")
    assert first + second + third == people
    assert (before, end) == (None, None)
    assert page(before2 or "")[0] == first


def test_new_rows_do_not_shift_the_next_page(people: list[str]) -> None:
    """A row added in front is not on the next page, and none is repeated."""
    _, cursor, _ = page()
    get_user_model().objects.create(email="new@example.com")
    assert page(cursor or "")[0] == people[3:6]


@pytest.mark.parametrize(
    "position",
    [
        "garbage",
        [False],
        [False, "2026-01-01T00:00:00Z", "no-uuid"],
        [False, "no-time", "01920000-0000-7000-8000-000000000001"],
        [False, 5, 7],
        [False, 1e300, True],
        [1, "a", "b"],
        {"a": 1},
    ],
)
def test_cursor_of_another_list_is_refused(people: list[str], position: object) -> None:
    """Whatever a client makes up as a cursor is a 422 that names it."""
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")
    with pytest.raises(Problem) as caught:
        page(cursor)
    assert (caught.value.status, caught.value.errors[0].code) == (422, "bad_cursor")
