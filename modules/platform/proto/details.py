"""Messages of the platform's own: a calendar day, and what an error's trailing metadata says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Date:
    """A day of the calendar, without a time zone. ``month`` and ``day`` count from 1."""

    year: int
    month: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An error of a contract. ``type`` is its message's full name, ``fields`` that message."""

    type: str
    code: str
    retryable: bool
    fields: bytes
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The call was not begun. ``reason`` is a stable word, ``detail`` a sentence."""

    reason: str
    detail: str
