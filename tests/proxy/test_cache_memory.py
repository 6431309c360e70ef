"""The store stays within its bytes, and forgets what was not used the longest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.cache.freshness import Terms
from strangler_proxy.cache.memory import VARY_SETS, Memory
from strangler_proxy.cache.stored import OVERHEAD, Key, Stored
from strangler_proxy.cache.variants import values_of
from tests.proxy.cached_shop import Reply, Shop, fresh

TERMS = Terms(0.0, 0.0, 60.0, False, False, 0.0, 0.0, frozenset())
SMALL = 10 * OVERHEAD


def _key(target: int, upstream: int = 0) -> Key:
    return b"/%d" % target, b"shop.example", True, "shop", str(upstream)


def _stored(target: int, upstream: int, names: int, value: int, size: int) -> Stored:
    fields = tuple(b"x%d" % number for number in range(names))
    values = values_of(fields, dict.fromkeys(fields, b"%d" % value))
    return Stored(_key(target, upstream), fields, values, 200, (), b"x" * size, TERMS)


_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            *(st.integers(0, limit) for limit in (5, 2, 12, 2)),
            st.integers(0, 12 * OVERHEAD),
        ),
        st.tuples(st.just("find"), *(st.integers(0, limit) for limit in (5, 2, 2))),
        st.tuples(st.just("place"), st.integers(0, 5)),
        st.tuples(st.just("drop"), st.integers(0, 200)),
        st.tuples(st.just("resize"), st.integers(0, SMALL)),
        st.tuples(st.just("clear")),
    ),
    max_size=60,
)


@given(_OPERATIONS)
def test_books_are_right(operations: list[tuple[object, ...]]) -> None:
    """Whatever happens: the size is that of what is there, within bounds, and all can be found."""
    memory = Memory(SMALL)
    put: list[Stored] = []
    for name, *numbers in operations:
        _do(memory, put, name, *numbers)  # type: ignore[arg-type]
        there = [stored for stored in put if memory.holds(stored)]
        assert memory.size == sum(stored.size for stored in there)
        assert memory.entries == len(there)
        assert memory.size <= memory.max_bytes
        for stored in there:
            headers = dict(zip(stored.names, stored.values, strict=True))
            assert memory.find(stored.key, headers) is not None  # type: ignore[arg-type]
    memory.clear()
    assert (memory.size, memory.entries) == (0, 0)
    assert not any(memory.knows(stored.key) for stored in put)


def _do(memory: Memory, put: list[Stored], name: str, *numbers: int) -> None:
    if name == "put":
        put.append(_stored(*numbers))
        memory.put(put[-1])
    elif name == "find":
        headers = {b"x0": b"%d" % numbers[2]}
        found = memory.find(_key(*numbers[:2]), headers)
        assert found is None or found.values == values_of(found.names, headers)
    elif name == "place":
        count = memory.entries
        gone = memory.drop_place(_key(*numbers)[:3])
        assert memory.entries == count - gone
        assert not any(memory.knows(_key(*numbers, upstream)) for upstream in range(3))
    elif name == "drop" and put:
        memory.drop(put[numbers[0] % len(put)])
        assert not memory.holds(put[numbers[0] % len(put)])
    elif name == "resize":
        memory.resize(*numbers)
    elif name == "clear":
        memory.clear()


def test_least_recently_used_leaves_first() -> None:
    """Being served counts as use."""
    shop = Shop(size=3 * 2 * OVERHEAD)
    for target in (b"/a", b"/b", b"/c"):
        shop.get(Reply(fresh().headers, body=b"x" * OVERHEAD), target=target)
    assert shop.cache.memory.entries == 2
    assert shop.get(target=b"/b").from_cache
    shop.get(Reply(fresh().headers, body=b"x" * OVERHEAD), target=b"/d")
    assert shop.get(target=b"/b").from_cache
    assert not shop.get(Reply(), target=b"/c").from_cache
    assert shop.cache.memory.evicted == 2


def test_answer_larger_than_the_whole_store_is_not_kept() -> None:
    """Nor does it drive out the others - but it takes the place of its own older self."""
    shop = Shop(size=4 * OVERHEAD)
    shop.get(fresh(), target=b"/a")
    shop.get(fresh(5), target=b"/b")
    shop.later(6)
    shop.get(Reply(fresh().headers, body=b"x" * 4 * OVERHEAD), target=b"/b")
    assert shop.cache.memory.entries == 1
    assert shop.get(target=b"/a").from_cache


def test_ways_to_vary_are_bounded() -> None:
    """An upstream that names other fields each time does not make look-ups slow."""
    shop = Shop()
    for number in range(VARY_SETS + 5):
        shop.get(fresh(0, etag='"a"', vary=f"x{number}"))
    assert shop.cache.memory.entries == VARY_SETS
