"""A contract with every kind of type that a contract may have, as if it were a module's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Protocol
from uuid import UUID

from modules.platform.contracts import (
    Command,
    Conflict,
    ContractError,
    Money,
    Unavailable,
)
from modules.platform.grpc_calls.messages.library import Library, committed
from modules.platform.proto.files import file_from, file_of, text_of
from modules.platform.proto.shapes import File
from tests.platform.rpc.planned import Planned


class Genre(StrEnum):
    """Text."""

    NOVEL = "novel"
    POETRY = "poetry.long"


class Grade(Enum):
    """Numbers."""

    LOW = -(2**63)
    HIGH = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Holds itself."""

    text: str
    notes: tuple[Page, ...] = ()
    next: Page | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One field of each kind."""

    id: UUID
    title: str
    price: Money
    genre: Genre
    grade: Grade
    weight: float
    cover: bytes
    is_new: bool
    copies: int
    printed: date
    added_at: datetime
    first: Page
    blank: Empty
    lent_at: datetime | None
    old_price: Money | None = None
    shelf: str | None = "A"  # None and the default are two things
    mark: int | str | None = None
    owner: UUID | bool = False
    tags: frozenset[str] = frozenset()
    genres: tuple[Genre, ...] = (Genre.NOVEL,)  # empty and the default are two things
    grid: tuple[tuple[int, ...], ...] = ()
    size: tuple[int, float] = (1, 2.0)
    sizes: tuple[tuple[str, Money | None], ...] = ()
    gaps: tuple[int | None, ...] = ()
    lists: tuple[str, ...] | None = None
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepBook(Command):
    """Keep one."""

    book: Book


class ShelfError(ContractError):
    """Root, without fields."""

    code = "shelf.error"


@dataclass(kw_only=True, eq=False)
class ShelfFull(ShelfError, Conflict):
    """Its fields come back."""

    code = "shelf.full"
    limit: Money
    held: tuple[str, ...]


@dataclass(kw_only=True, eq=False)
class LadderGone(ShelfError, Unavailable):
    """The module's own retryable error."""

    code = "shelf.ladder_gone"
    since: datetime


class Shelf(Protocol):
    """The port."""

    def keep(self, command: KeepBook) -> Book: ...

    def books(
        self,
        *,
        ids: tuple[UUID, ...],
        limit: int = 10,
        shelf: str | None = None,
        genres: tuple[Genre, ...] = (),
    ) -> tuple[Book, ...]: ...

    def find_first(self, *, title: str) -> Book | None: ...

    def drop(self, *, titles: frozenset[str]) -> None: ...


CLASSES: tuple[type, ...] = (Genre, Grade, Page, Empty, Book, KeepBook)
ERRORS: tuple[type, ...] = (ShelfError, ShelfFull, LadderGone)
# Only what stands in a contract is written, so this stands in one.
sys.modules["modules.shelf.contract.types"] = sys.modules[__name__]
for _class in (*CLASSES, *ERRORS, Shelf):
    _class.__module__ = "modules.shelf.contract.types"


def shelf_file() -> File:
    return file_from("shelf", (*CLASSES, *ERRORS, Shelf))


def shelf_library() -> Library:
    """The real contracts and this one."""

    def files(module: str) -> File:
        return shelf_file() if module == "shelf" else file_of(module)

    def texts(module: str) -> str:
        return text_of(shelf_file()) if module == "shelf" else committed(module)

    return Library(files=files, texts=texts)


class Librarian(Planned):
    """Answers the port, as planned."""

    def keep(self, command: KeepBook) -> Book:
        self._begin(command)
        return command.book

    def books(self, **given: object) -> tuple[Book, ...]:
        self._begin(given)
        return ()

    def find_first(self, *, title: str) -> Book | None:
        self._begin(title)
        return None

    def drop(self, *, titles: frozenset[str]) -> None:
        self._begin(titles)
