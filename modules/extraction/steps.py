"""How every verb goes that changes something: looked at, guarded, alone, on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import Error as DatabaseFault

from modules.extraction import standings
from modules.extraction.auditing import Recorded, recorded
from modules.extraction.controlling import controlling
from modules.extraction.errors import NotFinished, OutOfTime, ReasonMissing
from modules.extraction.guards import Facts, Guard, guards_of, passed
from modules.extraction.modules_here import check_movable
from modules.extraction.phases import Standing, Transition
from modules.extraction.reports import Report
from modules.platform.resilience import Deadline

SHORTEST_REASON, LONGEST_REASON = 3, 500  # characters, as for placing
_FINISH = "nothing where watch runs; else manage.py strangler doctor {} --reason ..."
Progress = Callable[[str, int, int], None]  # what, done, of how many (0: unknown)


def silent(what: str, done: int, total: int) -> None:
    """Shows no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody wants of a module. ``timeout`` is seconds for all of it; None: as it takes."""

    module: str
    reason: str = ""
    dry_run: bool = False
    timeout: float | None = None
    progress: Progress = field(default=silent)

    def deadline(self) -> Deadline:
        """From now."""
        return Deadline.within(float("inf") if self.timeout is None else self.timeout)

    def check(self) -> None:
        """Raises NoSuchModule, NotExtractable, ReasonMissing."""
        check_movable(self.module)
        if not self.dry_run and not SHORTEST_REASON <= len(self.reason.strip()) <= LONGEST_REASON:
            raise ReasonMissing(shortest=SHORTEST_REASON, longest=LONGEST_REASON)

    def in_time(self, deadline: Deadline, verb: str, reached: str) -> None:
        """Raises OutOfTime when ``deadline`` has passed."""
        if deadline.passed():
            raise OutOfTime(
                module=self.module, verb=verb, seconds=self.timeout or 0.0, reached=reached
            )


@dataclass(slots=True)
class Done:
    """What a step did, for its report. ``epoch`` is that of a change of authority; ``place`` where
    the service's database is, if that has changed.
    """

    did: list[str] = field(default_factory=list)
    epoch: int | None = None
    place: str | None = None
    late: int = 0  # front doors that do not know of it yet
    unfinished: str = ""  # what comes after the commit point, and could not be done


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One way from phase to phase: what it needs, what it would do, and how it is done."""

    by: Transition
    facts: Callable[[], Facts]
    would: tuple[str, ...]
    work: Callable[[Recorded, Done], None]
    next_step: str
    percent: int = 0


def changed(ask: Ask, change: Change) -> Report:
    """Look, and with all guards passed do it, alone and on record; or say why not.

    Raises WrongPhase, ControllerBusy and what the work raises; the standing is then as before.
    """
    ask.check()
    with _alone(ask, change.by.value):
        before = standings.standing_of(ask.module)
        after = standings.after(ask.module, before, change.by, percent=change.percent)
        guards = guards_of(change.by, change.facts())
        if ask.dry_run or not passed(guards):
            return _only_looked(ask, change, before, after, guards)
        facts = {"guards": {one.name: one.have for one in guards}, "from": before.phase.value}
        done = Done()
        with (
            _said_if_done(ask, change, done),
            recorded(ask.module, change.by.value, reason=ask.reason, facts=facts) as step,
        ):
            change.work(step, done)
            after = standings.after(
                ask.module, before, change.by, percent=change.percent, epoch=done.epoch
            )
            with _said_if_done(ask, change, done):
                standings.put(ask.module, after, reason=ask.reason, place=done.place)
            step.facts |= {"to": after.phase.value, "epoch": after.epoch, "did": done.did}
            step.stays_open, step.detail = bool(done.unfinished), done.unfinished
    return Report(
        module=ask.module,
        verb=change.by.value,
        before=before,
        after=after,
        guards=guards,
        did=tuple(done.did),
        next_step=_FINISH.format(ask.module) if done.unfinished else change.next_step,
        differences=done.late + bool(done.unfinished),
        unfinished=done.unfinished,
    )


@contextmanager
def _said_if_done(ask: Ask, change: Change, done: Done) -> Iterator[None]:
    """A record that cannot be written does not undo a change of authority: NotFinished then."""
    try:
        yield
    except DatabaseFault as error:
        if done.epoch is None:
            raise
        why = str(error).strip().partition("\n")[0]
        raise NotFinished(module=ask.module, verb=change.by.value, why=why) from error


@contextmanager
def alone_on_record(ask: Ask, verb: str) -> Iterator[Recorded]:
    """For work that changes no phase. Raises as ``changed`` does."""
    ask.check()
    with controlling(ask.module, verb), recorded(ask.module, verb, reason=ask.reason) as step:
        yield step


@contextmanager
def _alone(ask: Ask, verb: str) -> Iterator[None]:
    if ask.dry_run:  # only looks: it need not wait for anybody
        yield
        return
    with controlling(ask.module, verb):
        yield


def _only_looked(
    ask: Ask, change: Change, before: Standing, after: Standing, guards: tuple[Guard, ...]
) -> Report:
    is_fine = passed(guards)
    return Report(
        module=ask.module,
        verb=change.by.value,
        before=before,
        after=after if is_fine else before,
        guards=guards,
        dry_run=ask.dry_run,
        would=change.would if is_fine else (),
        next_step="the same without --dry-run" if is_fine else "",
    )
