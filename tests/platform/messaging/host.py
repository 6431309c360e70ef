"""A small host of two modules, inventory and orders, as real processes, to be killed and measured.

    celery -A tests.platform.messaging.host worker -Q bus.orders,bus.ack.inventory
    python -m tests.platform.messaging.host migrate | relay | publish <events> <per transaction>
    python -m tests.platform.messaging.host attended <queue>

DATABASE_URL, REDIS_URL and BROKER_URL say where. Orders writes each event it hears as a row of
``bus_audit``, through the ORM: actor = key, changed = available, target = event id.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any
from uuid import UUID

import django
from celery import Celery
from django.conf import settings

from modules.inventory.contract.events import StockRanLow
from modules.platform.databases.aliases import database_settings
from modules.platform.messaging import taking
from modules.platform.messaging.carrier import CeleryCarrier, celery_settings, worker_queues
from tests.platform.example import EXAMPLE as SOURCE

MODULES = (SOURCE, "orders")


def _configure() -> None:
    redis_url = os.environ.get("BROKER_URL") or os.environ["REDIS_URL"]
    settings.configure(
        SECRET_KEY="host",
        USE_TZ=True,
        FICUS_MODULES=MODULES,
        REDIS_URL=os.environ["REDIS_URL"],
        BUS_LEASE=float(os.environ.get("HOST_LEASE", "30")),
        DATABASE_ROLES=False,
        DATABASES=database_settings(
            url=os.environ["DATABASE_URL"],
            modules=MODULES,
            overrides={},
            pool={"min_size": 0, "max_size": 10, "timeout": 10},
            roles=False,
        )
        | {"default": {}},
        DATABASE_ROUTERS=["modules.platform.databases.router.ModuleRouter"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "modules.platform.databases.apps.DatabasesConfig",
            "modules.platform.messaging.apps.MessagingConfig",
        ],
        **{f"CELERY_{name.upper()}": value for name, value in celery_settings(redis_url).items()},
    )
    django.setup()


_configure()
# As a host's: connections go back to their pools between two tasks, and broken ones are dropped.
app = Celery("host", fixups=["modules.platform.hosting.worker_fixup:fixup"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["modules.platform.messaging"])
taking.install(app)


def write_down(event: StockRanLow) -> None:
    """Orders' handler: one ORM insert."""
    from modules.platform.messaging import current_envelope
    from modules.platform.messaging.models import Steering

    envelope = current_envelope()
    Steering.objects.using("orders").create(
        actor=event.key(),
        verb="heard",
        target=str(envelope.id) if envelope else "",
        reason="",
        changed=event.available,
    )


def insert_down(event: StockRanLow) -> None:
    """The same in one statement of SQL."""
    from modules.platform.messaging import current_envelope
    from modules.platform.messaging.database import execute

    envelope = current_envelope()
    execute(
        "orders",
        "INSERT INTO bus_audit (actor, verb, target, reason, changed) "
        "VALUES (%s, 'heard', %s, '', %s)",
        [event.key(), str(envelope.id) if envelope else "", event.available],
    )


def subscribe_orders() -> None:
    """Orders hears inventory, with the handler that HOST_HANDLER names."""
    from modules.platform.messaging import subscribe

    handler = {"orm": write_down, "sql": insert_down}[os.environ.get("HOST_HANDLER", "orm")]
    subscribe("orders", {StockRanLow: [handler]})


subscribe_orders()


def publish_events(count: int, per_transaction: int, rate: float = 0.0, keys: int = 64) -> int:
    """Publish ``count`` events, round the keys, each key's numbers counting up from 0."""
    from modules.platform.databases import atomic
    from modules.platform.messaging import publish

    names = [str(UUID(int=n + 1)) for n in range(keys)]
    started = time.monotonic()
    for first in range(0, count, per_transaction):
        with atomic(SOURCE):
            publish(
                *(
                    StockRanLow(sku=names[n % keys], available=n // keys, threshold=0)
                    for n in range(first, min(first + per_transaction, count))
                )
            )
        if rate:
            time.sleep(max(0.0, started + (first + per_transaction) / rate - time.monotonic()))
    return count


def migrate() -> None:
    from django.core.management import call_command

    for alias in MODULES:
        call_command("migrate", database=alias, verbosity=0)


def main(arguments: list[str]) -> int:
    from django.core.management import call_command

    verb, *rest = arguments
    actions: dict[str, Any] = {
        "migrate": migrate,
        "relay": lambda: call_command("relay"),
        "publish": lambda: publish_events(int(rest[0]), int(rest[1]), *map(float, rest[2:])),
        "queues": lambda: print(",".join(worker_queues(MODULES))),
        "attended": lambda: print(CeleryCarrier().has_worker(rest[0])),
    }
    actions[verb]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
