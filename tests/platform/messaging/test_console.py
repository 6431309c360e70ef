"""``manage.py events`` and ``relay``, AsyncAPI, settings for Celery, and upkeep."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from modules.platform.databases import atomic
from modules.platform.messaging import asyncapi, dedup, first_time, maintenance, metrics, publish
from modules.platform.messaging.carrier import (
    InlineCarrier,
    ack_queue_of,
    carried_by,
    celery_settings,
    outside_queue_of,
    outside_queues,
    queue_of,
    route,
    worker_queues,
)
from modules.platform.messaging.database import execute, row
from modules.platform.messaging.relay_process import RelayProcess
from modules.platform.messaging.testing import dead_letters, drain
from modules.platform.messaging.wake import Listener
from tests.platform.messaging.ledgers import SOURCE, TYPE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def events(*arguments: str) -> str:
    """What ``manage.py events`` prints."""
    out = StringIO()
    call_command("events", *arguments, stdout=out)
    return out.getvalue()


class Carries(InlineCarrier):
    """Says what it was told to of the queues; None: it cannot."""

    def __init__(self, waiting_in: dict[str, int] | None) -> None:
        super().__init__()
        self.waiting_in = waiting_in
        self.asked: set[str] = set()

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        self.asked |= set(queues)
        if self.waiting_in is None:
            raise ConnectionError("away")
        return self.waiting_in


@pytest.fixture
def dead_key(ledger: Ledger) -> UUID:
    key = uuid4()
    ledger.fail = lambda event: TypeError("wrong")
    publish_now(ran_low(key), ran_low(key))
    drain()
    ledger.fail = lambda event: None
    return key


def test_status_shows_lag_in_rows_and_seconds(ledger: Ledger) -> None:
    """Before and after the events are handled."""
    drain()
    publish_now(ran_low(), ran_low())
    [one] = json.loads(events("status", "--json", "--module", SOURCE))["subscriptions"]
    assert (one["source"], one["consumer"], one["lag_rows"]) == (SOURCE, "orders", 2)
    assert one["lag_seconds"] > 0
    drain()
    [one] = json.loads(events("--json", "status"))["subscriptions"]
    assert (one["lag_rows"], one["lag_seconds"]) == (0, 0)
    assert SOURCE in events("status")


def test_status_shows_what_no_worker_has_taken(ledger: Ledger) -> None:
    """And says so when the broker cannot be asked; all else is shown then, too."""
    drain()
    long = Carries({f"outside.{SOURCE}": 7, f"bus.{SOURCE}": 0})
    with carried_by(long):
        found = json.loads(events("status", "--json", "--module", SOURCE))
        assert (found["queues"], found["trouble"]) == (long.waiting_in, "")
        shown = events("status", "--module", SOURCE)
        assert "outside.inventory" in shown
        assert "bus.inventory" not in shown
    with carried_by(Carries({})):
        assert "No message waits in a queue." in events("status")
    with carried_by(Carries(None)):
        shown = events("status")
    assert "does not say how long its queues are: ConnectionError('away')" in shown
    assert SOURCE in shown


def test_relay_measures_the_queues(ledger: Ledger) -> None:
    """Of what this host has; and goes on where the broker cannot be asked."""
    carrier = Carries({"outside.orders": 3})
    relay = RelayProcess(carrier, Listener(""), lambda: (SOURCE, "orders"))
    relay.turn()
    assert metrics.QUEUE_DEPTH.labels("outside.orders")._value.get() == 3
    assert carrier.asked == {
        *(
            f"{kind}.{module}"
            for kind in ("bus", "bus.ack", "outside")
            for module in (SOURCE, "orders")
        )
    }
    RelayProcess(Carries(None), Listener(""), lambda: (SOURCE,)).turn()


def test_dead_groups_by_fingerprint(ledger: Ledger, dead_key: UUID) -> None:
    """With the place of the failure."""
    groups = json.loads(events("dead", "--json"))["groups"]
    assert {(g["state"], g["count"]) for g in groups} == {("dead", 1), ("blocked", 1)}
    assert "TypeError" in events("dead")


def test_replay_from_the_console(ledger: Ledger, dead_key: UUID) -> None:
    """In order, with a reason; --dry-run only counts."""
    options = ["--consumer", "orders", "--key", str(dead_key), "--reason", "fixed"]
    assert "would change 1" in events("replay", *options, "--dry-run")
    assert len(dead_letters()) == 1
    assert json.loads(events("replay", *options, "--json"))["changed"] == 1
    assert ledger.of(dead_key) == [100, 100]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["skip", "--consumer", "orders", "--all"], 1),
        (["skip", "--consumer", "orders", "--reason", "x"], 2),
        (["skip", "--consumer", "nobody", "--all", "--reason", "x"], 2),
        (["replay", "--consumer", "orders", "--from", "0", "--reason", "x"], 2),
        (["resolve", "--consumer", "orders", "--key", "none", "--reason", "x"], 1),
    ],
)
def test_wrong_use_changes_nothing(
    ledger: Ledger, dead_key: UUID, arguments: list[str], code: int
) -> None:
    """No reason, no choice, no such module: an exit code and a sentence."""
    with pytest.raises(SystemExit) as ended:
        events(*arguments)
    assert ended.value.code == code
    assert len(dead_letters()) == 1


def test_replay_of_the_log(ledger: Ledger) -> None:
    """``--from`` gives a consumer the retained events again."""
    key = uuid4()
    publish_now(ran_low(key, 3))
    drain()
    events(
        *("replay", "--consumer", "orders", "--source", SOURCE),
        *("--from", "0", "--reason", "rebuild"),
    )
    drain()
    assert ledger.of(key) == [3, 3]


def test_tail_shows_the_last_events_in_order(ledger: Ledger) -> None:
    """Of all modules, of one, or of one key."""
    key = uuid4()
    publish_now(ran_low(), ran_low(key, 1), ran_low(key, 2))
    lines = json.loads(events("tail", "--json", "--key", str(key)))
    assert [json.loads(line["data"])["available"] for line in lines] == [1, 2]
    assert len(events("tail", "-n", "2", "--module", SOURCE).splitlines()) == 2


def test_asyncapi_tells_what_is_said_and_heard(ledger: Ledger) -> None:
    """Every reference in the document leads somewhere."""
    document: Any = json.loads(events("asyncapi"))
    assert document["asyncapi"] == "3.0.0"
    name = f"{TYPE}.v1"
    assert document["operations"][f"orders.receive.{SOURCE}"]["messages"] == [
        {"$ref": f"#/channels/{SOURCE}/messages/{name}"}
    ]
    payload = document["components"]["messages"][name]["payload"]["$ref"]
    schema = follow(document, payload)
    assert set(schema["required"]) == {"sku", "available", "threshold"}
    for reference in references(document):
        assert follow(document, reference)
    assert document == json.loads(json.dumps(asyncapi.document()))


def follow(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [r for value in part.values() for r in references(value)]
    return [r for value in part for r in references(value)] if isinstance(part, list) else []


def test_celery_is_set_for_the_bus() -> None:
    """Late acknowledgement, one at a time, and quorum queues with confirms on RabbitMQ."""
    redis = celery_settings("redis://x")
    assert redis["task_acks_late"]
    assert redis["task_reject_on_worker_lost"]
    assert redis["worker_prefetch_multiplier"] == 1
    assert redis["task_ignore_result"]
    rabbit = celery_settings("amqp://x")
    assert rabbit["task_default_queue_type"] == "quorum"
    assert rabbit["broker_transport_options"]["confirm_publish"]


def test_limits_of_a_delivery_lie_inside_its_lease() -> None:
    """Else a batch would be sent again while it is being handled."""
    from modules.platform.messaging.claiming import LEASE
    from modules.platform.messaging.tasks import HARD_LIMIT, deliver

    assert timedelta(seconds=HARD_LIMIT) < LEASE
    assert deliver.time_limit == HARD_LIMIT


def test_queues_are_named_after_their_modules() -> None:
    """A module's periodic tasks go where its outside work goes: past its events."""
    assert worker_queues([SOURCE]) == [queue_of(SOURCE), ack_queue_of(SOURCE)]
    assert outside_queues([SOURCE]) == [outside_queue_of(SOURCE)] == [f"outside.{SOURCE}"]
    assert route(f"{SOURCE}.reconcile") == {"queue": f"outside.{SOURCE}"}
    assert route("rest.purge") is None


def test_webhook_is_taken_once(ledger: Ledger) -> None:
    """Until it is forgotten; and not at all when its transaction fails."""

    def fail() -> None:
        with atomic(SOURCE):
            assert first_time(SOURCE, source="stripe", key="evt_1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert first_time(SOURCE, source="stripe", key="evt_1")
    assert not first_time(SOURCE, source="stripe", key="evt_1")
    assert first_time(SOURCE, source="standin", key="evt_1")
    execute(SOURCE, "UPDATE bus_dedup SET seen_at = seen_at - interval '99 days'")
    assert dedup.forget_old(SOURCE) == 2


def test_upkeep_sets_the_gauges(ledger: Ledger, dead_key: UUID) -> None:
    """Lag, parked events by state."""
    publish_now(ran_low(), ran_low())
    maintenance.maintain(SOURCE)
    maintenance.maintain("orders")
    assert metrics.LAG_ROWS.labels(SOURCE, "orders")._value.get() == 2
    assert metrics.LETTERS.labels("orders", "dead")._value.get() == 1
    assert metrics.LETTERS.labels("orders", "blocked")._value.get() == 1


@pytest.mark.django_db(transaction=False, databases="__all__")
def test_drain_works_inside_a_test_transaction() -> None:
    """Tests that are rolled back see their own events delivered, too."""
    with atomic(SOURCE):
        publish(ran_low())
    before = row(SOURCE, "SELECT count(*) FROM bus_outbox")
    drain()
    assert before == (1,)
