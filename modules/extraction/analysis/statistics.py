"""The three computations behind a judgement. Pure, exact, no dependency.

Sources: R. A. Fisher, *The Design of Experiments* (1935), section 21 (the exact test of two
proportions). J. Westenberg (1948) and A. M. Mood, *Introduction to the Theory of Statistics*
(1950), chapter 16 (the two-sample test of a quantile: counts beyond one threshold, compared by
Fisher's test), after W. J. Conover, *Practical Nonparametric Statistics*, 3rd ed., section 4.3.
C. J. Clopper and E. S. Pearson (1934) for one proportion against a given one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, inf, lgamma, log

NEGLIGIBLE = 1e-12  # of the sum so far: what is left cannot change a decision


def fisher(more: int, of_more: int, less: int, of_less: int) -> float:
    """The chance of ``more`` or more of the ``more + less`` hits falling among ``of_more``.

    One-sided, exact, for any counts: 1.0 where nothing was hit or seen. Sums the hypergeometric
    tail from ``more`` on.
    """
    hits, seen = more + less, of_more + of_less
    if not hits or not of_more or not of_less:
        return 1.0
    base = -_log_choose(seen, hits)

    def log_chance(k: int) -> float:
        return base + _log_choose(of_more, k) + _log_choose(of_less, hits - k)

    fewest, most = max(0, hits - of_less), min(hits, of_more)
    return _upper_tail(more, fewest, most, hits * of_more / seen, log_chance)


def binomial(hits: int, of: int, share: float) -> float:
    """The chance of ``hits`` or more among ``of`` where each is one with chance ``share``."""
    if not hits:
        return 1.0
    hit, miss = log(share), log(1 - share)

    def log_chance(k: int) -> float:
        return _log_choose(of, k) + k * hit + (of - k) * miss

    return _upper_tail(hits, 0, of, of * share, log_chance)


def quantile(share: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """Where ``share`` of all lies, from counts per bucket; None without any.

    Linear within its bucket, as Prometheus' ``histogram_quantile`` has it; beyond the last bound
    that bound.
    """
    rank, seen, low = share * sum(counts), 0, 0.0
    if not rank:
        return None
    for bound, count in zip((*bounds, inf), counts, strict=True):
        if count and seen + count >= rank:
            return low if bound == inf else low + (bound - low) * (rank - seen) / count
        seen, low = seen + count, bound
    return low


def beyond(limit: float, bounds: Sequence[float], counts: Sequence[int]) -> int:
    """How many took longer than ``limit``, which must be one of ``bounds`` (or infinite)."""
    return sum(count for low, count in zip((0.0, *bounds), counts, strict=True) if low >= limit)


def _upper_tail(
    begin: int, fewest: int, most: int, mean: float, log_chance: Callable[[int], float]
) -> float:
    """The chance of ``begin`` or more, summed away from the mean: there each is less likely than
    the one before, so a few hundred of a million are enough.
    """
    if begin > mean:
        return _summed(range(begin, most + 1), log_chance)
    return max(0.0, 1 - _summed(range(begin - 1, fewest - 1, -1), log_chance))


def _summed(ks: range, log_chance: Callable[[int], float]) -> float:
    total = 0.0
    for k in ks:
        part = exp(log_chance(k))
        total += part
        if part <= total * NEGLIGIBLE:
            break
    return min(1.0, total)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
