"""A call through the binding: routes, errors across the codec, deadlines, open transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connections

from modules.platform.binding import (
    CallInsideTransaction,
    CodecRoute,
    LocalRoute,
    routed,
    use,
)
from modules.platform.contracts import (
    CallContext,
    Conflict,
    ContractError,
    DeadlineExceeded,
    Money,
    call_context,
    deadline_in,
)
from modules.platform.databases import atomic
from tests.platform.contracts.shelf import Binding, Book, BookMissing, LendBook, Shelf, Wish

Shelf.__module__ = "modules.shelf.contract.port"
ID = UUID("0190b5a0-0000-7000-8000-000000000001")
BOOK = Book(id=ID, price=Money(amount=1999, currency="EUR"), bindings=(Binding.CLOTH,))
LEND = LendBook(idempotency_key="k", book_id=ID, wish=Wish.SOON, tags=frozenset({"a", "b"}))


class Library:
    """An implementation that remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def lend(self, command: LendBook) -> Book:
        self.given.append(command)
        if command.book_id != ID:
            raise BookMissing(book_id=command.book_id)
        return replace(BOOK, sequel=BOOK)

    def books(self, *, ids: tuple[UUID, ...], limit: int = 10) -> tuple[Book, ...]:
        self.given.append((ids, limit))
        return (BOOK,) * min(len(ids), limit)


@pytest.fixture(params=[LocalRoute, CodecRoute])
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    """The library behind a direct route, and behind one through bytes."""
    library = Library()
    with routed(Shelf, request.param(library)):
        yield library


def test_answer_is_the_same_directly_and_through_bytes(library: Library) -> None:
    """Ids, enums, money, tuples, sets and nested types arrive as what they were."""
    assert use(Shelf).lend(LEND) == replace(BOOK, sequel=BOOK)
    assert use(Shelf).lend(command=LEND) == replace(BOOK, sequel=BOOK)
    assert use(Shelf).books(ids=(ID, ID), limit=1) == (BOOK,)
    assert library.given == [LEND, LEND, ((ID, ID), 1)]


def test_default_of_a_parameter_is_the_implementations(library: Library) -> None:
    """What the caller leaves out is not sent."""
    use(Shelf).books(ids=())

    assert library.given == [((), 10)]


def test_error_is_rebuilt_as_itself(library: Library) -> None:
    """Its class, fields, code, kind and sentence survive, so that callers can catch it."""
    unknown = uuid4()

    with pytest.raises(BookMissing) as caught:
        use(Shelf).lend(replace(LEND, book_id=unknown))

    assert caught.value.book_id == unknown
    assert isinstance(caught.value, Conflict)
    assert (caught.value.code, caught.value.retryable) == ("shelf.missing", False)


@pytest.mark.parametrize("route", [LocalRoute, CodecRoute])
def test_error_that_is_no_contracts_is_not_dressed_up(route: type[LocalRoute]) -> None:
    """A bug stays a bug, with its own traceback."""
    with routed(Shelf, route(_Broken())), pytest.raises(ZeroDivisionError):
        use(Shelf).books(ids=())


class _Broken(Library):
    def books(self, *, ids: tuple[UUID, ...], limit: int = 10) -> tuple[Book, ...]:
        return (BOOK,) * (1 // 0)


def test_wrong_type_does_not_get_through_bytes() -> None:
    """What a network would refuse is refused in tests already."""
    with routed(Shelf, CodecRoute(Library())), pytest.raises(ValueError, match="Invalid UUID"):
        use(Shelf).books(ids=("not an id",))  # type: ignore[arg-type]


def test_passed_deadline_is_honoured_locally(library: Library) -> None:
    """A call that nobody waits for is not begun, wherever the module runs."""
    late = CallContext(deadline=datetime.now(UTC) - timedelta(seconds=1))

    with call_context(late), pytest.raises(DeadlineExceeded) as caught:
        use(Shelf).books(ids=())

    assert caught.value.method == "shelf.books"
    assert library.given == []


def test_deadline_of_the_caller_stays_when_it_is_sooner() -> None:
    """Nobody can buy time that the caller does not have."""
    with deadline_in(timedelta(seconds=1)) as outer, deadline_in(timedelta(hours=1)) as inner:
        assert inner.deadline == outer.deadline
    with deadline_in(timedelta(hours=1)) as outer, deadline_in(timedelta(seconds=1)) as inner:
        assert inner.deadline is not None
        assert outer.deadline is not None
        assert inner.deadline < outer.deadline


@pytest.mark.django_db
def test_call_inside_an_open_transaction_is_refused(library: Library) -> None:
    """It would hold locks across what may be a network; the message says which and what to do."""
    with atomic("accounts"), pytest.raises(CallInsideTransaction) as caught:
        use(Shelf).books(ids=())

    assert "shelf.books was called inside an open transaction on 'default'" in str(caught.value)
    assert library.given == []
    assert use(Shelf).books(ids=()) == ()


@pytest.mark.django_db(transaction=True)
def test_call_after_the_commit_is_fine(library: Library) -> None:
    """Also on a connection that a transaction has just used."""
    with atomic("accounts"), connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")

    assert use(Shelf).books(ids=()) == ()


def test_route_may_change_between_two_calls() -> None:
    """Placement is asked for on each call."""
    first, second = Library(), Library()
    with routed(Shelf, LocalRoute(first)):
        use(Shelf).books(ids=())
        with routed(Shelf, LocalRoute(second)):
            use(Shelf).books(ids=())
        use(Shelf).books(ids=())

    assert (len(first.given), len(second.given)) == (2, 1)


@contextmanager
def _raising(error: ContractError) -> Iterator[None]:
    class Refusing(Library):
        def lend(self, command: LendBook) -> Book:
            raise error

    with routed(Shelf, CodecRoute(Refusing())):
        yield


@dataclass(kw_only=True, eq=False)
class PriceChanged(Conflict):
    """An error with money and an optional in it."""

    code = "shelf.price_changed"
    was: Money
    now: Money | None = None


@pytest.mark.parametrize(
    "error",
    [
        PriceChanged(was=Money(amount=1, currency="EUR")),
        PriceChanged(was=Money(amount=1, currency="EUR"), now=Money(amount=2, currency="EUR")),
        DeadlineExceeded(method="shelf.lend"),
        Conflict(),
    ],
)
def test_errors_with_and_without_fields_cross(error: ContractError) -> None:
    """Fields are rebuilt with their types; an error without any needs none."""
    with _raising(error), pytest.raises(type(error)) as caught:
        use(Shelf).lend(LEND)

    assert str(caught.value) == str(error)
    assert getattr(caught.value, "now", None) == getattr(error, "now", None)
