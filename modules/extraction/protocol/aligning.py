"""Makes one table of the follower the authority's, as of one moment; ``repairing`` says why it is
right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from psycopg import sql

from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.digests import Digest, read_sums
from modules.extraction.protocol.errors import Diverged
from modules.extraction.protocol.reading import Change
from modules.extraction.protocol.scrubbing import Difference, ScrubProgress, chunks, differing
from modules.extraction.protocol.sides import Direction
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import Table
from modules.extraction.protocol.unblocking import images, too_many

NOTHING = Decimal(0)
_SETTLE = """
UPDATE {room}.sums SET
    claimed_n = %(n)s, claimed_1 = %(s1)s, claimed_2 = %(s2)s,
    actual_n = %(n)s, actual_1 = %(s1)s, actual_2 = %(s2)s
WHERE stream = %(stream)s AND tab = %(tab)s
"""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Keys within which something differs, and the authority's count and sums of them."""

    keys: Range
    digest: tuple[int, int, int]
    found: tuple[Difference, ...]

    def of(self, *kinds: str) -> list[str]:
        """The keys of the rows of these kinds."""
        return [one.key for one in self.found if one.kind in kinds]


@dataclass
class Alignment:
    """Of one table, in the transaction of ``Stream.at_one_moment``."""

    stream: Stream
    theirs: Table  # the follower's
    report: Callable[[ScrubProgress], None]
    most: int
    wrong: list[_Chunk] = field(default_factory=list)

    @property
    def ours(self) -> Table:
        return self.theirs.within(self.stream.origin_side.schema)

    def run(self, chunk_rows: int) -> tuple[Difference, ...]:
        """Do it; which rows were wrong. Raises NotReady when they are too many, and Diverged."""
        total = self._compare(chunk_rows)
        self._replace()
        self._check()
        self._settle(total)
        return tuple(one for chunk in self.wrong for one in chunk.found)

    def _compare(self, chunk_rows: int) -> Digest:
        """The authority's digest of the whole table; collects the chunks that differ."""
        origin, end = self.stream.origin, self.stream.end
        total, count = Digest(0, NOTHING, NOTHING), 0
        for keys in chunks(origin, self.ours, chunk_rows):
            one, found = differing(origin, end, self.ours, self.theirs, keys)
            total += Digest(one[0], Decimal(one[1]), Decimal(one[2]))
            count += len(found)
            if count > self.most:
                raise too_many(count, self.most)
            if found:
                self.wrong.append(_Chunk(keys, one, tuple(found)))
            self.report(ScrubProgress(self.theirs.name, total.count, count))
        return total

    def _replace(self) -> None:
        """All that is wrong goes first, or what comes would find its unique values taken."""
        for chunk in self.wrong:
            self._drop(chunk)
        for chunk in self.wrong:
            self._put(chunk)

    def _drop(self, chunk: _Chunk) -> None:
        texts = chunk.of("changed", "extra")
        drops = images(self.stream.end, self.theirs, chunk.keys, texts)
        if drops is not None:
            self._apply(Change(self.theirs.number, 0, NOTHING, NOTHING, None, drops))

    def _put(self, chunk: _Chunk) -> None:
        texts = chunk.of("changed", "missing")
        puts = images(self.stream.origin, self.ours, chunk.keys, texts)
        if puts is not None:
            self._apply(Change(self.theirs.number, 0, NOTHING, NOTHING, puts, None))

    def _apply(self, change: Change) -> None:
        self.stream.appliers[self.theirs.number].apply(self.stream.end, change)

    def _check(self) -> None:
        """A trigger that fires even for appliers might have changed what was put."""
        for chunk in self.wrong:
            if digest(self.stream.end, self.theirs, chunk.keys) != chunk.digest:
                raise Diverged(self.stream.move.module, [self.theirs.name])

    def _settle(self, total: Digest) -> None:
        stream, number = self.stream, self.theirs.number
        resting = next(one for one in Direction if one is not stream.direction)
        _claimed, done = read_sums(stream.origin, stream.origin_side, resting)[number]
        values = {
            "n": total.count - done.count,
            "s1": total.sum_1 - done.sum_1,
            "s2": total.sum_2 - done.sum_2,
            "stream": stream.direction,
            "tab": number,
        }
        room = sql.Identifier(stream.end_side.room)
        stream.end.execute(sql.SQL(_SETTLE).format(room=room), values)
