"""Where stored answers are: by key and variant, the least recently used leave first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from strangler_proxy.cache.freshness import Headers
from strangler_proxy.cache.stored import Key, Stored
from strangler_proxy.cache.variants import Values, values_of

VARY_SETS = 8  # different sets of names in Vary that one key may have; more are a fault upstream
Place = tuple[bytes, bytes, bool]  # target, host, secure: what invalidation names


class Memory:
    """Bounded by bytes. ``size`` and ``entries`` are what it holds now."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self.evicted = 0
        self._variants: dict[Key, dict[tuple[bytes, ...], dict[Values, Stored]]] = {}
        self._places: dict[Place, set[Key]] = {}
        self._used: OrderedDict[Stored, None] = OrderedDict()

    @property
    def entries(self) -> int:
        return len(self._used)

    def find(self, key: Key, headers: Headers) -> Stored | None:
        """The newest answer that suits a request with these headers."""
        sets = self._variants.get(key)
        if sets is None:
            return None
        best = None
        for names, variants in sets.items():
            stored = variants.get(values_of(names, headers) if names else ())
            if stored is not None and (best is None or stored.terms.date >= best.terms.date):
                best = stored
        if best is not None:
            self._used.move_to_end(best)
        return best

    def knows(self, key: Key) -> bool:
        """Whether there is any variant."""
        return key in self._variants

    def variant(self, key: Key, headers: Headers) -> tuple[Values, ...]:
        """What tells this request from others for the same key, as far as we know."""
        return tuple([values_of(names, headers) for names in self._variants.get(key, ())])

    def put(self, stored: Stored) -> None:
        """Keep an answer instead of the one for the same variant. Too large ones are not kept."""
        old = self._variants.get(stored.key, {}).get(stored.names, {}).get(stored.values)
        if old is not None:
            self.drop(old)
        if stored.size > self.max_bytes:
            return
        sets = self._variants.setdefault(stored.key, {})
        while stored.names not in sets and len(sets) >= VARY_SETS:
            self._drop_all(next(iter(sets.values())))
        sets.setdefault(stored.names, {})[stored.values] = stored
        self._places.setdefault(stored.key[:3], set()).add(stored.key)
        self._used[stored] = None
        self.size += stored.size
        self._shrink()

    def holds(self, stored: Stored) -> bool:
        """Whether this very answer is still there."""
        return stored in self._used

    def drop(self, stored: Stored) -> None:
        """Forget one answer, if it is there."""
        if stored not in self._used:
            return
        del self._used[stored]
        self.size -= stored.size
        sets = self._variants[stored.key]
        del sets[stored.names][stored.values]
        if not sets[stored.names]:
            del sets[stored.names]
        if not sets:
            del self._variants[stored.key]
            keys = self._places[stored.key[:3]]
            keys.discard(stored.key)
            if not keys:
                del self._places[stored.key[:3]]

    def drop_place(self, place: Place) -> int:
        """Forget all that is stored for a URI; how many answers that were."""
        gone = list(self._at(place))
        for stored in gone:
            self.drop(stored)
        return len(gone)

    def clear(self) -> None:
        """Forget everything."""
        for one in (self._variants, self._places, self._used):
            one.clear()
        self.size = 0

    def resize(self, max_bytes: int) -> None:
        """Another bound, from now on."""
        self.max_bytes = max_bytes
        self._shrink()

    def _at(self, place: Place) -> Iterator[Stored]:
        for key in self._places.get(place, ()):
            for variants in self._variants[key].values():
                yield from variants.values()

    def _drop_all(self, variants: dict[Values, Stored]) -> None:
        for stored in list(variants.values()):
            self.drop(stored)

    def _shrink(self) -> None:
        while self.size > self.max_bytes:
            self.drop(next(iter(self._used)))
            self.evicted += 1
