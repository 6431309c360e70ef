"""A dict of bounded size that forgets what was not asked for the longest, in O(1), without pauses.

Two generations: what is new or was asked for again lies in ``young``; when that has half of the
capacity (or is older than ``span``), it becomes the old one, and what the old one still had, which
nobody asked for in a whole generation, is forgotten. So a flood of names that come once pushes out
names that came once, and not those that keep coming.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FREED_AT_ONCE = 4  # entries; freeing 50,000 in one go would stop the loop for milliseconds


class Remembered(Generic[K, V]):
    """At most ``capacity`` entries that can be found; none younger than ``span`` seconds is
    forgotten while there is room.

    A hot path looks into ``young`` itself, and calls ``find`` for what is not there.
    """

    __slots__ = ("_dying", "_half", "_old", "_span", "_turns_at", "young")

    def __init__(self, capacity: int, span: float = float("inf")) -> None:
        self._half = max(1, capacity // 2)
        self._span = span
        self._turns_at = float("-inf")
        self.young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._dying: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: K, now: float = 0.0) -> V | None:
        """What is known of a key."""
        value = self.young.get(key)
        return value if value is not None else self.find(key, now)

    def find(self, key: K, now: float = 0.0) -> V | None:
        """What is known of a key that is not in ``young``; from now on it is there.

        Makes room: after it, one key may be put into ``young`` without asking.
        """
        if len(self.young) >= self._half or now >= self._turns_at:
            self._turn(now)
        dying = self._dying
        for _ in range(min(FREED_AT_ONCE, len(dying))):
            dying.popitem()
        value = self._old.pop(key, None)
        if value is not None:
            self.young[key] = value
        return value

    def keep(self, key: K, value: V, now: float = 0.0) -> None:
        """Remember ``value``, which is not None."""
        if key not in self.young:
            self.find(key, now)
        self.young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self.young, self._old, self._dying = {}, {}, {}

    def items(self) -> list[tuple[K, V]]:
        """Everything that can be found."""
        return [*self._old.items(), *self.young.items()]

    def _turn(self, now: float) -> None:
        self._dying, self._old, self.young = self._old, self.young, {}
        self._turns_at = now + self._span
