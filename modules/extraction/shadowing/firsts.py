"""Records the first time of a command: what it heard, answered and wrote, and when.

Its rows stay in the module's database, where a trigger keeps them under the command's id
(``protocol.recording``). What is heard is kept here, and both come together when the command is
replayed. Costs its caller two statements: the session says for whom it writes, and no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import structlog
from django.db import DatabaseError, connections

from modules.extraction.protocol.recording import Since
from modules.platform.contracts import CallContext, ContractError, current_context
from modules.platform.contracts.codec import encode
from modules.platform.databases import alias_of
from modules.platform.hosting.dry import refused
from modules.platform.outside import Heard, Recorder, hearing, is_heard

log = structlog.get_logger(__name__)

LONGEST = 65_536  # bytes; what says more than that is not kept
# Bytes of recorded rows: where nobody has replayed so many, nobody is at it, and no more are kept.
MOST_ROWS = 64 << 20
_BEGIN = "SELECT * FROM {}.begin_recording(%s, %s)"
_END = "SELECT set_config('ficus.recording', '', false)"


class FirstTime(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was done for the first time, but for the rows that it wrote.

    ``since`` is when it ``began``, as its database has it; it ``took`` so many seconds.
    """

    command: UUID
    since: Since
    began: datetime
    took: float
    context: CallContext
    heard: Heard
    answer: Any = None
    error: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Recording:
    """One that is under way. Whole is what has ended with an answer or an error of the contract."""

    command: UUID
    since: Since
    began: datetime
    recorder: Recorder
    took: float = 0.0
    answer: object = None
    error: ContractError | None = None
    is_whole: bool = False

    def listen(self, call: Callable[[], Any]) -> Any:
        """What ``call`` answers or raises, which is remembered."""
        with hearing(self.recorder):
            try:
                self.answer = call()
            except ContractError as error:
                self.error, self.is_whole = error, True
                raise
        self.is_whole = True
        return self.answer

    def told(self) -> str | None:
        """It as JSON; None when it is not whole, or too much."""
        if not self.is_whole:
            return None
        error = None if self.error is None else refused(self.error).error
        text = encode(
            FirstTime(
                command=self.command,
                since=self.since,
                began=self.began,
                took=self.took,
                context=replace(current_context(), deadline=None),
                heard=self.recorder.heard,
                answer=self.answer,
                error=error,
            )
        )
        return text.decode() if len(text) <= LONGEST else None


@contextmanager
def recording(module: str) -> Iterator[Recording | None]:
    """Have what a command does inside recorded; None where that cannot be, which is no reason not
    to do it.
    """
    began = None if is_heard() else _begun(module)
    if began is None:
        yield None
        return
    try:
        yield began
    finally:
        began.took = (datetime.now(UTC) - began.began).total_seconds()
        _end(module, began)


def _begun(module: str) -> Recording | None:
    """None in a transaction of the caller's, too: nobody knows whether it will stand."""
    connection, command = connections[alias_of(module)], uuid4()
    if connection.in_atomic_block:
        return None
    room = connection.ops.quote_name(f"{module}_move")
    try:
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN.format(room), [command, MOST_ROWS])
            since = Since(*cursor.fetchone())
    except DatabaseError as error:  # it meets the command, too, or nothing is to be recorded
        log.debug("extraction.command_not_recorded", module=module, error=str(error).strip())
        return None
    if since.snapshot is None:
        return None
    return Recording(command=command, since=since, began=datetime.now(UTC), recorder=Recorder())


def _end(module: str, began: Recording) -> None:
    connection = connections[alias_of(module)]
    try:
        with connection.cursor() as cursor:
            cursor.execute(_END)
    except DatabaseError as error:
        # What is written later must not pass for this command's.
        log.warning("extraction.command_not_recorded", module=module, error=str(error).strip())
        began.is_whole = False
        connection.close()
