"""``create`` and ``cancel``: the service's database and all that keeps it current, or none."""

from __future__ import annotations

import psycopg
from psycopg import sql

from modules.extraction import facts, structure, targets
from modules.extraction.guards import Facts
from modules.extraction.moves import move_of, source_of, target_of
from modules.extraction.phases import Transition
from modules.extraction.protocol.installing import install, uninstall
from modules.extraction.protocol.sides import Move
from modules.extraction.reports import Report
from modules.extraction.shadowing.switching import stop_shadowing
from modules.extraction.steps import Ask, Change, Done, changed
from modules.extraction.targets import Target


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
        undo(module, target)
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
    install(move)
    done.did.append(f"installed capture and guards on {len(move.tables)} tables, both sides")
    done.did.append(f"the service's address is in {targets.address_file(module)}")


def undo(module: str, target: Target) -> None:
    """Whatever there is of it, after a failure; what cannot be reached is left, and said."""
    if targets.is_there(target):
        uninstall(move_of(module, target))
    _remove(module, target)


def _cancel(module: str, done: Done) -> None:
    move = move_of(module)
    target = targets.known(module)
    assert target is not None  # noqa: S101 - move_of has just read it
    done.did.extend(f"later: {one}" for one in stop_shadowing(module))
    uninstall(move)
    done.did.append(f"took capture and guards off {len(move.tables)} tables")
    _remove(module, target, move)
    what = "removed" if target.is_ours else "emptied"
    done.did.append(f"{what} the database {target.place}")
    done.place = ""


def _remove(module: str, target: Target, move: Move | None = None) -> None:
    if target.is_ours:
        targets.remove(module, target)
    elif targets.is_there(target):
        with psycopg.connect(target.admin_url, autocommit=True) as connection:
            for name in (module, "host"):
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
                connection.execute(drop.format(sql.Identifier(name)))
    targets.forget(module)
