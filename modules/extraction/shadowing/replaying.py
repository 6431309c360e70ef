"""Asks both sides the same command dry, and compares answers, errors and what would be written.

Each side answers by a process of its own host, on its own database. What is asked has been done by
then, and has been carried: so it is the retry of a command that both sides know, and must find the
same answer in both databases. Where its first time was recorded, the service repeats that, too.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import transaction

from modules.extraction import targets
from modules.extraction.controlling import holder
from modules.extraction.moves import move_of
from modules.extraction.protocol import Direction, Stream
from modules.extraction.protocol.sides import Connection, Move, connect, row
from modules.extraction.shadowing.answers import compare_answers
from modules.extraction.shadowing.comparing import Found, NotComparable
from modules.extraction.shadowing.keeping import ALIAS, Compared, keep
from modules.extraction.shadowing.models import Asked, Kind, Shadow
from modules.extraction.shadowing.repeating import FIRST, Recordings, compare_first_times
from modules.extraction.structure import manage_path
from modules.platform.hosting.dry import Answered, First

BATCH = 50  # commands of one round
TWICE = 0.2  # of them the monolith is asked twice, while learning is on
CARRIED_WITHIN = timedelta(seconds=5)
Compare = Callable[[Answered, Answered], tuple[Found, ...]]
BEGINS, ANSWERS = 60.0, 15.0  # seconds that the service's host may take


class HostAway(Exception):
    """A side's host does not answer; the message is one line."""


class Replayer:
    """One side's host as a process that answers dry. It begins with the first question."""

    def __init__(self, module: str, *, is_service: bool) -> None:
        self._module, self._is_service = module, is_service
        self._process: subprocess.Popen[bytes] | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._rest = b""
        self._has_answered = False

    def begin(self) -> None:
        """Start the host, if it does not run; nobody waits for it. Raises HostAway."""
        if self._process is None:
            self._begin()

    def ask(self, operation: str, arguments: str, first: First | None = None) -> Answered:
        """What it would answer, again or as the first time. Raises HostAway."""
        patience = ANSWERS if self._has_answered else BEGINS
        process = self._process or self._begin()
        asked = msgspec.json.encode(
            {"operation": operation, "arguments": msgspec.Raw(arguments.encode()), "first": first}
        )
        assert process.stdin is not None  # noqa: S101 - it has pipes
        try:
            process.stdin.write(asked + b"\n")
            process.stdin.flush()
            answered = msgspec.json.decode(self._line(process, patience), type=Answered)
        except (OSError, msgspec.MsgspecError) as error:
            self.close()
            who = f"the host of {self._module}" if self._is_service else "the monolith"
            raise HostAway(f"{who} does not answer dry commands: {error}") from error
        self._has_answered = True
        return answered

    def interrupt(self) -> None:
        """End it from another thread: whoever waits for its answer hears HostAway."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End it."""
        process, self._process, self._rest = self._process, None, b""
        self._has_answered = False
        if process is not None:
            process.kill()
            process.communicate()
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    def _begin(self) -> subprocess.Popen[bytes]:
        self._home = tempfile.TemporaryDirectory(prefix="ficus-shadow-")
        host = Path(settings.BASE_DIR) / "manage.py"
        manage = manage_path(self._module) if self._is_service else host
        command = [sys.executable, str(manage), "answer_dry", self._module]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and host
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment(Path(self._home.name)),
        )
        return self._process

    def _environment(self, home: Path) -> Mapping[str, str]:
        """The monolith's is this process's own, with the module's database as it is known here."""
        if not self._is_service:
            name = f"{self._module.upper()}_DATABASE_URL"
            return {**os.environ, name: targets.source_url(self._module)}
        target = targets.known(self._module)
        if target is None:
            raise HostAway(f"{self._module} has no database of its own")
        return targets.host_environment(self._module, target, home)

    def _line(self, process: subprocess.Popen[bytes], patience: float) -> bytes:
        """The next line. Raises TimeoutError, and EOFError's kin, as OSError."""
        assert process.stdout is not None  # noqa: S101 - it has pipes
        until = time.monotonic() + patience
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError(f"no answer within {patience:g} s")
            piece = process.stdout.read1(65_536)  # type: ignore[attr-defined]
            if not piece:
                raise ConnectionError("it has ended")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line


class Sides:
    """Both hosts of a module, to be asked dry."""

    def __init__(self, module: str) -> None:
        self.monolith = Replayer(module, is_service=False)
        self.service = Replayer(module, is_service=True)

    def begin(self) -> None:
        """Start both at once: one takes as long as two. Raises HostAway."""
        self.monolith.begin()
        self.service.begin()

    def interrupt(self) -> None:
        """End both from another thread."""
        self.monolith.interrupt()
        self.service.interrupt()

    def close(self) -> None:
        """End both."""
        self.monolith.close()
        self.service.close()


def replay(shadow: Shadow, sides: Sides) -> int:
    """Ask what waits, compare and count it; how many commands. Raises HostAway.

    None while a controller is at the module: what a dry command locks, a cutover would wait for.
    None either while another process does it.
    """
    waiting = Asked.objects.filter(module=shadow.module).order_by("id")
    if not waiting.exists() or holder(shadow.module) is not None:
        return 0
    sides.begin()
    move = move_of(shadow.module)
    with connect(move.source, purpose="shadow") as source:
        if not _is_alone(source, shadow.module):
            return 0
        is_carried, recordings = carried(move), Recordings(source, move)
        found, done = list[Compared](), list[int]()
        for asked in waiting[:BATCH]:
            if holder(shadow.module) is not None:
                break
            found += _compared(shadow, asked, sides, recordings, is_carried)
            done.append(asked.pk)
        with transaction.atomic(using=ALIAS):
            allowed = frozenset(shadow.shown)
            keep(shadow.module, found, allowed=allowed, owner=shadow.owner)
            Asked.objects.filter(pk__in=done).delete()
        recordings.forget()
    return len(done)


def _is_alone(source: Connection, module: str) -> bool:
    """Whether no other process replays; it is kept from that until ``source`` is closed."""
    key = "hashtext('ficus.shadowing'), hashtext(%s)"
    return bool(row(source, f"SELECT pg_try_advisory_lock({key})", [module])[0])


def carried(move: Move, within: timedelta = CARRIED_WITHIN) -> bool:
    """Whether all changes of before now have come to the service, waiting a little for it."""
    until = time.monotonic() + within.total_seconds()
    with Stream(move, Direction.FORWARD) as stream:
        while stream.lag(limit=1):
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
    return True


def _compared(
    shadow: Shadow, command: Asked, sides: Sides, recordings: Recordings, is_carried: bool
) -> Iterator[Compared]:
    name = f"{command.module}.{command.operation}"
    one = Compared(kind=Kind.COMMAND, route=name, at=command.at, asked=name)
    if not is_carried:
        yield replace(one, why_not="replication is behind")
        return
    is_twice = bool(shadow.learn_seconds) and random.random() < TWICE  # noqa: S311 - a sample
    monolith = sides.monolith.ask(command.operation, command.arguments)
    service = sides.service.ask(command.operation, command.arguments)
    yield _judged(one, compare_answers, monolith, service)
    if is_twice:
        again = sides.monolith.ask(command.operation, command.arguments)
        yield _judged(replace(one, kind=Kind.TWICE), compare_answers, monolith, again)
    if command.first is not None:
        one = replace(one, route=f"{name} {FIRST}", asked=f"{name} {FIRST}")
        yield from _first_time(one, command, command.first, sides.service, recordings, is_twice)


def _first_time(
    one: Compared,
    command: Asked,
    first: str,
    service: Replayer,
    recordings: Recordings,
    is_twice: bool,
) -> Iterator[Compared]:
    """The monolith has done it: its second run is one of the service, with the same code."""
    try:
        asked, monolith = recordings.of(first)
    except NotComparable as error:
        yield replace(one, why_not=str(error))
        return
    answered = service.ask(command.operation, command.arguments, asked)
    yield _judged(one, compare_first_times, monolith, answered)
    if is_twice:
        again = service.ask(command.operation, command.arguments, asked)
        yield _judged(replace(one, kind=Kind.TWICE), compare_first_times, answered, again)


def _judged(one: Compared, compare: Compare, monolith: Answered, other: Answered) -> Compared:
    try:
        return replace(one, found=compare(monolith, other))
    except NotComparable as error:
        return replace(one, why_not=str(error))
