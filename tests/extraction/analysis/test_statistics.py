"""The computations of the analysis, against published values and plain counting."""

from __future__ import annotations

import random
from math import comb, inf

import pytest

from modules.extraction.analysis.statistics import beyond, binomial, fisher, quantile

BOUNDS = (0.01, 0.1, 1.0)


@pytest.mark.parametrize(("right", "p"), [(4, 1 / 70), (3, 17 / 70), (0, 1.0)])
def test_lady_tasting_tea(right: int, p: float) -> None:
    """Fisher's own example: eight cups, four of them with the milk first."""
    assert fisher(right, 4, 4 - right, 4) == pytest.approx(p)


CHANCE = random.Random(7)


def some(most: int, count: int) -> tuple[int, ...]:
    return tuple(CHANCE.randint(0, most) for _ in range(count))


@pytest.mark.parametrize("counts", [some(40, 4) for _ in range(100)])
def test_fisher_is_what_counting_gives(counts: tuple[int, ...]) -> None:
    """Of all ways to deal the hits, the share of those that are as bad or worse."""
    hit, miss, hit_there, miss_there = counts
    one, other, hits = hit + miss, hit_there + miss_there, hit + hit_there
    ways = comb(one + other, hits)
    worse = sum(comb(one, k) * comb(other, hits - k) for k in range(hit, min(one, hits) + 1))
    expected = worse / ways if hits and one and other else 1.0
    assert fisher(hit, one, hit_there, other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("counts", [some(60, 2) for _ in range(30)])
def test_binomial_is_what_counting_gives(counts: tuple[int, ...], share: float) -> None:
    """The upper tail, with everything."""
    hits, n = counts[0], sum(counts)
    tail = sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits, n + 1))
    assert binomial(hits, n, share) == pytest.approx(tail, rel=1e-6)


def test_counts_of_millions_are_no_trouble() -> None:
    """Neither overflow nor a long wait."""
    assert fisher(60_000, 1_000_000, 500_000, 10_000_000) < 1e-300
    assert fisher(50_000, 1_000_000, 500_000, 10_000_000) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((0, 0, 0, 0), 0.95, None),
        ((100, 0, 0, 0), 0.95, 0.0095),
        ((0, 100, 0, 0), 0.5, 0.055),
        ((90, 0, 10, 0), 0.95, 0.55),
        ((50, 0, 0, 50), 0.95, 1.0),  # beyond the last bound: that bound
    ],
)
def test_quantile(counts: tuple[int, ...], share: float, expected: float | None) -> None:
    """Linear within a bucket."""
    found = quantile(share, BOUNDS, counts)
    assert found == expected if expected is None else found == pytest.approx(expected)


def test_beyond_counts_whole_buckets() -> None:
    """From a bound on; nothing lies beyond infinity."""
    counts = (1, 2, 4, 8)
    assert [beyond(limit, BOUNDS, counts) for limit in (*BOUNDS, inf)] == [14, 12, 8, 0]
