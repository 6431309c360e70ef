"""What a person may do to a command that is left to them. Each says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
import structlog

from modules.platform.contracts import Conflict, ContractError, NotFound, current_context
from modules.platform.sagas import store
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.decisions import Answered, SagaEvent
from modules.platform.sagas.definition import Definition
from modules.platform.sagas.recording import record
from modules.platform.sagas.saga import Saga, Step, StepState, advance

log = structlog.get_logger(__name__)


class SagaError(ContractError):
    """Root of the errors of steering."""

    code = "sagas.error"


@dataclass(kw_only=True, eq=False)
class NoSuchStep(SagaError, NotFound):
    """No such saga or command."""

    code = "sagas.no_such_step"
    saga_id: UUID
    number: int

    def sentence(self) -> str:
        return f"Saga {self.saga_id} has no step {self.number}."


@dataclass(kw_only=True, eq=False)
class NotManual(SagaError, Conflict):
    """The command is not left to a person."""

    code = "sagas.not_manual"
    number: int
    state: StepState

    def sentence(self) -> str:
        return f"Step {self.number} is {self.state}; only a manual step can be steered."


def retry(module: str, saga_id: UUID, number: int, *, reason: str, clock: Clock = utc_now) -> Saga:
    """Try the command again, for another 24 h. Raises NoSuchStep, NotManual."""

    def change(saga: Saga, definition: Definition, step: Step, now: datetime) -> Saga:
        again = msgspec.structs.replace(
            step, state=StepState.PENDING, attempts=0, since=now, next_at=None
        )
        return saga.with_step(again)

    return _steer(module, saga_id, number, "retry", reason, clock, change)


def mark_done(
    module: str, saga_id: UUID, number: int, *, reason: str, clock: Clock = utc_now
) -> Saga:
    """It was done by other means: the saga goes on. Raises NoSuchStep, NotManual."""
    return _steer(module, saga_id, number, "mark_done", reason, clock, _settle(StepState.DONE))


def skip(module: str, saga_id: UUID, number: int, *, reason: str, clock: Clock = utc_now) -> Saga:
    """Go on without it. Raises NoSuchStep, NotManual."""
    return _steer(module, saga_id, number, "skip", reason, clock, _settle(StepState.SKIPPED))


Steer = Callable[[Saga, Definition, Step, datetime], Saga]


def _settle(state: StepState) -> Steer:
    def change(saga: Saga, definition: Definition, step: Step, now: datetime) -> Saga:
        ended = msgspec.structs.replace(step, state=state, ended_at=now)
        return advance(saga.with_step(ended), definition, Answered(kind=step.kind), now)

    return change


def _steer(
    module: str,
    saga_id: UUID,
    number: int,
    verb: str,
    reason: str,
    clock: Clock,
    change: Steer,
) -> Saga:
    found = store.load(module, saga_id)
    if found is None:
        raise NoSuchStep(saga_id=saga_id, number=number)
    now = clock()
    actor = current_context().actor.label or "somebody"

    def alter(saga: Saga, definition: Definition) -> tuple[Saga, SagaEvent | None]:
        if not 1 <= number <= len(saga.steps):
            raise NoSuchStep(saga_id=saga_id, number=number)
        step = saga.step(number)
        if step.state is not StepState.MANUAL:
            raise NotManual(number=number, state=step.state)
        noted = msgspec.structs.replace(step, note=f"{verb} by {actor}: {reason}")
        return change(saga, definition, noted, now), Answered(kind=step.kind)

    after = record(module, found, alter, now=now)
    log.info("saga.steered", module=module, saga=str(saga_id), step=number, verb=verb)
    return after
