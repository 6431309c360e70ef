"""A small saga for tests: book a flight, then a hotel; give up the flight if the hotel refuses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from modules.platform.contracts import Conflict, Unavailable
from modules.platform.sagas import (
    Answered,
    Call,
    Change,
    Decision,
    Definition,
    Do,
    Expired,
    GaveUp,
    Refused,
    SagaEvent,
    Signal,
    Started,
)
from modules.platform.sagas.saga import Saga
from modules.platform.sagas.starting import start

MODULE = "accounts"  # every host has it
WITHIN = timedelta(seconds=30)


class Phase(StrEnum):
    FLIGHT = "flight"
    HOTEL = "hotel"
    BOOKED = "booked"
    UNDOING = "undoing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    phase: Phase = Phase.FLIGHT
    why: str = ""
    noted: str = ""


def decide(state: Trip, event: SagaEvent) -> Decision | None:
    match event:
        case Started():
            return Decision(state=state, commands=(Do(kind="flight"),), deadline=WITHIN)
        case Answered(late=True):
            return Decision(
                state=replace(state, phase=Phase.UNDOING),
                commands=(Do(kind="cancel", undoes=True),),
            )
        case Answered(kind="flight") if state.phase is Phase.FLIGHT:
            after = replace(state, phase=Phase.HOTEL)
            return Decision(state=after, commands=(Do(kind="hotel"),), deadline=WITHIN)
        case Answered(kind="hotel") if state.phase is Phase.HOTEL:
            return Decision(state=replace(state, phase=Phase.BOOKED))
        case Answered(kind="cancel"):
            return Decision(state=replace(state, phase=Phase.FAILED))
        case Refused(code=code) | GaveUp(code=code) if state.phase is not Phase.UNDOING:
            return undo(state, code)
        case Expired():
            return undo(state, "expired")
        case Signal(name="note", data=data):
            return Decision(state=replace(state, noted=data["text"]), deadline=WITHIN)
        case Signal(name="stop"):
            return undo(state, "stopped")
        case _:
            return None


def undo(state: Trip, why: str) -> Decision:
    return Decision(
        state=replace(state, phase=Phase.UNDOING, why=why),
        commands=(Do(kind="cancel", undoes=True),),
    )


class NoRoom(Conflict):
    code = "toy.no_room"


@dataclass
class Agency:
    """Carries the commands out; ``faults`` are raised first, one a call."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: dict[str, deque[Exception]] = field(default_factory=dict)
    always: dict[str, Exception] = field(default_factory=dict)
    during: dict[str, Callable[[], None]] = field(default_factory=dict)
    apply_faults: deque[Exception] = field(default_factory=deque)

    def fail(self, kind: str, *errors: Exception) -> None:
        self.faults.setdefault(kind, deque()).extend(errors)

    def perform(self, call: Call) -> str:
        self.calls.append((call.kind, call.key))
        if call.kind in self.during:
            self.during.pop(call.kind)()
        faults = self.faults.get(call.kind)
        if faults:
            raise faults.popleft()
        if call.kind in self.always:
            raise self.always[call.kind]
        return f"{call.kind} booked"

    def apply(self, change: Change) -> None:
        if self.apply_faults:
            raise self.apply_faults.popleft()
        self.changes.append(change)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.calls]

    def definition(self) -> Definition:
        return Definition(
            module=MODULE,
            name="trip",
            state=Trip,
            ends=frozenset({Phase.BOOKED, Phase.FAILED}),
            decide=decide,
            perform=dict.fromkeys(("flight", "hotel", "cancel"), self.perform),
            apply=self.apply,
        )


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **step: float) -> None:
        self.now += timedelta(**step)


def begin(*, inline: bool = True, key: str = "", clock: Any) -> Saga:
    saga_id: UUID = uuid4()
    saga = start(
        MODULE,
        "trip",
        id=saga_id,
        key=key or str(saga_id),
        subject=str(saga_id),
        state=Trip(),
        inline=inline,
        clock=clock,
    )
    assert saga is not None
    return saga


def down() -> Unavailable:
    return Unavailable()
