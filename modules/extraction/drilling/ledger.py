"""Whether every write that was accepted is there once, on both sides, and nothing else is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from modules.extraction.drilling.tickets import ACCOUNTS, NOTES, TICKETS
from modules.extraction.drilling.writers import Accepted
from modules.extraction.protocol.sides import Move, Side

_TICKETS = "SELECT body ->> 'ticket' FROM {table}"
_BALANCES = "SELECT coalesce(sum(balance), 0)::bigint FROM {table}"
_NOTES = "SELECT count(*) FROM {table}"
WRITERS_MOST = 16  # notes that may stand: each writer's last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one side has that it should not, or has not. ``wrong`` says the rest in words."""

    lost: int = 0
    doubled: int = 0
    stray: int = 0
    wrong: str = ""

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.stray or self.wrong)

    def __str__(self) -> str:
        words = f"{self.lost} lost, {self.doubled} doubled, {self.stray} stray"
        return f"{words}, {self.wrong}" if self.wrong else words


@dataclass(slots=True)
class Ledger:
    """Kept in this process, outside the databases."""

    tickets: list[Accepted] = field(default_factory=list)

    def add(self, accepted: list[tuple[str, int, float]]) -> None:
        """What the writers have had accepted since they were asked last."""
        self.tickets += [Accepted(*one) for one in accepted]

    def first_after(self, moment: float, *, side: int | None = None) -> float | None:
        """When the first write after ``moment`` was accepted: on ``side``, or on any."""
        return min(
            (
                one.when
                for one in self.tickets
                if one.when > moment and (side is None or one.side == side)
            ),
            default=None,
        )

    def judged(self, move: Move) -> Account:
        """Both sides against it, while nobody writes and the streams are at their ends."""
        found = [self._side(side) for side in move.sides]
        return next((one for one in found if not one.holds), found[0])

    def _side(self, side: Side) -> Account:
        with psycopg.connect(side.url, autocommit=True) as connection:
            there = Counter(
                row[0] for row in connection.execute(_query(_TICKETS, side, TICKETS)).fetchall()
            )
            balance = connection.execute(_query(_BALANCES, side, ACCOUNTS)).fetchone()
            notes = connection.execute(_query(_NOTES, side, NOTES)).fetchone()
        wanted = {one.ticket for one in self.tickets}
        wrong = []
        if balance is None or balance[0] != len(wanted):
            wrong.append(f"{len(wanted)} tickets, balances of {balance and balance[0]}")
        if notes is None or notes[0] > WRITERS_MOST:
            wrong.append(f"{notes and notes[0]} notes that should be gone")
        return Account(
            lost=len(wanted - there.keys()),
            doubled=len(self.tickets) - len(wanted) + sum(n - 1 for n in there.values()),
            stray=len(there.keys() - wanted),
            wrong=f"{side.name}: {', '.join(wrong)}" if wrong else "",
        )


def _query(text: str, side: Side, table: str) -> sql.Composed:
    return sql.SQL(text).format(table=sql.Identifier(side.schema, table))
