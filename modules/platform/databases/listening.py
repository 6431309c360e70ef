"""Waits for a word (NOTIFY) on a session of one's own, without looking up meanwhile.

psycopg's own wait wakes ten times a second to hear of signals, and spins through its last
millisecond: in a shop of a dozen processes with two ears each, much of what it did at rest.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg


def wait_for_word(connection: psycopg.Connection[Any], seconds: float) -> bool:
    """Return when ``connection`` has heard something, or after ``seconds``: whether it has.

    All that was heard is taken. For one thread, after LISTEN. A server that hangs up ends the wait;
    whoever asks it next is told.
    """
    if _heard(connection):
        return True
    ear = select.poll()
    ear.register(connection.fileno(), select.POLLIN | select.POLLPRI)
    ear.poll(max(0.0, seconds) * 1000)
    return _heard(connection)


def _heard(connection: psycopg.Connection[Any]) -> bool:
    """Whether words have come: with an answer, or since."""
    return bool(list(connection.notifies(timeout=0)))
