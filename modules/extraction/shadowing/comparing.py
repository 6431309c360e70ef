"""Compares two answers: status, chosen headers, bodies as JSON by their structure. Pure.

A place is where in the answer: ``status``, ``header vary``, ``body $.items[].amount``. Positions in
a list are left out of it, so that one fault in a hundred rows is one fault; ``exact`` has them. One
fault must not be told as ten: another status is all that is said of the pair.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from modules.extraction.shadowing.recordings import Answer

HEADERS = (
    *("content-type", "cache-control", "vary", "location", "link", "allow", "retry-after"),
    *("content-language", "content-disposition", "www-authenticate", "deprecation", "sunset"),
)
_LISTS = frozenset({"vary", "allow"})  # their order and case say nothing
_NAMES = ("id", "key", "code", "name")  # what an element of a list may be known by
MOST = 20  # differences of one pair; more would say nothing new
DEEPEST = 60  # levels of JSON; deeper is not looked at
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Found:
    """One difference. ``member`` is the name of the nearest member: personal or not."""

    place: str
    way: str
    exact: str
    member: str
    monolith: Any
    service: Any


class NotComparable(Exception):
    """The message is why, in a few words that are always the same."""


def compare(monolith: Answer, service: Answer) -> tuple[Found, ...]:
    """What differs, at most ``MOST``. Raises NotComparable."""
    _check(monolith, service)
    if monolith.status != service.status:
        way = f"{monolith.status} -> {service.status}"
        return (Found("status", way, "status", "status", monolith.status, service.status),)
    found = [*_headers(monolith, service), *_bodies(monolith, service)]
    return tuple(found[:MOST])


def compare_values(monolith: Any, service: Any, place: str = "$") -> Iterator[Found]:
    """Two values as ``json`` makes them."""
    yield from _values(monolith, service, place, place, "", 0)


def _check(monolith: Answer, service: Answer) -> None:
    for answer, side in ((monolith, "monolith"), (service, "service")):
        if answer.failure is not None or answer.status is None:
            raise NotComparable(f"{side}: {answer.failure or 'no answer'}"[:40])
    kind = (monolith.header("content-type") or "").lower()
    if kind.startswith("text/html"):
        raise NotComparable("a page for people")


def _headers(monolith: Answer, service: Answer) -> Iterator[Found]:
    for name in HEADERS:
        left, right = monolith.header(name), service.header(name)
        if _header(name, left) == _header(name, right):
            continue
        place = f"header {name}"
        way = "added" if left is None else "missing" if right is None else "value"
        yield Found(place, way, place, name, _or_absent(left), _or_absent(right))


def _header(name: str, value: str | None) -> object:
    if value is not None and name in _LISTS:
        return frozenset(part.strip().lower() for part in value.split(","))
    return value


def _or_absent(value: str | None) -> object:
    return ABSENT if value is None else value


def _bodies(monolith: Answer, service: Answer) -> Iterator[Found]:
    left, right = monolith.body, service.body
    if left is None or right is None:
        if left is not right:
            way = "added" if left is None else "missing"
            sizes = (one.bytes if one else 0 for one in (left, right))
            yield Found("body", way, "body", "", *(f"{size} bytes" for size in sizes))
        return
    if left.digest == right.digest or (left.text is not None and left == right):
        return
    if left.cut or right.cut:
        raise NotComparable("longer than what is recorded")
    ones, others = _parsed(left.text), _parsed(right.text)
    if ones is ABSENT or others is ABSENT:
        if left.text is None or left.text != right.text:
            yield _unparsed(left.bytes, right.bytes, ones is ABSENT, others is ABSENT)
        return
    for one in compare_values(ones, others):
        yield Found(
            f"body {one.place}", one.way, f"body {one.exact}", one.member, one.monolith, one.service
        )


def _unparsed(left: int, right: int, is_left: bool, is_right: bool) -> Found:
    """One or both are not JSON: that they differ, not what they say."""
    way = "value" if is_left and is_right else "type"
    kinds = ("no JSON" if strange else "JSON" for strange in (is_left, is_right))
    told = [f"{kind}, {size} bytes" for kind, size in zip(kinds, (left, right), strict=True)]
    return Found("body", way, "body", "", *told)


def _parsed(text: str | None) -> Any:
    if text is None:
        return ABSENT
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ABSENT


def _values(
    left: Any, right: Any, place: str, exact: str, member: str, depth: int
) -> Iterator[Found]:
    if depth > DEEPEST:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        yield from _objects(left, right, place, exact, depth)
    elif isinstance(left, list) and isinstance(right, list):
        yield from _lists(left, right, place, exact, member, depth)
    elif type(left) is not type(right):
        yield Found(place, "type", exact, member, left, right)
    elif left != right:
        yield Found(place, _way(left, right), exact, member, left, right)


def _objects(
    left: Mapping[str, Any], right: Mapping[str, Any], place: str, exact: str, depth: int
) -> Iterator[Found]:
    for name in [*left, *(name for name in right if name not in left)]:
        at, there = f"{place}.{name}", f"{exact}.{name}"
        if name not in right:
            yield Found(at, "missing", there, name, left[name], ABSENT)
        elif name not in left:
            yield Found(at, "added", there, name, ABSENT, right[name])
        else:
            yield from _values(left[name], right[name], at, there, name, depth + 1)


def _lists(
    left: list[Any], right: list[Any], place: str, exact: str, member: str, depth: int
) -> Iterator[Found]:
    """By what names the elements, else by position; lists of other lengths by what both have."""
    at = f"{place}[]"
    name = _name_of(left, right)
    if name is not None:
        yield from _named(left, right, name, at, exact, depth)
    elif len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _values(one, other, at, f"{exact}[{index}]", member, depth + 1)
    else:
        here, there = Counter(map(_canonical, left)), Counter(map(_canonical, right))
        for text in (here - there).elements():
            yield Found(at, "missing", at, member, json.loads(text), ABSENT)
        for text in (there - here).elements():
            yield Found(at, "added", at, member, ABSENT, json.loads(text))


def _named(
    left: list[Any], right: list[Any], name: str, at: str, exact: str, depth: int
) -> Iterator[Found]:
    here, there = ({one[name]: one for one in side} for side in (left, right))
    for index, (key, one) in enumerate(here.items()):
        if key in there:
            yield from _values(one, there[key], at, f"{exact}[{index}]", "", depth + 1)
        else:
            yield Found(at, "missing", f"{exact}[{index}]", name, one, ABSENT)
    for index, (key, one) in enumerate(there.items()):
        if key not in here:
            yield Found(at, "added", f"{exact}[{index}]", name, ABSENT, one)
    ours = [key for key in here if key in there]
    theirs = [key for key in there if key in here]
    if ours != theirs:
        yield Found(at, "order", exact, name, ours, theirs)


def _name_of(left: list[Any], right: list[Any]) -> str | None:
    """A member that all elements of both have, and no two of one list the same value of."""
    elements = [*left, *right]
    if not elements or not all(isinstance(one, dict) for one in elements):
        return None
    for name in _NAMES:
        if all(isinstance(one.get(name), str | int) for one in elements) and all(
            len({one[name] for one in side}) == len(side) for side in (left, right)
        ):
            return name
    return None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _way(left: Any, right: Any) -> str:
    """``spelling``: the same moment or number, written in another way."""
    if isinstance(left, str):
        for read in (moment_of, _number):
            one = read(left)
            if one is not None and one == read(right):
                return "spelling"
    return "value"


def moment_of(text: str) -> datetime | None:
    """The moment that a text says; None for other texts, and for one without a zone."""
    if len(text) < len("2026-11-20T00:00") or text[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None  # without a zone it is no moment


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
