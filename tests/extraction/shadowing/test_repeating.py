"""How two first times are compared: rows by what became of them, times by how far they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from modules.extraction.protocol.recording import Recorded
from modules.extraction.shadowing.comparing import NotComparable
from modules.extraction.shadowing.repeating import _before, _read, compare_first_times
from modules.platform.hosting.dry import Answered, Written
from modules.platform.outside import Exchange

THEN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = THEN + timedelta(seconds=90)


def done(began: datetime, *rows: Written, **more: Any) -> Answered:
    """What a side did, in 20 ms."""
    return Answered(rows=list(rows), began=began, took=0.02, **more)


def payment(at: datetime, **row: Any) -> Written:
    """A payment that was not there before."""
    return Written(table="payment", key="p1", row={"id": "p1", "at": at.isoformat(), **row})


def found(ours: Answered, theirs: Answered) -> list[tuple[str, str]]:
    """Where they differ, and how."""
    return [(one.place, one.way) for one in compare_first_times(ours, theirs)]


def test_times_are_as_far_from_the_beginning() -> None:
    """A lease of 15 s is one, whenever it began; one of 15.5 s is another."""
    lease = timedelta(seconds=15)
    ours = done(THEN, payment(THEN + lease))
    assert found(ours, done(LATER, payment(LATER + lease + timedelta(milliseconds=100)))) == []
    other = done(LATER, payment(LATER + lease + timedelta(milliseconds=500)))
    assert found(ours, other) == [("rows $.payment I[].at", "value")]
    slow = replace(ours, took=0.5)  # its provider took so long
    assert found(slow, other) == []


def test_a_moment_that_was_there_before_is_no_time_of_the_command() -> None:
    """The same moment on both sides, in a row that both have changed, is the same."""
    old = Written(table="payment", key="p1", before="(x)", row={"id": "p1", "at": THEN.isoformat()})
    assert found(done(THEN, old), done(LATER, old)) == []


def test_rows_are_compared_as_they_are_in_the_end() -> None:
    """How often a row was written on the way there does not matter; what came and went is none."""
    made, changed = payment(THEN, state="new"), payment(THEN, state="paid")
    changed = replace(changed, before="(new)")
    gone = Written(table="payment", key="p2", before="(x)")
    came = Written(table="payment", key="p2", row={"id": "p2"})
    one = done(THEN, made, changed, came, gone)
    assert found(one, done(THEN, payment(THEN, state="paid"))) == []
    assert found(one, done(THEN, made)) == [("rows $.payment I[].state", "value")]
    assert found(one, done(THEN)) == [("rows $.payment I", "missing")]
    assert found(done(THEN, gone), done(THEN)) == [("rows $.payment D", "missing")]


def test_numbers_that_a_sequence_draws_may_differ() -> None:
    """Each side has its own; any other number is a value."""
    ours, theirs = (
        Written(table="outbox", key=str(key), row={"id": key, "count": count})
        for key, count in ((7, 7), (1007, 8))
    )
    assert found(done(THEN, ours), done(THEN, theirs)) == [("rows $.outbox I[].count", "value")]


def test_whom_they_ask_and_what_they_answer() -> None:
    """Another amount, one more question, and another error each have their place."""
    asked = Exchange(asked="standin.capture", of={"amount": 5})
    one = done(THEN, asked=[asked], answer={"ok": True})
    other = done(THEN, asked=[replace(asked, of={"amount": 6})], answer={"ok": True})
    assert found(one, other) == [("asked $[].amount", "value")]
    assert found(one, done(THEN, asked=[asked, asked], answer={"ok": True})) == [
        ("asked $[]", "added")
    ]
    error = done(THEN, error={"code": "payment.declined"})
    assert found(one, error) == [("error", "none -> payment.declined")]
    with pytest.raises(NotComparable, match="service: it breaks off"):
        found(one, Answered(why_not="it breaks off: IntegrityError"))


def test_rows_that_others_wrote_in_between_are_not_compared() -> None:
    """The state before is known only while each change begins where the last one ended."""

    def change(before: str | None, after: str | None) -> Recorded:
        return Recorded(tab=1, table="payment", key="p1", before=before, after=after, row=None)

    (put_back,) = _before([change(None, "(a)"), change("(a)", "(b)"), change("(b)", None)]).values()
    assert (put_back.before, put_back.after) == (None, "(b)")
    with pytest.raises(NotComparable, match="others wrote the same rows"):
        _before([change(None, "(a)"), change("(x)", "(b)")])


def test_what_another_version_wrote_down_is_not_compared() -> None:
    """It is counted as that, and the rest is."""
    with pytest.raises(NotComparable, match="another version"):
        _read('{"command": 7}')
