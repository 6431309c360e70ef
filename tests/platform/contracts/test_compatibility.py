"""Which changes of a contract break somebody, and which do not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from modules.platform.contracts.compatibility import Breach, breaches
from modules.platform.contracts.schema import dump, load, snapshot_of
from tests.platform.contracts.shelf import CLASSES

Change = Callable[[dict[str, Any]], object]


def _breaches(
    change: Change, *, upcasts: bool = False, before: Change | None = None
) -> tuple[Breach, ...]:
    """What ``change`` breaks; ``before`` prepares what it changes."""
    old = json.loads(dump(snapshot_of("shelf", CLASSES)))
    if before:
        before(old)
    new = json.loads(json.dumps(old))
    change(new)
    return breaches(load(json.dumps(old)), load(json.dumps(new)), can_upcast=lambda *_: upcasts)


BREAKING: dict[str, tuple[Change, str, str]] = {
    "port renamed": (lambda s: s.update(port="Rack"), "port.Shelf", "now named 'Rack'"),
    "method removed": (lambda s: s["methods"].pop("books"), "methods.books", "taken out"),
    "method returns another type": (
        lambda s: s["methods"]["lend"].update(returns="null"),
        "methods.lend",
        "it returned Book and returns null",
    ),
    "parameter removed": (
        lambda s: s["methods"]["books"]["parameters"].pop("limit"),
        "methods.books.limit",
        "taken out",
    ),
    "parameter added without default": (
        lambda s: s["methods"]["books"]["parameters"].update(page="integer"),
        "methods.books.page",
        "new and required",
    ),
    "parameter became keyword-only": (
        lambda s: s["methods"]["lend"]["parameters"].update(command="LendBook"),
        "methods.lend.command",
        "keyword-only now",
    ),
    "command removed": (lambda s: s["commands"].pop("LendBook"), "commands.LendBook", "taken out"),
    "required field in a command": (
        lambda s: s["commands"]["LendBook"].update(days="integer"),
        "commands.LendBook.days",
        "days is new and required",
    ),
    "default taken away": (
        lambda s: s["commands"]["LendBook"].update(tags="set<string>"),
        "commands.LendBook.tags",
        "it had a default and is required now",
    ),
    "field renamed": (
        lambda s: s["types"]["Book"].update(cost=s["types"]["Book"].pop("price") + ", optional"),
        "types.Book.price",
        "price was taken out or renamed",
    ),
    "field of another type": (
        lambda s: s["types"]["Money"].update(amount="number"),
        "types.Money.amount",
        "its type was integer and is number",
    ),
    "field may be null now": (
        lambda s: s["types"]["Book"].update(price="Money | null"),
        "types.Book.price",
        "is Money | null",
    ),
    "type removed": (lambda s: s["types"].pop("Book"), "types.Book", "taken out"),
    "enum value removed": (
        lambda s: s["enums"].update(Wish=["soon"]),
        "enums.Wish",
        "the value 'later' was taken out",
    ),
    "enum value that old readers refuse": (
        lambda s: s["enums"]["Binding"].append("ebook"),
        "enums.Binding",
        "'ebook' is new, and readers of the old contract refuse it",
    ),
    "error removed": (lambda s: s["errors"].pop("BookMissing"), "errors.BookMissing", "taken out"),
    "error code changed": (
        lambda s: s["errors"]["BookMissing"].update(code="shelf.gone"),
        "errors.BookMissing",
        "its code was shelf.missing and is shelf.gone",
    ),
    "error became retryable": (
        lambda s: s["errors"]["BookMissing"].update(retryable=True),
        "errors.BookMissing",
        "its retryable was False and is True",
    ),
    "error of another kind": (
        lambda s: s["errors"]["BookMissing"].update(kind="NotFound"),
        "errors.BookMissing",
        "its kind was Conflict and is NotFound",
    ),
    "event removed": (lambda s: s["events"].pop("BookLent"), "events.BookLent", "taken out"),
    "event of another key": (
        lambda s: s["events"]["BookLent"].update(key="reader_id"),
        "events.BookLent",
        "its KEY was book_id and is reader_id",
    ),
    "required field in an event": (
        lambda s: s["events"]["BookLent"]["fields"].update(days="integer"),
        "events.BookLent.days",
        "days is new and required",
    ),
    "new version without upcast": (
        lambda s: s["events"]["BookLent"].update(version=2),
        "events.BookLent",
        "version 2 has no upcast from version 1",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_breaking_change_is_told_with_fact_place_and_way_out(name: str) -> None:
    """One breach for one change, and it says where."""
    change, place, fact = BREAKING[name]

    (found,) = _breaches(change)

    assert found.place == f"shelf: {place}"
    assert fact in found.fact
    assert found.way_out


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda s: None,
    "a method": lambda s: s["methods"].update(shelve={"parameters": {}, "returns": "null"}),
    "an optional parameter": lambda s: s["methods"]["books"]["parameters"].update(
        page="integer, optional"
    ),
    "an optional field of a command": lambda s: s["commands"]["LendBook"].update(
        days="integer, optional"
    ),
    "an optional field of a type": lambda s: s["types"]["Book"].update(isbn="string, optional"),
    "an optional field of an event": lambda s: s["events"]["BookLent"]["fields"].update(
        days="integer, optional"
    ),
    "a default for what was required": lambda s: s["commands"]["LendBook"].update(
        wish="Wish, optional"
    ),
    "a command, an event, a type and an error": lambda s: (
        s["commands"].update(BurnBook={"idempotency_key": "string"}),
        s["events"].update(BookBurnt={"version": 1, "key": "id", "fields": {"id": "uuid"}}),
        s["types"].update(Ash={"grams": "integer"}),
        s["errors"].update(
            TooWet={"code": "shelf.wet", "retryable": True, "kind": "Conflict", "fields": {}}
        ),
    ),
    "an enum value that only the module reads": lambda s: s["enums"]["Wish"].append("never"),
    "passing by position": lambda s: s["methods"]["books"]["parameters"].update(
        ids="array<uuid>, positional"
    ),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_additive_change_is_compatible(name: str) -> None:
    """What has a default, or nobody has to read, may be added."""
    assert _breaches(COMPATIBLE[name]) == ()


def _second_version(fields: dict[str, str]) -> Change:
    return lambda s: s["events"]["BookLent"].update(version=2, fields=fields)


def test_new_version_of_an_event_may_change_it_when_old_ones_can_be_upcast() -> None:
    """That is what versions are for."""
    assert _breaches(_second_version({"book": "string"}), upcasts=True) == ()


def test_same_version_of_an_event_may_not_change_it_even_with_upcasts() -> None:
    """An upcast is chosen by version: without a new one it never runs."""
    (found,) = _breaches(
        lambda s: s["events"]["BookLent"]["fields"].update(at="string"), upcasts=True
    )

    assert "raise VERSION and register an upcast" in found.way_out


def test_version_may_not_fall() -> None:
    """Events of the higher version lie in outboxes."""
    (found,) = _breaches(
        lambda s: s["events"]["BookLent"].update(version=1),
        before=lambda s: s["events"]["BookLent"].update(version=2),
        upcasts=True,
    )

    assert found.fact == "its version fell from 2 to 1"


def test_the_upcast_asked_for_is_the_events() -> None:
    """The chain is looked up by the event's type and both versions."""
    old = snapshot_of("shelf", CLASSES)
    event = dataclasses.replace(old.events["BookLent"], version=3)
    new = dataclasses.replace(old, events={"BookLent": event})
    asked = []

    breaches(old, new, can_upcast=lambda *chain: bool(asked.append(chain)))

    assert asked == [("shelf.book_lent", 1, 3)]
