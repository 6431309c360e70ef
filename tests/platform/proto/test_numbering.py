"""Numbers of fields: kept for ever, given once."""

from __future__ import annotations

import dataclasses
from enum import Enum, StrEnum
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modules.platform.proto.files import text_of
from modules.platform.proto.numbering import read
from modules.platform.proto.reading import enumeration
from modules.platform.proto.shapes import Field, File, Form, Message, Slot, Sort, Value

TYPES = {"string": str, "int64": int, "bool": bool}


def slot(name: str, type: str = "string") -> Slot:
    value = Value(sort=Sort.SCALAR, type=type, hint=TYPES[type], word="x")
    return Slot(name=name, form=Form.ONE, values=(value,))


def file(*slots: Slot, enums: tuple[type[Enum], ...] = ()) -> File:
    """A contract of one message."""
    message = Message(name="Note", slots=slots)
    return File(
        module="desk",
        path="desk.proto",
        package="ficus.desk.v1",
        messages=(message,),
        enums=tuple(enumeration(one) for one in enums),
    )


def numbers(text: str) -> dict[str, int]:
    return {name: number for name, (_, number) in read(text)["Note"].taken.items()}


def test_a_new_field_takes_the_next_number_wherever_it_stands() -> None:
    """The others keep theirs."""
    before = text_of(file(slot("a"), slot("b")))
    after = text_of(file(slot("new"), slot("b"), slot("a")), before)
    assert numbers(before) == {"a": 1, "b": 2}
    assert numbers(after) == {"a": 1, "b": 2, "new": 3}


def test_what_is_gone_is_reserved_and_never_given_again() -> None:
    """Number and name; when the name comes back it is another field."""
    first = text_of(file(slot("a"), slot("b"), slot("c")))
    without = text_of(file(slot("a")), first)
    assert "  reserved 2, 3;\n" in without
    assert '  reserved "b", "c";\n' in without
    back = text_of(file(slot("a"), slot("c")), without)
    assert numbers(back) == {"a": 1, "c": 4}
    assert "  reserved 2, 3;\n" in back
    assert '  reserved "b";\n' in back


def test_another_type_is_another_field() -> None:
    """An old reader would take the bytes for something else."""
    before = text_of(file(slot("a"), slot("b")))
    after = text_of(file(slot("a", "int64"), slot("b")), before)
    assert numbers(after) == {"a": 3, "b": 2}
    assert "  reserved 1;\n" in after
    assert 'reserved "' not in after


def test_many_is_another_type_than_one() -> None:
    """So is a list of the same."""
    one = slot("a")
    before = text_of(file(one))
    after = text_of(file(dataclasses.replace(one, form=Form.MANY, collection=tuple)), before)
    assert numbers(after) == {"a": 2}


def test_members_of_enums_keep_their_numbers() -> None:
    """By the text that others know them by; zero says nothing."""

    class Old(StrEnum):
        A = "a"
        B = "b"

    class New(StrEnum):
        C = "c"
        RENAMED = "b"

    Old.__name__ = New.__name__ = "State"
    before = text_of(file(enums=(Old,)))
    after = text_of(file(enums=(New,)), before)
    taken = {name: number for name, (_, number) in read(after)["State"].taken.items()}
    assert taken == {"STATE_UNSPECIFIED": 0, "STATE_B": 2, "STATE_C": 3}
    assert '  reserved 1;\n  reserved "STATE_A";\n' in after


def test_the_numbers_of_the_protocol_itself_are_left_out() -> None:
    """19000 to 19999."""
    before = text_of(file(slot("a"))).replace("a = 1;", "a = 18999;")
    assert numbers(text_of(file(slot("a"), slot("b")), before)) == {"a": 18_999, "b": 20_000}


FIELDS = st.dictionaries(
    st.sampled_from("abcdef"), st.sampled_from(sorted(TYPES)), min_size=0, max_size=6
)


@given(versions=st.lists(FIELDS, min_size=1, max_size=6))
def test_over_any_history_a_number_is_one_field(versions: list[dict[str, str]]) -> None:
    """Never two names or types under one number; what stays keeps its number; text is stable."""
    text = ""
    meant: dict[int, Any] = {}
    before: dict[str, Field] = {}
    for version in versions:
        one = file(*(slot(name, type) for name, type in version.items()))
        written = text_of(one, text)
        assert text_of(one, written) == written
        taken = read(written)["Note"].taken
        assert taken.keys() == version.keys()
        for name, (type, number) in taken.items():
            assert meant.setdefault(number, (name, type)) == (name, type)
            if name in before and before[name].type == type:
                assert read(text)["Note"].taken[name] == (type, number)
        gone = meant.keys() - {number for _, number in taken.values()}
        assert gone == read(written)["Note"].gone
        before = {field.name: field for field in one.messages[0].fields}
        text = written
