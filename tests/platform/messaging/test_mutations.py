"""The gate: each seeded bug must be caught by the battery, else the battery proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction

from modules.platform.databases import atomic
from modules.platform.messaging import (
    claiming,
    dedup,
    delivery,
    failures,
    outside,
    parking,
    publishing,
    relay,
    subscriptions,
    timers,
)
from modules.platform.messaging.carrier import InlineCarrier, carrier
from modules.platform.messaging.database import execute
from modules.platform.messaging.wire import Receipt
from tests.platform.messaging import battery
from tests.platform.messaging.ledgers import SOURCE, Ledger, publish_by

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]

MUTATIONS: dict[str, Mutation] = {}


def mutation(seed: Mutation) -> Mutation:
    MUTATIONS[seed.__name__] = seed
    return seed


def swap(patch: Patch, module: Any, name: str, old: str, new: str) -> None:
    """Change one piece of a statement; it has to be there."""
    text = getattr(module, name)
    assert old in text, f"{module.__name__}.{name} no longer contains {old!r}"
    patch.setattr(module, name, text.replace(old, new))


@mutation
def nothing_is_deduplicated(patch: Patch) -> None:
    patch.setattr(delivery, "_news", lambda batch, pos: batch.unpacked)
    swap(patch, delivery, "_ADVANCE", "SET pos = %s", "SET pos = least(pos, %s)")


@mutation
def cursor_is_not_advanced(patch: Patch) -> None:
    swap(patch, delivery, "_ADVANCE", "SET pos = %s", "SET pos = least(pos, %s)")


@mutation
def cursor_is_committed_before_the_handlers(patch: Patch) -> None:
    def early(batch: Any) -> Any:
        with atomic(batch.consumer):
            pos = delivery._position(batch)
            if batch.after > pos or batch.to <= pos:
                return delivery._out_of_place(batch, pos), []
            news = delivery._news(batch, pos)
            receipt = delivery._advance(batch, len(news))
        with atomic(batch.consumer):
            for event in news:
                delivery.handle(batch.consumer, event)
        return receipt, news

    patch.setattr(delivery, "_in_one_go", early)


@mutation
def gap_is_accepted(patch: Patch) -> None:
    real = delivery._position
    patch.setattr(delivery, "_position", lambda batch: max(real(batch), batch.after))


@mutation
def rewind_is_ignored(patch: Patch) -> None:
    swap(patch, subscriptions, "_REWIND", "WHERE", "WHERE false AND")


@mutation
def batch_is_retired_when_sent(patch: Patch) -> None:
    class Eager(InlineCarrier):
        pass

    real = InlineCarrier.deliver

    def deliver(self: InlineCarrier, batch: Any) -> None:
        real(self, batch)
        subscriptions.acknowledge(
            Receipt(source=batch.source, consumer=batch.consumer, part=batch.part, pos=batch.to)
        )

    patch.setattr(InlineCarrier, "deliver", deliver)


@mutation
def lease_never_ends(patch: Patch) -> None:
    swap(
        patch,
        claiming,
        "_CLAIM",
        "< clock_timestamp() + %(ahead)s::interval END",
        "< clock_timestamp() + %(ahead)s::interval AND false END",
    )


@mutation
def lease_is_ignored(patch: Patch) -> None:
    swap(
        patch,
        claiming,
        "_CLAIM",
        "< clock_timestamp() + %(ahead)s::interval END",
        "< clock_timestamp() + %(ahead)s::interval OR true END",
    )


@mutation
def resend_starts_at_what_was_sent(patch: Patch) -> None:
    swap(patch, claiming, "_CLAIM", "ELSE s.acked END AS start", "ELSE s.sent END AS start")


@mutation
def relay_reads_up_to_the_head(patch: Patch) -> None:
    swap(patch, relay, "_LOOK", "bus_horizon()", "bus_head()")


@mutation
def publishers_take_no_lock(patch: Patch) -> None:
    found = battery.rows(SOURCE, "SELECT pg_get_functiondef('bus_publish'::regproc)")
    source = found[0][0]
    lock = "pg_advisory_xact_lock_shared(space, low::integer)"
    assert lock in source
    execute(SOURCE, source.replace(lock, "pg_sleep(0)").replace("%", "%%"), [])
    RESTORE.append(source)


RESTORE: list[str] = []


@mutation
def parked_keys_are_ignored(patch: Patch) -> None:
    patch.setattr(delivery, "_blocked_keys", lambda batch: set())


@mutation
def parked_key_blocks_its_whole_part(patch: Patch) -> None:
    real = delivery._blocked_keys

    def all_of_it(batch: Any) -> set[str]:
        return {event.subject for event in batch.unpacked} if real(batch) else set()

    patch.setattr(delivery, "_blocked_keys", all_of_it)
    patch.setattr(subscriptions, "PARTS", 1)
    swap(patch, claiming, "_CLAIM", "o.part = d.part", "true")


@mutation
def failing_event_is_dropped(patch: Patch) -> None:
    patch.setattr(parking, "park", lambda batch, event, error: None)


@mutation
def nothing_follows_a_retry(patch: Patch) -> None:
    patch.setattr(parking, "promote", lambda *place: None)


@mutation
def retry_counts_as_done_when_it_fails(patch: Patch) -> None:
    swap(patch, parking, "_AGAIN", "SET state = %(state)s", "SET state = 'resolved'")


@mutation
def retries_never_end(patch: Patch) -> None:
    patch.setattr(failures, "RETRIES", dict.fromkeys(failures.Kind, 10**6))


@mutation
def bugs_are_retried_like_outages(patch: Patch) -> None:
    patch.setattr(failures, "RETRIES", dict.fromkeys(failures.Kind, 5))


@mutation
def failing_event_keeps_its_effects(patch: Patch) -> None:
    def no_savepoint(consumer: str, event: Any, hopeless: Any) -> Exception | None:
        try:
            delivery.handle(consumer, event)
        except Exception as error:
            return error
        return None

    patch.setattr(delivery, "_try", no_savepoint)


@mutation
def event_is_published_on_a_connection_of_its_own(patch: Patch) -> None:
    def outside_of_it(module: str, events: Any) -> None:
        parameters = dict(connections[module].get_connection_params())
        for own in ("cursor_factory", "context", "pool", "prepare_threshold"):
            parameters.pop(own, None)
        parameters.pop("server_side_binding", None)
        with psycopg.connect(**parameters, autocommit=True) as connection:
            for event in events:
                publish_by(connection, event)

    patch.setattr(publishing, "_store", outside_of_it)


@mutation
def receipt_goes_backwards(patch: Patch) -> None:
    swap(patch, subscriptions, "_RECEIPT", "acked = greatest(acked, %(pos)s)", "acked = %(pos)s")
    swap(patch, subscriptions, "_RECEIPT", "acked < %(pos)s", "true")


@mutation
def refused_batch_waits_for_its_lease(patch: Patch) -> None:
    patch.setattr(relay, "release", lambda module, claims: None)


@mutation
def timer_is_removed_after_its_handler(patch: Patch) -> None:
    swap(patch, timers, "_FIRED", "WHERE id = %s", "WHERE false AND id = %s")
    real = timers._handle

    def handle(fired: Any, headers: Any) -> None:
        real(fired, headers)
        timers.cancel(fired.module, key=fired.key, type=fired.type)

    patch.setattr(timers, "_handle", handle)


@mutation
def timer_stays(patch: Patch) -> None:
    swap(patch, timers, "_FIRED", "WHERE id = %s", "WHERE false AND id = %s")


@mutation
def outside_work_starts_before_the_commit(patch: Patch) -> None:
    def at_once(module: str, task: Any, *args: Any, **kwargs: Any) -> None:
        carrier().call(module, task, args, kwargs)

    patch.setattr(battery, "after_commit", at_once)
    assert outside.after_commit is not at_once


@mutation
def webhooks_are_not_remembered(patch: Patch) -> None:
    patch.setattr(battery, "first_time", lambda module, source, key: True)
    assert dedup.first_time is not battery.first_time


def caught(ledger: Ledger, inline: InlineCarrier) -> str | None:
    """The first scenario that fails, or None."""
    for scenario in battery.BATTERY:
        try:
            scenario(ledger, inline)
        except (AssertionError, TimeoutError):
            return scenario.__name__
        ledger.fail = lambda event: None
        inline.waiting.clear()
        clean()
    return None


def clean() -> None:
    """Each scenario starts from nothing."""
    with transaction.atomic(using="orders"):
        execute("orders", "TRUNCATE bus_cursor, bus_parked, bus_timer, bus_test_ledger")
    execute(SOURCE, "TRUNCATE bus_outbox, bus_subscription, bus_dedup")


def test_battery_passes_as_it_is(ledger: Ledger, carrier: InlineCarrier) -> None:
    """So that what the gate catches is the bug."""
    assert caught(ledger, carrier) is None


def test_there_are_enough_seeded_bugs() -> None:
    assert len(MUTATIONS) >= 15


@pytest.mark.parametrize("name", MUTATIONS)
def test_seeded_bug_is_caught(
    ledger: Ledger, carrier: InlineCarrier, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By some scenario of the battery."""
    MUTATIONS[name](monkeypatch)
    try:
        scenario = caught(ledger, carrier)
        assert scenario is not None, f"nobody noticed: {name}"
        print(f"{name}: caught by {scenario}")
    finally:
        monkeypatch.undo()
        for source in RESTORE:
            execute(SOURCE, source.replace("%", "%%"), [])
        RESTORE.clear()
