"""Values of any contract type, for Hypothesis."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

_ZONES = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3))]
)
# A day off the ends, so that other zones have them too.
_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - zones are drawn
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),  # JSON has neither
    bytes: st.binary(max_size=12),
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes(_FIRST, _LAST, timezones=_ZONES),
    type(None): st.none(),
}


def values(hint: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of ``hint``; what holds itself ends after three levels."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if depth > 3 and type(None) in arguments:
            return st.none()
        return st.one_of([values(one, depth + 1) for one in arguments])
    if origin is frozenset:
        return st.frozensets(values(arguments[0], depth + 1), max_size=2)
    if origin is tuple and arguments[-1] is Ellipsis:
        if depth > 3:
            return st.just(())
        return st.lists(values(arguments[0], depth + 1), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*[values(one, depth + 1) for one in arguments])
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    return _dataclasses(hint, depth)


def _dataclasses(cls: Any, depth: int) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    names = [one.name for one in dataclasses.fields(cls)]
    return st.builds(cls, **{name: values(hints[name], depth + 1) for name in names})
