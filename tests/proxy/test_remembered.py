"""A bounded memory: it forgets what nobody asks for, and nothing else before it must."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.auth.remembered import Remembered


@given(keys=st.lists(st.integers(0, 30), max_size=300), capacity=st.integers(2, 20))
def test_the_last_half_of_the_capacity_is_always_known(keys: list[int], capacity: int) -> None:
    """So many different keys, those asked for last, with their values; and never more in all."""
    memory = Remembered[int, str](capacity)
    for at, key in enumerate(keys):
        known = memory.get(key)
        if known is None:
            memory.keep(key, str(key))
        assert memory.get(key) == str(key)
        assert len(memory) <= capacity
        recent = list(dict.fromkeys(reversed(keys[: at + 1])))[: capacity // 2]
        kept = dict(memory.items())
        assert all(kept[one] == str(one) for one in recent)


def test_nothing_younger_than_its_span_is_forgotten_while_there_is_room() -> None:
    """And what is older than two of them is."""
    memory = Remembered[str, int](100, span=10.0)
    memory.keep("a", 1, now=0.0)
    for second in range(1, 11):
        memory.keep(f"b{second}", second, now=float(second))
        assert "a" in dict(memory.items())
    memory.keep("c", 1, now=21.0)
    memory.keep("d", 1, now=32.0)
    assert dict(memory.items()) == {"c": 1, "d": 1}


def test_a_kept_value_replaces_the_old_one_wherever_it_lies() -> None:
    """Also one of the generation before."""
    memory = Remembered[str, int](4)
    for key in "abc":
        memory.keep(key, 1)
    memory.keep("a", 2)
    assert memory.get("a") == 2
    assert sorted(memory.items()) == [("a", 2), ("b", 1), ("c", 1)]


def test_clearing_forgets_everything() -> None:
    """Both generations."""
    memory = Remembered[str, int](4)
    for key in "abc":
        memory.keep(key, 1)
    memory.clear()
    assert len(memory) == 0
    assert [memory.get(key) for key in "abc"] == [None, None, None]
