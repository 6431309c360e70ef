"""Values as protobuf messages: the same come back as through the other transport's codec."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.accounts.contract import Accounts
from modules.cart.contract import Cart
from modules.catalog.contract import Catalog
from modules.inventory.contract import Inventory
from modules.notification.contract import Notification
from modules.orders.contract import Orders
from modules.payment.contract import Payment
from modules.platform.binding import Method, methods_of
from modules.platform.contracts import Fenced, Money, Unavailable
from modules.platform.contracts.codec import CodecError, decode, encode
from modules.platform.grpc_calls.messages.calls import Errors, MethodMessages
from modules.platform.grpc_calls.messages.library import Library
from modules.platform.rpc.errors import ModuleUnreachable
from modules.shipping.contract import Shipping
from tests.platform.grpc_calls.shelf import (
    Book,
    Empty,
    Genre,
    Grade,
    KeepBook,
    LadderGone,
    Page,
    Shelf,
    ShelfError,
    ShelfFull,
    shelf_library,
)
from tests.platform.grpc_calls.values import values

PORTS = (
    *(Accounts, Cart, Catalog, Inventory, Notification, Orders, Payment, Shipping),
    Shelf,
)
METHODS = [method for port in PORTS for method in methods_of(port).values()]
LIBRARY = shelf_library()
BOOK = Book(
    id=UUID(int=1),
    title="T",
    price=Money(amount=0, currency=""),
    genre=Genre.POETRY,
    grade=Grade.HIGH,
    weight=0.0,
    cover=b"",
    is_new=False,
    copies=0,
    printed=date(2026, 2, 28),
    added_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    first=Page(text=""),
    blank=Empty(),
    lent_at=None,
)


def named(name: str) -> MethodMessages:
    return MethodMessages(methods_of(Shelf)[name], LIBRARY)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_values_come_back_as_through_json(method: Method, data: st.DataObject) -> None:
    """Arguments and answers of every method of every port, with microseconds and offsets."""
    messages = MethodMessages(method, LIBRARY)
    arguments = {name: data.draw(values(hint), name) for name, hint in method.parameters.items()}
    answer = data.draw(values(method.returns), "answer")
    assert messages.unpack(messages.pack((), arguments)) == {
        name: decode(encode(value), method.parameters[name]) for name, value in arguments.items()
    }
    back = messages.unpack_answer(messages.pack_answer(answer))
    assert back == decode(encode(answer), method.returns)
    assert type(back) is type(answer)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
@settings(max_examples=5, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_the_quick_way_is_the_careful_one(method: Method, data: st.DataObject) -> None:
    """For whatever fits it is taken to its end, and gives the same bytes and the same values."""
    messages = MethodMessages(method, LIBRARY)
    arguments = {name: data.draw(values(hint), name) for name, hint in method.parameters.items()}
    answer = {} if method.returns is type(None) else {"value": data.draw(values(method.returns))}
    for both, fields in ((messages._takes, arguments), (messages._gives, answer)):
        quick, careful = both._message(), both._message()
        both._quick.fill_given(quick, fields)
        both._coder.fill_given(careful, fields)
        assert quick == careful
        assert both._quick.given(quick) == both._coder.given(careful)


@pytest.mark.parametrize(
    "changed",
    [
        {"shelf": None},
        {"shelf": "B"},
        {"mark": None},
        {"mark": ""},
        {"mark": 0},
        {"owner": False},
        {"owner": UUID(int=0)},
        {"genres": ()},
        {"lists": ()},
        {"lists": None},
        {"gaps": (None, 0, None)},
        {"grid": ((), (0,), ())},
        {"sizes": (("", None), ("x", Money(amount=1, currency="EUR")))},
        {"first": Page(text="", next=Page(text="", notes=(Page(text="n"),)))},
    ],
    ids=str,
)
def test_absent_none_and_empty_are_told_apart(changed: dict[str, Any]) -> None:
    """Where JSON tells them apart, so do messages: a default is not put in None's place."""
    book = dataclasses.replace(BOOK, **changed)
    keep = named("keep")
    assert keep.unpack_answer(keep.pack_answer(book)) == book


def test_an_argument_that_is_not_given_is_the_callees_to_fill_in() -> None:
    """A default stands with the implementation; None and () are something else."""
    books = named("books")
    assert books.unpack(books.pack((), {"ids": ()})) == {"ids": ()}
    given = {"ids": (), "shelf": None, "genres": ()}
    assert books.unpack(books.pack((), given)) == given


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((), {"titel": "x"}), (("x", "y"), {}), (("x",), {"title": "y"})],
)
def test_what_the_method_does_not_take_is_a_type_error(args: Any, kwargs: Any) -> None:
    """As in a local call."""
    with pytest.raises(TypeError, match=r"shelf\.find_first"):
        named("find_first").pack(args, kwargs)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"copies": 2**63}, r"command\.book\.copies"),
        ({"title": 7}, r"command\.book\.title"),
        ({"title": "\ud800"}, r"command\.book\.title"),
        ({"genre": "prose"}, r"command\.book\.genre"),
        ({"price": Money(amount="1", currency="EUR")}, r"command\.book\.price\.amount"),  # type: ignore[arg-type]
        ({"added_at": datetime(2026, 1, 1)}, r"command\.book\.added_at"),  # noqa: DTZ001
        ({"size": (1,)}, r"command\.book\.size"),
        ({"mark": 1.5}, r"command\.book\.mark"),
        ({"tags": "ab"}, r"command\.book\.tags"),
        ({"title": None}, r"command\.book\.title"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed: dict[str, Any], field: str) -> None:
    """Before anything is sent, and not cut down to what fits."""
    command = KeepBook(idempotency_key="k", book=dataclasses.replace(BOOK, **changed))
    with pytest.raises(CodecError, match=f"^{field} "):
        named("keep").pack((command,), {})


def spoiled(change: Any, library: Library = LIBRARY) -> bytes:
    """A request of ``keep`` with something wrong in its book."""
    message = library.message("ficus.shelf.v1.KeepRequest")()
    keep = MethodMessages(methods_of(Shelf)["keep"], library)
    message.ParseFromString(keep.pack((KeepBook(idempotency_key="k", book=BOOK),), {}))
    change(message)
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.command.book.ClearField("title"), r"command\.book\.title is missing"),
        (lambda m: m.command.ClearField("book"), r"command\.book is missing"),
        (lambda m: m.ClearField("command"), r"command is missing"),
        (lambda m: m.command.book.price.ClearField("amount"), r"book\.price\.amount is missing"),
        (lambda m: setattr(m.command.book, "genre", 99), r"book\.genre has 99"),
        (lambda m: setattr(m.command.book, "genre", 0), r"book\.genre has 0"),
        (lambda m: setattr(m.command.book, "id", b"x"), r"book\.id cannot be read"),
        (lambda m: setattr(m.command.book.printed, "month", 13), r"book\.printed cannot be read"),
        (lambda m: m.command.book.added_at.CopyFrom(Timestamp(nanos=-1)), r"added_at has -1 nano"),
        (lambda m: setattr(m.command.book.added_at, "seconds", 2**60), r"added_at cannot be read"),
        (lambda m: m.command.book.size.ClearField("item_2"), r"book\.size\.item_2 is missing"),
    ],
)
def test_what_is_wrong_in_a_message_is_named(change: Any, said: str) -> None:
    """A missing field, an unknown member of an enum, a day that is in no calendar."""
    change.__name__ = "change"
    library = LIBRARY

    def changed(message: Any) -> None:
        try:
            change(message)
        except TypeError:  # its own Timestamp is of another pool
            message.command.book.added_at.nanos = -1

    with pytest.raises(CodecError, match=said):
        named("keep").unpack(spoiled(changed, library))


def test_bytes_that_are_no_message_are_said_to_be_none() -> None:
    """Typed, with the method's name."""
    with pytest.raises(CodecError, match=r"shelf\.keep.*no message"):
        named("keep").unpack(b"\xff\xff\xff")


def test_an_argument_that_is_not_known_is_not_dropped() -> None:
    """It means something to the caller."""
    unknown = b"\xfa\x01\x01x"  # field 31, a text
    with pytest.raises(CodecError, match=r"shelf\.drop has no argument 31"):
        named("drop").unpack(unknown)


@pytest.mark.parametrize(
    "error",
    [
        ShelfFull(limit=Money(amount=3, currency="EUR"), held=("a", "b")),
        ShelfError(),
        LadderGone(since=datetime(2026, 1, 1, tzinfo=UTC)),
        Fenced(module="shelf", epoch=7),
        Unavailable(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_as_their_own_class(error: Any) -> None:
    """With their fields, code and sentence."""
    errors = Errors(LIBRARY)
    told, back = errors.unpack(errors.pack(error))
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert (told.code, told.retryable, told.detail) == (error.code, error.retryable, str(error))


def test_an_error_of_no_contract_crosses_as_the_nearest_that_is() -> None:
    """What the platform raises by itself is of its kind for others."""
    errors = Errors(LIBRARY)
    unreachable = ModuleUnreachable(module="shelf", method="shelf.keep")
    told, back = errors.unpack(errors.pack(unreachable))
    assert type(back) is Unavailable
    assert told.code == "rpc.unreachable"


@pytest.mark.parametrize(
    "name",
    [
        "ficus.nowhere.v1.Gone",
        "ficus.shelf.v1.Gone",
        "ficus.shelf.v1.Book",
        "os.system",
        "",
    ],
)
def test_an_error_that_is_of_no_contract_here_is_not_made(name: str) -> None:
    """Others name contract errors and nothing else."""
    errors = Errors(LIBRARY)
    message = LIBRARY.message("ficus.platform.v1.Raised")()
    message.ParseFromString(errors.pack(ShelfError()))
    message.type = name
    told, back = errors.unpack(message.SerializeToString())
    assert (told.type, back) == (name, None)
