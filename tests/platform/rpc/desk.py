"""A contract as another module would have it, and an implementation that can be told what to do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol
from uuid import UUID

from modules.platform.contracts import (
    Command,
    Conflict,
    ContractError,
    Money,
    Unavailable,
)
from tests.platform.rpc.planned import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the desk keeps."""

    id: UUID
    text: str
    fee: Money
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNote(Command):
    """Keep one."""

    note: Note


class DeskError(ContractError):
    """Root."""

    code = "desk.error"


@dataclass(kw_only=True, eq=False)
class NoteKept(DeskError, Conflict):
    """There is one already."""

    code = "desk.kept"
    id: UUID
    fee: Money


@dataclass(kw_only=True, eq=False)
class PenEmpty(DeskError, Unavailable):
    """The module's own retryable error."""

    code = "desk.pen_empty"
    pen: str


class Desk(Protocol):
    """The port."""

    def keep(self, command: KeepNote) -> Note: ...

    def notes(self, *, ids: tuple[UUID, ...], limit: int = 10) -> tuple[Note, ...]: ...


# Other hosts may name only what stands in a contract, so this stands in one.
for _name, _classes in {"errors": (DeskError, NoteKept, PenEmpty), "port": (Desk,)}.items():
    _module = sys.modules[f"modules.desk.contract.{_name}"] = ModuleType(_name)
    vars(_module).update(UUID=UUID, Money=Money)  # what the classes' annotations name
    for _class in _classes:
        _class.__module__ = f"modules.desk.contract.{_name}"
        setattr(_module, _class.__name__, _class)


ID = UUID("0190b5a0-0000-7000-8000-000000000001")
NOTE = Note(id=ID, text="Grüße", fee=Money(amount=7, currency="EUR"), tags=frozenset({"a", "b"}))
KEEP = KeepNote(idempotency_key="k", note=NOTE)


class Clerk(Planned):
    """Answers the port, as planned."""

    def keep(self, command: KeepNote) -> Note:
        self._begin(command)
        return command.note

    def notes(self, *, ids: tuple[UUID, ...], limit: int = 10) -> tuple[Note, ...]:
        self._begin((ids, limit))
        return (NOTE,) * min(len(ids), limit)
