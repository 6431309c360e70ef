"""A contract to take snapshots of, as a module would write it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from modules.platform.contracts import Command, Conflict, ContractError, Event, Money


class Binding(StrEnum):
    """An enum that others read."""

    PAPER = "paper"
    CLOTH = "cloth"


class Wish(StrEnum):
    """An enum that is only ever sent to the module."""

    SOON = "soon"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A type with a nested one, a tuple and an optional."""

    id: UUID
    price: Money
    bindings: tuple[Binding, ...]
    sequel: Book | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LendBook(Command):
    """A command."""

    book_id: UUID
    wish: Wish
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLent(Event):
    """An event."""

    KEY = "book_id"
    book_id: UUID
    at: datetime


class ShelfError(ContractError):
    """Root."""

    code = "shelf.error"


@dataclass(kw_only=True, eq=False)
class BookMissing(ShelfError, Conflict):
    """A leaf."""

    code = "shelf.missing"
    book_id: UUID


class Shelf(Protocol):
    """A port."""

    def lend(self, command: LendBook) -> Book: ...

    def books(self, *, ids: tuple[UUID, ...], limit: int = 10) -> tuple[Book, ...]: ...


CLASSES = (Binding, Wish, Book, LendBook, BookLent, ShelfError, BookMissing, Shelf)
