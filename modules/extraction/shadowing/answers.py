"""Compares what both sides answer to a command that they are asked dry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from modules.extraction.shadowing.comparing import MOST, Found, NotComparable, compare_values
from modules.platform.hosting.dry import Answered


def compare_answers(monolith: Answered, service: Answered) -> tuple[Found, ...]:
    """What differs, at most ``MOST``. Raises NotComparable."""
    if found := different_codes(monolith, service):
        return found
    parts = (
        ("error", monolith.error, service.error),
        ("answer", monolith.answer, service.answer),
        ("rows", monolith.changes, service.changes),
    )
    return tuple(islice(differences(parts), MOST))


def different_codes(monolith: Answered, service: Answered) -> tuple[Found, ...]:
    """One has another error, or none: no more is said of it then. Raises NotComparable."""
    for answered, side in ((monolith, "monolith"), (service, "service")):
        if answered.why_not:
            raise NotComparable(f"{side}: {answered.why_not}"[:40])
    ours, theirs = (_code(one) for one in (monolith, service))
    if ours == theirs:
        return ()
    return (Found("error", f"{ours} -> {theirs}", "error", "", ours, theirs),)


def differences(parts: Iterable[tuple[str, Any, Any]]) -> Iterator[Found]:
    """All of them, each place with the name of its part before it."""
    for name, ours, theirs in parts:
        for one in compare_values(ours, theirs):
            place, exact = f"{name} {one.place}", f"{name} {one.exact}"
            yield Found(place, one.way, exact, one.member, one.monolith, one.service)


def _code(answered: Answered) -> str:
    return "none" if answered.error is None else str(answered.error.get("code"))
