"""A saga as a value: its row, its steps, and how an event changes them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from modules.platform.sagas.decisions import Answered, Decision, Expired, GaveUp, Refused, SagaEvent
from modules.platform.sagas.definition import Definition
from modules.platform.sagas.retries import gives_up

Delay = Callable[[int], timedelta]

# How long after the deadline a command is still owed its try: longer than a machine needs to start
# again with all its workers. Bounded, because a command may be what kills who carries it out.
OWED = timedelta(minutes=5)


class Status(StrEnum):
    """Whether anything happens by itself. MANUAL: only a person can go on."""

    RUNNING = "running"
    MANUAL = "manual"
    DONE = "done"


class StepState(StrEnum):
    """What became of a command."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    MANUAL = "manual"
    SKIPPED = "skipped"


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One command of a saga. ``number`` counts from 1; ``next_at``: not to be tried before."""

    number: int
    kind: str
    since: datetime
    state: StepState = StepState.PENDING
    undoes: bool = False
    attempts: int = 0
    next_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    note: str = ""  # what a person did to it, and why

    @property
    def code(self) -> str:
        """The code of the last error; empty where there was none."""
        return self.error.partition(": ")[0]

    def is_due(self, now: datetime) -> bool:
        return self.state is StepState.PENDING and (self.next_at is None or self.next_at <= now)

    def was_due(self, by: datetime) -> bool:
        """Whether this forward command should have been carried out by then, and was not."""
        return not self.undoes and self.is_due(by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """A saga's row. Changes make a new one with ``version`` + 1."""

    id: UUID
    type: str
    key: str
    subject: str
    state: Any
    steps: tuple[Step, ...]
    status: Status
    version: int
    deadline_at: datetime | None
    lease_until: datetime | None
    due_at: datetime | None
    created_at: datetime

    def due_step(self, now: datetime) -> Step | None:
        """The first command that can be carried out now."""
        return next((step for step in self.steps if step.is_due(now)), None)

    def is_overdue(self, now: datetime) -> bool:
        """Whether the deadline has passed, and everybody was asked who should have been by then.

        A deadline is the other modules' time to answer. When the runner died, or none was there,
        the commands that were due meanwhile are carried out first, and their answers count.
        """
        deadline = self.deadline_at
        if deadline is None or deadline > now:
            return False
        return now - deadline >= OWED or not any(step.was_due(deadline) for step in self.steps)

    def step(self, number: int) -> Step:
        return self.steps[number - 1]

    def key_of(self, step: Step) -> str:
        """The command's idempotency key: ``saga:step:kind``."""
        return f"{self.id}:{step.number}:{step.kind}"

    def with_step(self, step: Step) -> Saga:
        steps = list(self.steps)
        steps[step.number - 1] = step
        return replace(self, steps=tuple(steps))


def advance(saga: Saga, definition: Definition, event: SagaEvent, now: datetime) -> Saga:
    """The saga after ``event``; the same object when it means nothing now."""
    decision = definition.decide(saga.state, event)
    return saga if decision is None else _decided(saga, definition, decision, now)


def _decided(saga: Saga, definition: Definition, decision: Decision, now: datetime) -> Saga:
    moved = decision.state.phase != saga.state.phase
    steps = [_superseded(step, now) if moved else step for step in saga.steps]
    for command in decision.commands:
        number = len(steps) + 1
        steps.append(Step(number=number, kind=command.kind, undoes=command.undoes, since=now))
    deadline = None if decision.deadline is None else now + decision.deadline
    return replace(saga, state=decision.state, steps=tuple(steps), deadline_at=deadline)


def _superseded(step: Step, now: datetime) -> Step:
    if step.state is not StepState.PENDING or step.undoes:
        return step
    return msgspec.structs.replace(step, state=StepState.SUPERSEDED, ended_at=now, next_at=None)


def answered(saga: Saga, definition: Definition, number: int, result: Any, now: datetime) -> Saga:
    """Command ``number`` was carried out; the same object when that was known."""
    step = saga.step(number)
    if step.state is StepState.SUPERSEDED:
        late = msgspec.structs.replace(step, state=StepState.DONE, ended_at=now)
        event = Answered(kind=step.kind, result=result, late=True)
        return advance(saga.with_step(late), definition, event, now)
    if step.state is not StepState.PENDING:
        return saga
    done = msgspec.structs.replace(
        step,
        state=StepState.DONE,
        attempts=step.attempts + 1,
        ended_at=now,
        next_at=None,
        error="",
    )
    event = Answered(kind=step.kind, result=result)
    return advance(saga.with_step(done), definition, event, now)


def refused(
    saga: Saga, definition: Definition, number: int, code: str, detail: str, now: datetime
) -> Saga:
    """A forward command was refused for good."""
    step = saga.step(number)
    if step.state is not StepState.PENDING:
        return saga
    ended = msgspec.structs.replace(
        step,
        state=StepState.REFUSED,
        attempts=step.attempts + 1,
        ended_at=now,
        next_at=None,
        error=f"{code}: {detail}",
    )
    event = Refused(kind=step.kind, code=code, detail=detail)
    return advance(saga.with_step(ended), definition, event, now)


def failed(
    saga: Saga,
    definition: Definition,
    number: int,
    *,
    code: str,
    detail: str,
    final: bool,
    delay: Delay,
    now: datetime,
) -> Saga:
    """An attempt failed: again after ``delay(attempts)``; a compensation is given up in time.

    ``final``: the other module refused it, which waiting seldom heals.
    """
    step = saga.step(number)
    if step.state is not StepState.PENDING:
        return saga
    attempts = step.attempts + 1
    tried = msgspec.structs.replace(step, attempts=attempts, error=f"{code}: {detail}")
    if step.undoes and gives_up(attempts=attempts, since=step.since, final=final, now=now):
        manual = msgspec.structs.replace(tried, state=StepState.MANUAL, next_at=None)
        event = GaveUp(kind=step.kind, code=code, detail=detail)
        return advance(saga.with_step(manual), definition, event, now)
    return saga.with_step(msgspec.structs.replace(tried, next_at=now + delay(attempts)))


def expired(saga: Saga, definition: Definition, now: datetime) -> Saga:
    """The deadline passed, if it did; it is told once."""
    if saga.deadline_at is None or saga.deadline_at > now:
        return saga
    told = replace(saga, deadline_at=None)
    return advance(told, definition, expiry(saga), now)


def expiry(saga: Saga) -> Expired:
    """What ``decide`` is told when the saga's deadline has passed."""
    waiting = [step for step in saga.steps if step.state is StepState.PENDING and not step.undoes]
    return Expired(errors={step.kind: step.code for step in waiting if step.error})


def settled(
    saga: Saga, definition: Definition, *, now: datetime, keep_until: datetime | None
) -> Saga:
    """The saga as it is to be stored: status, lease and the time when to look again.

    ``keep_until``: the runner's lease; it is kept only while there is something to do now.
    """
    pending = [step for step in saga.steps if step.state is StepState.PENDING]
    stuck = any(step.state is StepState.MANUAL for step in saga.steps)
    if pending or (saga.deadline_at is not None):
        status = Status.RUNNING
    elif stuck:
        status = Status.MANUAL
    else:
        status = Status.DONE if saga.state.phase in definition.ends else Status.MANUAL
    lease = keep_until if saga.due_step(now) else None
    wakes = [step.next_at or now for step in pending]
    if saga.deadline_at is not None:
        wakes.append(saga.deadline_at)
    due = lease or (min(wakes) if wakes else None)
    return replace(saga, status=status, lease_until=lease, due_at=due, version=saga.version + 1)
