"""The real relay and Celery workers, killed under load, against a ledger."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from random import Random

import pytest
from django.conf import settings

from tests.platform.messaging.stack import Stack, stack

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


@pytest.fixture
def host() -> Iterator[Stack]:
    with stack(settings.DATABASE_URL) as running:
        yield running


def test_nothing_is_lost_doubled_or_reordered_under_kills_and_flushes(host: Stack) -> None:
    """Kills of workers and relays, FLUSHALL and ended sessions, for 12 s at 300 events/s."""
    random = Random(7)
    count = 3600
    host.worker()
    host.relay()
    host.relay("second relay")
    host.publish(count, 300, wait=False)
    harms = [
        lambda: (host.kill("worker"), host.worker()),
        host.flush_redis,
        lambda: (host.kill("relay"), host.relay()),
        host.end_sessions,
    ]
    done = 0
    while host.processes["publisher"].poll() is None:
        time.sleep(random.uniform(0.5, 1.2))
        harms[done % len(harms)]()
        done += 1
    assert host.processes["publisher"].returncode == 0, host.said("publisher")
    assert done >= 8
    host.wait_for(count, 60)
    host.check(count)


def test_nobody_has_to_be_started_anew_when_the_database_ends_all_sessions(host: Stack) -> None:
    """As a failover does, again and again: worker and relay get others."""
    count = 1200
    host.worker()
    host.relay()
    host.publish(count, 300, wait=False)
    while host.processes["publisher"].poll() is None:
        time.sleep(0.8)
        host.end_sessions()
    host.wait_for(count, 60)
    host.check(count)
    assert not host.died("worker")
    assert not host.died("relay")


def test_process_killed_at_every_boundary(host: Stack) -> None:
    """By environment variable each process dies at its own point, again and again."""
    count = 2000
    relay_points = ["relay.before_claim", "relay.claimed", "relay.before_send", "relay.after_send"]
    worker_points = ["deliver.begin", "deliver.handled", "deliver.committed", "receipt.after"]
    for point in worker_points:
        # The eleventh time: each child of the worker does some work before it dies.
        host.worker(point, 1, FICUS_CRASH_AT=f"{point}:11")
    host.relay(FICUS_CRASH_AT=f"{relay_points[0]}:6")
    host.publish(count, 100, wait=False)
    deaths = 0
    end = time.monotonic() + 60
    while host.processes["publisher"].poll() is None or deaths < len(relay_points):
        assert time.monotonic() < end, host.said("relay")
        time.sleep(0.1)
        if host.died("relay"):
            assert host.processes["relay"].returncode == 137, host.said("relay")
            deaths += 1
            host.relay(FICUS_CRASH_AT=f"{relay_points[deaths % 4]}:6")
    for point in worker_points:
        host.kill(point)
    host.kill("relay")
    host.relay()
    host.worker()
    host.wait_for(count, 60)
    host.check(count)


def test_relay_ends_cleanly_on_sigterm(host: Stack) -> None:
    """What is being sent is sent; the exit code is 0."""
    host.relay()
    end = time.monotonic() + 30
    while "relay: serving" not in host.said("relay"):
        assert time.monotonic() < end, host.said("relay")
        time.sleep(0.1)
    host.kill("relay", signal.SIGTERM)
    assert host.processes["relay"].returncode == 0, host.said("relay")
    assert "stopped by SIGTERM" in host.said("relay")
