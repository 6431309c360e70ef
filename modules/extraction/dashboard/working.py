"""In the process of a press: the verb is done as the operator, progress told, stopped if asked."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import structlog
from django.db import DatabaseError, connections
from django.db.models.functions import Now

from modules.extraction.dashboard import presses
from modules.extraction.dashboard.buttons import verb_named
from modules.extraction.dashboard.forms import options_of
from modules.extraction.dashboard.looks import REFUSALS, text_of
from modules.extraction.dashboard.presses import Ended
from modules.extraction.dashboard.records import Press
from modules.extraction.errors import NotFinished
from modules.extraction.phases import Standing
from modules.extraction.progress import Shown
from modules.extraction.steps import Ask
from modules.extraction.verbs import Call, Verb
from modules.platform.console import Exit
from modules.platform.contracts import (
    Actor,
    ActorKind,
    CallContext,
    Conflict,
    Invalid,
    NotFound,
    call_context,
)
from modules.platform.databases import begin_anew

log = structlog.get_logger(__name__)

EVERY = 0.3  # seconds between two words about progress, and two looks whether to stop
_OF_EXIT = {
    Exit.DONE: Ended.DONE,
    Exit.FAILED: Ended.REFUSED,
    Exit.USAGE: Ended.REFUSED,
    Exit.DIFFERENCES: Ended.DIFFERENCES,
}


def work(press: int) -> Ended | None:
    """Do it; how it ended, or None when it was not to be done (any more)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with presses.begun(press, machine=socket.gethostname(), process=os.getpid()) as row:
        if row is None:
            log.warning("extraction.press_not_open", press=press)
            return None
        outcome, said, last = _worked(row)
        presses.end(press, outcome, said, **last)
        return outcome


def _worked(row: Press) -> tuple[Ended, str, dict[str, Any]]:
    verb = verb_named(row.verb)
    if verb is None:
        return Ended.REFUSED, f"There is no verb {row.verb} here.", {}
    actor = Actor(kind=ActorKind.STAFF, id=row.actor_id, label=row.actor, scopes=frozenset({"*"}))
    told = Told(row)
    with call_context(CallContext(actor=actor)):
        outcome, said = _done(verb, row, told)
    return outcome, said, told.last


def _done(verb: Verb, row: Press, told: Told) -> tuple[Ended, str]:
    ask = Ask(module=row.module, reason=row.reason, progress=told.at)
    report = None
    try:
        with Interrupting(row.pk):
            report = verb.run(Call(ask=ask, shown=told, options=options_of(verb, row.options)))
    except KeyboardInterrupt:
        begin_anew()
        if report is not None:  # asked too late: it was done
            return _told_of(verb, report)
        return Ended.STOPPED, "Stopped; what was reached is kept, and the same goes on there."
    except (Conflict, Invalid, NotFound) as error:
        return Ended.REFUSED, str(error)
    except NotFinished as error:
        return Ended.DIFFERENCES, str(error)
    except REFUSALS as error:
        return Ended.FAILED, str(error).strip() or repr(error)
    except Exception as error:
        log.exception("extraction.press_failed", press=row.pk)
        return Ended.FAILED, repr(error)
    return _told_of(verb, report)


def _told_of(verb: Verb, report: Any) -> tuple[Ended, str]:
    differs = Exit.DIFFERENCES if getattr(report, "has_differences", False) else Exit.DONE
    return _OF_EXIT[getattr(report, "exit_code", differs)], text_of(verb, report)


class Told(Shown):
    """Keeps how far it is in the press's row, now and then. ``last`` is what came last."""

    def __init__(self, row: Press) -> None:
        super().__init__(row.verb, row.module)
        self._press, self._at = row.pk, 0.0
        self.last: dict[str, Any] = {}

    def at(self, what: str, done: int, total: int) -> None:
        self.last = {"what": what[:200], "done": done, "total": total, "told_at": Now()}
        now = time.monotonic()
        if now - self._at >= EVERY:
            self._at = now
            Press.objects.filter(pk=self._press).update(**self.last)

    def say(self, words: str) -> None:
        self.at(words, 0, 0)

    def standing(self, standing: Standing) -> None:
        percent = f" {standing.percent} %" if standing.percent else ""
        self.say(f"{standing.phase}{percent}")


class Interrupting:
    """Ctrl-C for this process when somebody asks to stop it, once."""

    def __init__(self, press: int) -> None:
        self._press, self._over = press, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        asked = Press.objects.filter(pk=self._press).exclude(stop_asked_at=None)
        while not self._over.wait(EVERY):
            try:
                if asked.exists():
                    os.kill(os.getpid(), signal.SIGINT)
                    break
            except DatabaseError:  # it is away: the verb finds out itself
                log.warning("extraction.press_cannot_look", press=self._press)
                connections.close_all()
        connections.close_all()
