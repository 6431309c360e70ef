"""Snapshots: complete, stable, and read back as they were written."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest

from modules.platform.contracts.schema import FieldShape, dump, load, snapshot_of
from tests.platform.contracts.shelf import CLASSES


def test_snapshot_has_all_that_others_rely_on() -> None:
    """Every section is there; types that are only reachable, also the platform's, are too."""
    assert json.loads(dump(snapshot_of("shelf", CLASSES))) == {
        "module": "shelf",
        "port": "Shelf",
        "methods": {
            "lend": {"parameters": {"command": "LendBook, positional"}, "returns": "Book"},
            "books": {
                "parameters": {"ids": "array<uuid>", "limit": "integer, optional"},
                "returns": "array<Book>",
            },
        },
        "commands": {
            "LendBook": {
                "idempotency_key": "string",
                "book_id": "uuid",
                "wish": "Wish",
                "tags": "set<string>, optional",
            }
        },
        "events": {
            "BookLent": {
                "version": 1,
                "key": "book_id",
                "fields": {"book_id": "uuid", "at": "datetime"},
            }
        },
        "errors": {
            "ShelfError": {
                "code": "shelf.error",
                "retryable": False,
                "kind": "ContractError",
                "fields": {},
            },
            "BookMissing": {
                "code": "shelf.missing",
                "retryable": False,
                "kind": "Conflict",
                "fields": {"book_id": "uuid"},
            },
        },
        "types": {
            "Book": {
                "id": "uuid",
                "price": "Money",
                "bindings": "array<Binding>",
                "sequel": "Book | null, optional",
            },
            "Money": {"amount": "integer", "currency": "string"},
        },
        "enums": {"Binding": ["cloth", "paper"], "Wish": ["later", "soon"]},
    }


def test_snapshot_does_not_depend_on_the_order_of_declaration() -> None:
    """Moving a class is no change of the contract."""
    shuffled = list(CLASSES)
    random.Random(7).shuffle(shuffled)

    assert dump(snapshot_of("shelf", shuffled)) == dump(snapshot_of("shelf", CLASSES))


def test_what_is_written_is_read_back() -> None:
    """load() is the reverse of dump()."""
    one = snapshot_of("shelf", CLASSES)

    assert load(dump(one)) == one


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("positional", [True, False])
@pytest.mark.parametrize("type_text", ["uuid", "tuple<integer, string>"])
def test_field_is_one_text(type_text: str, required: bool, positional: bool) -> None:
    """Types with commas in them do not confuse it."""
    shape = FieldShape(type=type_text, required=required, positional=positional)

    assert FieldShape.read(str(shape)) == shape


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"module": "shelf", "port": "", "methods": 3}'])
def test_text_that_is_no_snapshot(text: str) -> None:
    """It is told in one sentence, whatever is wrong with it."""
    with pytest.raises(ValueError, match="this is no contract snapshot"):
        load(text)


def test_type_that_no_contract_may_have() -> None:
    """A list is mutable: it must not get into a snapshot unnoticed."""

    @dataclass(frozen=True, kw_only=True)
    class Basket:
        lines: list[int]

    with pytest.raises(TypeError, match="list"):
        snapshot_of("shelf", [Basket])
