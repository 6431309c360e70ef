"""``create`` and ``cancel``: the service's database and all that keeps it current, or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import psycopg
import structlog
from psycopg import sql

from modules.extraction import epochs, facts, standings, structure, targets
from modules.extraction.guards import Facts
from modules.extraction.models import Step
from modules.extraction.moves import move_of, source_of, target_of
from modules.extraction.phases import Phase, Transition
from modules.extraction.protocol import install, withdraw
from modules.extraction.protocol.sides import bounded, is_missing
from modules.extraction.reports import Report
from modules.extraction.shadowing.switching import stop_shadowing
from modules.extraction.steps import Ask, Change, Done, changed
from modules.extraction.targets import Target
from modules.platform.databases.refusals import BESIDE

log = structlog.get_logger(__name__)


def create(ask: Ask, *, given: str = "") -> Report:
    """Make the service's database, or take the empty one at ``given``, and begin to capture.

    Nothing moves yet. What fails half way is undone. Raises CommandFailed when the service's host
    cannot migrate, the protocol's errors, and psycopg's.
    """
    ask.check()
    target = targets.planned(ask.module, given)
    where = f"{'make' if target.is_ours else 'take'} the database {target.place}"
    return changed(
        ask,
        Change(
            by=Transition.CREATE,
            facts=lambda: _facts(ask.module, target),
            would=(
                where,
                f"migrate it by extracted/{ask.module}",
                "give it the monolith's partitions, and no rows",
                "install capture and guards on both sides, streams both ways",
            ),
            work=lambda step, done: _create(ask.module, target, done),
            next_step=f"manage.py strangler backfill {ask.module} --reason ...",
        ),
    )


def cancel(ask: Ask) -> Report:
    """Undo ``create``: no trigger is left in the monolith, nothing of ours in the other place."""
    return changed(
        ask,
        Change(
            by=Transition.CANCEL,
            facts=Facts,
            would=("take capture and guards off", "remove what was made for the service"),
            work=lambda step, done: _cancel(ask.module, done),
            next_step=f"manage.py strangler create {ask.module} --reason ..., to begin again",
        ),
    )


def _facts(module: str, target: Target) -> Facts:
    return Facts(
        has_host=facts.has_host(module),
        contract=facts.contract_trouble(module),
        faulty_tables=facts.faulty_tables(module),
        target=facts.target_trouble(module, target),
    )


def _create(module: str, target: Target, done: Done) -> None:
    try:
        _build(module, target, done)
    except BaseException:
        try:
            undo(module, target)
        except psycopg.Error as error:  # its address is kept, and doctor finds it
            log.warning("extraction.not_undone", module=module, error=str(error).strip())
        raise
    done.place = target.place


def _build(module: str, target: Target, done: Done) -> None:
    if target.is_ours:
        targets.make(module, target)
    targets.keep(module, target)
    done.did.append(f"{'made' if target.is_ours else 'took'} the database {target.place}")
    structure.migrate(module, target)
    source, there = source_of(module), target_of(module, target)
    structure.emptied(there)
    structure.level(source, there)
    done.did.append(
        f"migrated it by extracted/{module}, with the monolith's partitions and no rows"
    )
    move = move_of(module, target)
    install(move, epoch=epochs.highest(module))
    done.did.append(f"installed capture and guards on {len(move.tables)} tables, both sides")
    done.did.append(f"the service's address is in {targets.address_file(module)}")


def undo(module: str, target: Target) -> None:
    """Whatever there is of it, in both places.

    Raises psycopg's errors, with nothing removed, when one of them is away: its address is kept.
    """
    withdraw(move_of(module, target), remember=partial(epochs.remember, module))
    _remove(module, target)


def was_cancelling(module: str) -> bool:
    """Whether the last that anybody did was a ``cancel`` that has not come to its end."""
    last = Step.objects.filter(module=module).exclude(verb="doctor").order_by("id").last()
    is_cancel = last is not None and last.verb == Transition.CANCEL.value
    return is_cancel and standings.standing_of(module).phase is Phase.SHADOW


def go_on_cancelling(module: str, *, reason: str) -> None:
    """Bring that one to its end, and write it down."""
    done, before = Done(), standings.standing_of(module)
    _cancel(module, done)
    after = standings.after(module, before, Transition.CANCEL, epoch=done.epoch)
    standings.put(module, after, reason=reason, place=done.place)


def _cancel(module: str, done: Done) -> None:
    move = move_of(module)
    target = targets.known(module)
    assert target is not None  # noqa: S101 - move_of has just read it
    done.did.extend(f"later: {one}" for one in stop_shadowing(module))
    withdraw(move, remember=partial(epochs.remember, module))
    done.epoch = standings.standing_of(module).epoch
    done.did.append(f"took capture and guards off {len(move.tables)} tables")
    _remove(module, target)
    what = "removed" if target.is_ours else "emptied"
    done.did.append(f"{what} the database {target.place}")
    done.place = ""


def _remove(module: str, target: Target) -> None:
    if target.is_ours:
        targets.remove(module, target)
    else:
        _empty(target, (module, "host", f"{module}{BESIDE}"))
    targets.forget(module)


def _empty(target: Target, schemas: Sequence[str]) -> None:
    """The guards last: until then nobody there takes the copied rows for their own."""
    try:
        connection = psycopg.connect(bounded(target.admin_url), autocommit=True)
    except psycopg.OperationalError as error:
        if is_missing(error):
            return
        raise
    with connection:
        for name in schemas:
            drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
            connection.execute(drop.format(sql.Identifier(name)))
