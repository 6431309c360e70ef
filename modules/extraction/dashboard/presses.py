"""Buttons that were pressed: one at a time for each module, and a killed one is seen as killed.

The process of a press holds an advisory lock of a session of its own as long as it lives, taken
before it says that it has begun. So whoever finds an open press without its lock knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.db import IntegrityError
from django.db.models.functions import Now

from modules.extraction.controlling import ALIAS, busy, holder
from modules.extraction.dashboard.looks import NotLookedAt, Token
from modules.extraction.dashboard.records import Press
from modules.extraction.errors import ControllerBusy
from modules.platform.contracts import Actor
from modules.platform.databases import atomic
from modules.platform.databases.roles import login

log = structlog.get_logger(__name__)

STARTS_WITHIN = timedelta(seconds=60)  # 30x what Django needs to start
_KEY = "hashtext('ficus.extraction.press'), (%s %% 2147483647)::int"
_TAKE = f"SELECT pg_try_advisory_lock({_KEY})"
_HELD = """
SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
  AND l.classid = (hashtext('ficus.extraction.press')::bigint & 4294967295)::oid
  AND l.objid = ((%s %% 2147483647)::bigint)::oid
"""


class Ended(StrEnum):
    """How a press ended; the words of steps, and two of its own."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    DIFFERENCES = "differences"
    REFUSED = "refused"  # a guard, or somebody was faster
    KILLED = "killed"  # its process was gone before it was done


def opened(token: Token, *, reason: str, actor: Actor) -> Press:
    """Put it on record; its process is yet to be started.

    Raises ControllerBusy with who is at it, and NotLookedAt when this dry run was used before.
    """
    settle(token.module)
    at_it = holder(token.module)
    if at_it is not None:
        raise busy(token.module)
    if Press.objects.filter(nonce=token.nonce).exists():
        raise NotLookedAt("it was pressed already")
    try:
        with atomic(ALIAS):
            return Press.objects.create(
                module=token.module,
                verb=token.verb,
                options=token.options,
                reason=reason,
                actor=actor.label[:200],
                actor_id=actor.id[:64],
                nonce=token.nonce,
            )
    except IntegrityError as error:
        raise _faster(token) from error


def current(module: str) -> Press | None:
    """The open one, or the last one that ended."""
    settle(module)
    open_one = Press.objects.filter(module=module, ended_at=None).first()
    return open_one or Press.objects.filter(module=module).order_by("-id").first()


def settle(module: str) -> None:
    """End on record what was killed, or never began."""
    for one in Press.objects.filter(module=module, ended_at=None).annotate(asked_at=Now()):
        if one.began_at is None:
            if one.asked_at - one.pressed_at > STARTS_WITHIN:
                _ended_by_none(one, "its process never began")
        elif not _is_held(one.pk):
            _ended_by_none(one, "its process was gone before it was done; doctor tidies up")


def ask_to_stop(module: str, press: int, actor: str) -> bool:
    """Have its process interrupted; whether there is one to interrupt."""
    asked = Press.objects.filter(pk=press, module=module, ended_at=None, stop_asked_at=None)
    return bool(asked.update(stop_asked_at=Now(), stop_actor=actor[:200]))


def end(press: int, outcome: Ended, said: str, **more: Any) -> None:
    """Put on record how it ended, once."""
    row = Press.objects.filter(pk=press, ended_at=None)
    row.update(ended_at=Now(), outcome=outcome.value, said=said, **more)
    log.info("extraction.press_ended", press=press, outcome=outcome.value)


@contextmanager
def begun(press: int, *, machine: str, process: int) -> Iterator[Press | None]:
    """Hold the press's lock for as long as its process works; None when it is not to be done."""
    with login(ALIAS) as connection:
        taken = connection.execute(_TAKE, [press]).fetchone()
        waits = Press.objects.filter(pk=press, began_at=None, ended_at=None)
        where = {"machine": machine[:255], "process": process}
        is_mine = bool(taken and taken[0]) and bool(waits.update(began_at=Now(), **where))
        yield Press.objects.get(pk=press) if is_mine else None


def _is_held(press: int) -> bool:
    with login(ALIAS) as connection:
        return connection.execute(_HELD, [press]).fetchone() is not None


def _ended_by_none(one: Press, why: str) -> None:
    row = Press.objects.filter(pk=one.pk, ended_at=None, began_at=one.began_at)
    if row.update(ended_at=Now(), outcome=Ended.KILLED.value, said=why):
        log.warning("extraction.press_killed", press=one.pk, module=one.module, verb=one.verb)


def _faster(token: Token) -> ControllerBusy | NotLookedAt:
    """Two at once: the other one was first, or the same form was sent twice."""
    one = Press.objects.filter(module=token.module, ended_at=None).first()
    if one is None or one.nonce == token.nonce:
        return NotLookedAt("it was pressed already")
    return ControllerBusy(
        module=one.module,
        verb=one.verb,
        actor=one.actor,
        machine=one.machine or "its way",
        process=one.process or 0,
        since=one.pressed_at,
    )
