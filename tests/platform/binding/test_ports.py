"""What may stand in a port: checked when it is bound, with a message that names the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import pytest

from modules.platform.binding import NotAPort, NotBound, bind, methods_of, use
from tests.platform.contracts.shelf import LendBook, Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """Frozen, and yet mutable through its list."""

    lines: list[int]


@dataclass(slots=True, kw_only=True)
class Loose:
    """Not frozen."""

    size: int


class ReturnsDict(Protocol):
    """A dict is mutable: local and remote would differ."""

    def totals(self) -> dict[str, int]: ...


class HidesAList(Protocol):
    """The list is one level down."""

    def basket(self) -> tuple[Basket, ...]: ...


class NotFrozen(Protocol):
    """A caller could change what the module holds."""

    def loose(self) -> Loose: ...


class ByPosition(Protocol):
    """Arguments travel by name."""

    def one(self, id: UUID) -> None: ...


class NoReturn(Protocol):
    """What comes back is anybody's guess."""

    def one(self, *, id: UUID): ...  # type: ignore[no-untyped-def]


class NoType(Protocol):
    """So is what goes in."""

    def one(self, *, id) -> None: ...  # type: ignore[no-untyped-def]


class AnyThing(Protocol):
    """Any is no type."""

    def one(self, *, id: Any) -> None: ...


class Empty(Protocol):
    """Nothing to call."""


@pytest.mark.parametrize(
    ("port", "message"),
    [
        (ReturnsDict, r"ReturnsDict.totals -> : dict\[str, int\] may not cross a contract"),
        (HidesAList, r"Basket.lines: list\[int\] may not cross a contract"),
        (NotFrozen, "Loose must be a frozen dataclass"),
        (ByPosition, "ByPosition.one: id must be keyword-only"),
        (NoReturn, "NoReturn.one does not say what it returns"),
        (NoType, "NoType.one: id has no type"),
        (AnyThing, "AnyThing.one"),
        (Empty, "Empty has no methods"),
    ],
)
def test_port_that_could_not_cross_a_network_is_refused(port: type, message: str) -> None:
    """A rule broken is told when the port is bound, not when a service is extracted."""
    port.__module__ = "modules.shelf.contract.port"

    with pytest.raises(NotAPort, match=message):
        bind(port, object())


def test_method_knows_its_types() -> None:
    """Scalars, enums, tuples, optionals and nested frozen dataclasses may cross."""
    Shelf.__module__ = "modules.shelf.contract.port"

    methods = methods_of(Shelf)

    assert methods["lend"].is_command
    assert methods["lend"].parameters == {"command": LendBook}
    assert not methods["books"].is_command
    assert methods["books"].full_name == "shelf.books"


def test_implementation_must_have_every_method() -> None:
    """Half an implementation is refused at once."""
    Shelf.__module__ = "modules.shelf.contract.port"

    with pytest.raises(TypeError, match="object lacks lend, books of Shelf"):
        bind(Shelf, object())


def test_port_without_implementation_says_what_to_look_at() -> None:
    """The message asks the two questions that find the cause."""

    class Nobodys(Protocol):
        def one(self) -> None: ...

    with pytest.raises(NotBound, match=r"FICUS_MODULES, and does its apps.py call bind\(\)"):
        use(Nobodys)
