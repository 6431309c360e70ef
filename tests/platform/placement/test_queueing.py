"""Whose workers get batches and other work: queues by the table, and by a host's role."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings

from extracted.payment.host import HOST as PAYMENT
from modules.platform.hosting.running.processes import host_processes
from modules.platform.messaging.carrier import (
    _by_role,
    ack_queue_of,
    install_placement,
    outside_queue_of,
    outside_queues,
    queue_of,
    route,
    service_queue_of,
    worker_queues,
)
from modules.platform.messaging.subscriptions import PARTS
from tests.platform.placement.tables import Still

SERVICE = service_queue_of("notification")


def _parts() -> list[bool]:
    """Of each partition, whether the service has it."""
    return [queue_of("notification", part) == SERVICE for part in range(PARTS)]


def test_batches_go_by_their_partition(still: Still) -> None:
    """One after another, from the last; no other module's."""
    shares = {0: 0, 1: 1, 25: 2, 50: 4, 99: 8, 100: 8}
    for percent, parts in shares.items():
        still.place("notification", percent)
        assert _parts() == [False] * (PARTS - parts) + [True] * parts
        assert queue_of("payment", PARTS - 1) == "bus.payment"


@pytest.mark.parametrize(("percent", "whose"), [(0, ""), (99, ""), (100, ".service")])
def test_undivided_work_goes_when_all_has_gone(still: Still, percent: int, whose: str) -> None:
    """Timers and retries by ``queue_of``, outside work by ``outside_queue_of``, and periodic tasks
    by Celery's router.
    """
    still.place("notification", percent)
    assert queue_of("notification") == f"bus.notification{whose}"
    assert outside_queue_of("notification") == f"outside.notification{whose}"
    assert route("notification.purge") == {"queue": f"outside.notification{whose}"}
    assert route("sagas.sweep") is None


def test_receipts_stay_the_monoliths(still: Still) -> None:
    """They are about its outboxes."""
    still.place("notification", 100)
    assert ack_queue_of("notification") == "bus.ack.notification"
    assert worker_queues(["notification"]) == ["bus.notification", "bus.ack.notification"]


def test_host_on_the_monoliths_data_has_queues_of_its_own() -> None:
    """What it gives its own workers goes there as well; to others it speaks as ever."""
    assert worker_queues(["notification"], role="origin") == [SERVICE]
    assert outside_queues(["notification"], role="origin") == ["outside.notification.service"]
    before = install_placement(_by_role)
    try:
        with override_settings(INSTANCE_ROLE="origin", FICUS_MODULES=("notification",)):
            assert (queue_of("notification"), queue_of("orders", 3)) == (SERVICE, "bus.orders")
        with override_settings(INSTANCE_ROLE="own", FICUS_MODULES=("notification",)):
            assert queue_of("notification") == "bus.notification"
    finally:
        install_placement(before)


@pytest.mark.parametrize(
    ("role", "queues", "kept"),
    [
        ("origin", "host.payment,bus.payment.service", set()),
        ("own", "host.payment,bus.payment,bus.ack.payment", {"relay", "beat"}),
    ],
)
def test_host_on_the_monoliths_data_neither_relays_nor_beats(
    tmp_path: Path, role: str, queues: str, kept: set[str]
) -> None:
    """The monolith does, once, and says whose turn it is."""
    env = PAYMENT.environment({"INSTANCE_ROLE": role})
    found = host_processes(PAYMENT, env, tmp_path, ("payment",), entrance="http://x")
    commands = {one.name: list(one.command) for one in found}
    worker = commands["worker"]
    assert worker[worker.index("--queues") + 1] == queues
    assert commands.keys() & {"relay", "beat"} == kept
    assert "web" in commands
