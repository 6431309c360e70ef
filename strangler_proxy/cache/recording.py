"""An answer that is being kept while it passes to the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from strangler_proxy.errors import Field

if TYPE_CHECKING:
    from strangler_proxy.cache.freshness import Terms
    from strangler_proxy.cache.variants import Values


class Recording:
    """Give it every piece of the body, then ``commit`` once all of it came, or ``abort``.

    A body that turns out longer than the route's limit is let go. ``settle`` is the cache's.
    """

    __slots__ = ("_left", "_pieces", "_settle", "fields", "names", "status", "terms", "values")

    def __init__(
        self,
        status: int,
        fields: tuple[Field, ...],
        terms: Terms,
        names: tuple[bytes, ...],
        values: Values,
        limit: int,
        settle: Callable[[Recording, bytes | None, float], None],
    ) -> None:
        self.status = status
        self.fields = fields
        self.terms = terms
        self.names = names
        self.values = values
        self._left = limit
        self._pieces: list[bytes] | None = []
        self._settle = settle

    def write(self, data: bytes, now: float) -> None:
        """A piece of the body."""
        if self._pieces is None:
            return
        self._left -= len(data)
        if self._left < 0:
            self.abort(now)
        else:
            self._pieces.append(data)

    def commit(self, now: float) -> None:
        """The body is complete: store the answer."""
        if self._pieces is not None:
            pieces, self._pieces = self._pieces, None
            self._settle(self, b"".join(pieces), now)

    def abort(self, now: float) -> None:
        """It will not become complete, or is too long."""
        if self._pieces is not None:
            self._pieces = None
            self._settle(self, None, now)
