"""A provider that fails call after call is left alone for a while."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from modules.payment.providers import AnswerLost, NotSent, http
from modules.payment.providers.http import TRUST, HttpPool
from tests.standin import StandIn

REST = 0.3  # seconds


@pytest.fixture
def pool(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> HttpPool:
    """A client of its own, so that no other test's calls count."""
    monkeypatch.setattr(http, "TRUST", replace(TRUST, rest=REST))
    return HttpPool(standin.url, headers={})


def _read(pool: HttpPool, timeout: float = 5.0) -> int:
    return pool.send("GET", "/v1/charges?limit=1", timeout=timeout).status


def _left(standin: StandIn) -> int:
    """How many of the planned faults it has left."""
    return sum(planned["times"] for planned in standin.ask("GET", "/faults"))


@pytest.mark.parametrize("kind", ["error", "unavailable", "reset"])
def test_after_enough_calls_in_vain_it_is_not_asked(
    standin: StandIn, pool: HttpPool, kind: str
) -> None:
    """Whoever comes then hears at once that nothing was sent, and the provider hears nothing."""
    standin.faults("list", kind, times=100)
    for _ in range(TRUST.minimum):
        if kind == "reset":
            with pytest.raises(AnswerLost):
                _read(pool)
        else:
            assert _read(pool) >= 500
    left = _left(standin)
    with pytest.raises(NotSent, match="fails too often; it is tried again in"):
        _read(pool)
    assert _left(standin) == left > 0


def test_it_is_asked_again_and_trusted_again(standin: StandIn, pool: HttpPool) -> None:
    """After a rest by some, and by all when those were answered."""
    standin.faults("list", "error", times=TRUST.minimum)
    for _ in range(TRUST.minimum):
        _read(pool)
    with pytest.raises(NotSent):
        _read(pool)
    time.sleep(REST)
    assert [_read(pool) for _ in range(2 * TRUST.minimum)] == [200] * 2 * TRUST.minimum


def test_a_third_of_calls_in_vain_is_borne(standin: StandIn, pool: HttpPool) -> None:
    """It is in trouble, and most of those who ask are served."""
    for _ in range(3 * TRUST.minimum):
        standin.faults("list", "error")
        assert [_read(pool) for _ in range(3)] == [500, 200, 200]


def test_who_has_no_time_left_says_nothing_of_it(standin: StandIn, pool: HttpPool) -> None:
    """An answer that came too late for a caller in a hurry is no fault of the provider's."""
    standin.faults("list", "slow", times=2 * TRUST.minimum, seconds=0.3)
    for _ in range(2 * TRUST.minimum):
        with pytest.raises(AnswerLost):
            _read(pool, timeout=0.05)
    standin.no_faults()
    assert _read(pool) == 200
