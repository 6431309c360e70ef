"""Contract types as shapes, and what proto3 cannot hold."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, make_dataclass
from enum import Enum, StrEnum
from typing import Any

import pytest

from modules.platform.proto import NoProto
from modules.platform.proto.reading import Reader

HERE = "modules.desk.contract.types"


def contract(cls: Any) -> Any:
    """As if it stood in a contract."""
    cls.__module__ = HERE
    return cls


@pytest.fixture(autouse=True)
def in_a_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def shape_of(**fields: Any) -> Reader:
    """The reader of a type ``Note`` with these fields: a type, or a type and a default."""
    made = [
        (name, given[0], field(default=given[1])) if isinstance(given, tuple) else (name, given)
        for name, given in fields.items()
    ]
    reader = Reader(module="desk")
    reader.message_of(contract(make_dataclass("Note", made, frozen=True, kw_only=True)))
    return reader


@contract
class Colour(StrEnum):
    RED = "red"


@contract
@dataclass(frozen=True, kw_only=True)
class NoteGridList:
    """Has the name that a list in a list would get."""

    x: int


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n": (int, 2**63)}, r"Note\.n: its default 9223372036854775808 does not fit"),
        ({"n": (int, -(2**63) - 1)}, r"does not fit into 64 bits"),
        ({"n": complex}, r"Note\.n: .*complex.* has no form in proto3"),
        ({"n": dict[str, int]}, r"Note\.n: .* has no form in proto3"),
        ({"Upper": int}, r"Note\.Upper: a field's name"),
        ({"_private": int}, r"a field's name"),
        ({"a": int | str, "a_text": str}, r"Note: two of its fields would be named a_text"),
        ({"a": tuple[int, ...] | tuple[str, ...]}, r"NoteAList: two messages would"),
        ({"one": NoteGridList, "grid": tuple[tuple[int, ...], ...]}, r"two messages would"),
    ],
)
def test_what_proto3_cannot_hold_is_refused(fields: dict[str, Any], said: str) -> None:
    """When it is generated, with the place: never cut down when it is sent."""
    with pytest.raises(NoProto, match=said):
        shape_of(**fields)


def test_two_types_of_one_name_are_refused() -> None:
    """They would be one message."""
    other = contract(make_dataclass("Colour", [("x", int)], frozen=True, kw_only=True))
    with pytest.raises(NoProto, match="one"):
        shape_of(a=Colour, b=other)


def test_a_type_outside_of_any_contract_is_refused() -> None:
    """Nobody else could read it."""
    stranger = make_dataclass("Stranger", [("x", int)], frozen=True, kw_only=True)
    stranger.__module__ = "somewhere.else"
    with pytest.raises(NoProto, match="Stranger"):
        shape_of(a=stranger)


@pytest.mark.parametrize(
    "values",
    [{"A": "a-b", "B": "a.b"}, {"A": "unspecified"}, {"A": "a."}, {"A": "日"}],
    ids=str,
)
def test_members_whose_names_would_clash_are_refused(values: dict[str, str]) -> None:
    """One value of proto3 may not be two members, nor its zero one of them."""
    with pytest.raises(NoProto, match="is taken, or no name"):
        shape_of(a=contract(Enum("Shade", values)))


def test_a_member_beyond_64_bits_is_refused() -> None:
    """The other transport could not say it either."""
    with pytest.raises(NoProto, match=r"Size\.HUGE: .* more than 64 bits"):
        shape_of(a=contract(Enum("Size", {"HUGE": 2**63})))
