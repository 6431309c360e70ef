"""Where a stream stands: a PostgreSQL snapshot, not a number.

A cursor over the log's sequence loses whoever drew a lower number and commits later; the order of
transaction ids inverts updates of one row. A snapshot says exactly which transactions have been
seen. Each read takes the log's rows that are visible now and were not in the last snapshot, in
log order; a row that two transactions change has them in that order, because the second waits for
the first before it draws its number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """All that ``base`` saw is applied; of what ``upto`` saw besides, the rows up to ``after``.

    The second part is there while more is waiting than one batch takes. ``turn`` counts the
    batches: two snapshots of a quiet database are the same text, though a chunk of the first copy
    may have come between them.
    """

    turn: int
    base: str
    upto: str | None = None
    after: int = 0

    def __str__(self) -> str:
        rest = "" if self.upto is None else f"/{self.upto}/{self.after}"
        return f"{self.turn}@{self.base}{rest}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The reverse of ``str()``."""
        turn, _, text = text.partition("@")
        base, _, rest = text.partition("/")
        upto, _, after = rest.partition("/")
        return cls(int(turn), base, upto or None, int(after or 0))
