"""Runs sagas: in the request while it is quick, in a worker for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from modules.platform.contracts import (
    SYSTEM,
    CallContext,
    ContractError,
    Unavailable,
    call_context,
    deadline_in,
)
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.sagas import metrics, store
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.decisions import Answered, GaveUp, Refused, SagaEvent
from modules.platform.sagas.definition import Call, Definition, definition_of
from modules.platform.sagas.recording import record
from modules.platform.sagas.retries import LONGEST_AWAY, backoff
from modules.platform.sagas.saga import (
    Delay,
    Saga,
    Step,
    StepState,
    answered,
    expired,
    expiry,
    failed,
    refused,
)
from modules.platform.sagas.starting import LEASE

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Where a saga stood when its runner let go of it.

    ``error``: the first error that a forward command of this run met; the saga has taken it into
    account.
    """

    saga: Saga
    error: ContractError | None = None


def run_inline(module: str, saga: Saga, *, within: timedelta, clock: Clock = utc_now) -> Run:
    """Run a saga whose lease the caller has, for at most ``within``; a worker goes on after that.

    Never raises what a command raises: that is part of the saga. Database errors pass.
    """
    with deadline_in(within):
        return _run(module, saga, clock, clock() + within)


def run(
    module: str, saga_id: UUID, *, version: int | None = None, clock: Clock = utc_now
) -> Run | None:
    """Run the saga in a worker as far as it goes now; None when it is not due or another has it.

    ``version``: that of the timer that came for it. The timer keeps the database's time, which may
    be ahead of this machine's; for this run it is as late as the timer says.
    """
    seen = store.load(module, saga_id) if version is not None else None
    saga = store.claim(module, saga_id, clock(), LEASE, version)
    if saga is None:
        return None
    early = timedelta()
    if seen is not None and seen.version == version and seen.due_at is not None:
        early = max(seen.due_at - clock(), early)
    with call_context(CallContext(actor=SYSTEM, correlation_id=saga.subject)):
        return _run(module, saga, lambda: clock() + early, None)


def _run(module: str, saga: Saga, clock: Clock, until: datetime | None) -> Run:
    definition = definition_of(module, saga.type)
    first_error: ContractError | None = None
    held = saga.lease_until
    while held is not None and saga.lease_until == held:
        now = clock()
        step = saga.due_step(now)
        if saga.is_overdue(now):
            keep = now + LEASE
            saga = record(module, saga, partial(_expire, now), now=now, held=held, keep_until=keep)
        elif step is None or (until is not None and now >= until):
            return Run(saga=_release(module, saga, held, now), error=first_error)
        else:
            saga, error, keep = _attempt(module, definition, saga, step, held, clock)
            first_error = first_error or (None if step.undoes else error)
        held = keep
    return Run(saga=saga, error=first_error)


def _release(module: str, saga: Saga, held: datetime, now: datetime) -> Saga:
    return record(module, saga, lambda standing, _: (standing, None), now=now, held=held)


def _attempt(
    module: str, definition: Definition, saga: Saga, step: Step, held: datetime, clock: Clock
) -> tuple[Saga, ContractError | None, datetime]:
    crash_point("saga.before_step")
    result: Any = None
    error: Exception | None = None
    try:
        with deadline_in(definition.step_limit):
            result = definition.perform[step.kind](_call(saga, step))
    except Exception as failure:
        error = failure
    crash_point("saga.after_step")
    now = clock()
    keep = now + LEASE
    write = partial(record, module, saga, now=now, held=held, keep_until=keep)
    if error is None:
        try:
            stored = write(partial(_answer, step, result, now))
        except Exception as failure:  # the module's own change was refused or failed
            error = failure
    if error is not None:
        stored = write(partial(_fail, step, error, now))
    _count(module, definition, step, error)
    return stored, error if isinstance(error, ContractError) else None, keep


def _call(saga: Saga, step: Step) -> Call:
    return Call(
        saga_id=saga.id,
        subject=saga.subject,
        state=saga.state,
        kind=step.kind,
        key=saga.key_of(step),
    )


def _answer(
    step: Step, result: Any, now: datetime, saga: Saga, definition: Definition
) -> tuple[Saga, SagaEvent | None]:
    late = saga.step(step.number).state is StepState.SUPERSEDED
    after = answered(saga, definition, step.number, result, now)
    return after, Answered(kind=step.kind, result=result, late=late)


def _fail(
    step: Step, error: Exception, now: datetime, saga: Saga, definition: Definition
) -> tuple[Saga, SagaEvent | None]:
    code, detail = _described(error)
    final = isinstance(error, ContractError) and not error.retryable
    if final and not step.undoes:
        after = refused(saga, definition, step.number, code, detail, now)
        return after, Refused(kind=step.kind, code=code, detail=detail)
    after = failed(
        saga,
        definition,
        step.number,
        code=code,
        detail=detail,
        final=final,
        delay=_delay(step, error),
        now=now,
    )
    return after, GaveUp(kind=step.kind, code=code, detail=detail)


def _delay(step: Step, error: Exception) -> Delay:
    """A module that is away is asked again soon: it costs little, and somebody is waiting."""
    is_away = isinstance(error, Unavailable) and not step.undoes
    return partial(backoff, longest=LONGEST_AWAY) if is_away else backoff


def _expire(now: datetime, saga: Saga, definition: Definition) -> tuple[Saga, SagaEvent | None]:
    return expired(saga, definition, now), expiry(saga)


def _described(error: Exception) -> tuple[str, str]:
    if isinstance(error, ContractError):
        return error.code, error.sentence()[:500]
    return "unexpected", f"{type(error).__name__}: {error}"[:500]


def _count(module: str, definition: Definition, step: Step, error: Exception | None) -> None:
    outcome = "answered"
    if isinstance(error, ContractError):
        outcome = "unavailable" if error.retryable else "refused"
        log.info("saga.step_failed", module=module, kind=step.kind, code=error.code)
    elif error is not None:
        outcome = "unexpected"
        log.error("saga.step_unexpected", module=module, kind=step.kind, exc_info=error)
    metrics.STEPS.labels(module, definition.name, step.kind, outcome).inc()
