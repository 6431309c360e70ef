"""A saga's definition, and the definitions of this process by module and type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from modules.platform.sagas.decisions import Decision, SagaEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt at a command. ``key`` is its idempotency key, the same at every attempt."""

    saga_id: UUID
    subject: str
    state: Any
    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A state became another because of ``event``."""

    saga_id: UUID
    subject: str
    before: Any
    after: Any
    event: SagaEvent
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One sort of saga.

    ``decide(state, event)`` is pure; None: the event means nothing now. ``perform`` maps a
    command's kind to the call that carries it out, outside any transaction; it may run again
    with the same key. ``apply`` writes what a change means to the module's own tables, in the
    transaction that records it. ``ends`` are the phases in which the saga is at rest.
    """

    module: str
    name: str
    state: type[Any]
    ends: frozenset[str]
    decide: Callable[[Any, SagaEvent], Decision | None]
    perform: Mapping[str, Callable[[Call], Any]]
    apply: Callable[[Change], None]
    # Whether ``apply`` writes anything for this change; a change that it leaves alone is recorded
    # by one statement without a transaction around it.
    touches: Callable[[Change], bool] = lambda change: True
    step_limit: timedelta = timedelta(seconds=10)  # for one attempt at one command


class UnknownSaga(LookupError):
    """No definition of this type is registered for the module in this process."""


_definitions: dict[tuple[str, str], Definition] = {}


def define(definition: Definition) -> None:
    """Make ``definition`` known to this process."""
    _definitions[definition.module, definition.name] = definition


def definition_of(module: str, type_: str) -> Definition:
    """Raises UnknownSaga."""
    try:
        return _definitions[module, type_]
    except KeyError:
        raise UnknownSaga(f"{module} has no saga of type {type_!r} in this process") from None


def defining_modules() -> tuple[str, ...]:
    """The modules that own sagas in this process."""
    return tuple(sorted({module for module, _ in _definitions}))
