"""A small host of inventory and notification, of which notification's work is moved back and forth.

    celery -A tests.platform.placement.host worker -Q bus.notification,bus.ack.inventory
    celery -A tests.platform.placement.host worker -Q bus.notification.service
    python -m tests.platform.placement.host migrate | relay | publish <events> <rate> | flip <times>
    python -m tests.platform.placement.host workers | attend <seconds of silence>

DATABASE_URL and REDIS_URL say where. Notification writes each event that it hears as a row of
``bus_audit``: actor = key, changed = available, reason = HOST_SIDE of the worker.
"""

from __future__ import annotations

import os
import sys
import time
from random import Random
from typing import Any
from uuid import UUID

import django
from celery import Celery
from django.conf import settings

from modules.inventory.contract.events import StockRanLow
from modules.platform.console import stop_by_signal
from modules.platform.databases.aliases import database_settings
from modules.platform.messaging.carrier import celery_settings
from tests.platform.example import EXAMPLE

MODULES = (EXAMPLE, "notification")
SHARES = (100, 0, 40, 0, 100, 75, 13)
SIDE = os.environ.get("HOST_SIDE", "local")


def _configure() -> None:
    settings.configure(
        SECRET_KEY="host",
        USE_TZ=True,
        FICUS_MODULES=MODULES,
        INSTANCE_ROLE="origin" if SIDE == "service" else "own",
        REDIS_URL=os.environ["REDIS_URL"],
        BUS_LEASE=float(os.environ.get("HOST_LEASE", "30")),
        DATABASE_ROLES=False,
        DATABASES=database_settings(
            url=os.environ["DATABASE_URL"],
            modules=MODULES,
            overrides={},
            pool={"min_size": 0, "max_size": 10, "timeout": 10},
            roles=False,
        ),
        DATABASE_ROUTERS=["modules.platform.databases.router.ModuleRouter"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "modules.platform.databases.apps.DatabasesConfig",
            "modules.platform.messaging.apps.MessagingConfig",
            "tests.platform.placement.host_app.QueuesConfig",
        ],
        **{
            f"CELERY_{name.upper()}": value
            for name, value in celery_settings(os.environ["REDIS_URL"]).items()
        },
    )
    django.setup()


_configure()
app = Celery("host", fixups=["modules.platform.hosting.worker_fixup:fixup"])  # as a host's
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["modules.platform.messaging"])


def write_down(event: StockRanLow) -> None:
    """Notification's handler."""
    from modules.platform.messaging.database import execute

    execute(
        "notification",
        "INSERT INTO bus_audit (actor, verb, target, reason, changed) "
        "VALUES (%s, 'heard', '', %s, %s)",
        [event.key(), SIDE, event.available],
    )


def subscribe_notification() -> None:
    from modules.platform.messaging import subscribe

    subscribe("notification", {StockRanLow: [write_down]})


subscribe_notification()


def publish_events(count: int, rate: float, keys: int = 64) -> None:
    """One a transaction, round the keys, each key's numbers counting up from 0."""
    from modules.platform.databases import atomic
    from modules.platform.messaging import publish

    names = [str(UUID(int=n + 1)) for n in range(keys)]
    started = time.monotonic()
    for n in range(count):
        event = StockRanLow(sku=names[n % keys], available=n // keys, threshold=0)
        with atomic(EXAMPLE):
            publish(event)
        time.sleep(max(0.0, started + n / rate - time.monotonic()))


def flip(times: int) -> None:
    """Place notification elsewhere again and again, at moments of no regularity; at last here."""
    from modules.platform.placement import table

    rng = Random(5)
    for number in range(times):
        percent = SHARES[number % len(SHARES)]
        table.swap("notification", percent=percent, actor="test", reason="back and forth")
        time.sleep(rng.uniform(0.02, 0.4))
    table.swap("notification", percent=0, actor="test", reason="home")


def attend(silent: float) -> None:
    """Watch the service's workers until SIGTERM, as ``placement follow`` does."""
    from modules.platform.placement.attending import Attendance
    from modules.platform.placement.following import Follower

    Follower(lambda: (), attendance=Attendance(silent=silent)).run(stop_by_signal())


def ask_for_workers() -> None:
    """Whether anybody takes what the service gets: ``True`` or ``False``."""
    from modules.platform.messaging.carrier import carrier, service_queue_of

    print(carrier().has_worker(service_queue_of("notification")))


def migrate() -> None:
    from django.core.management import call_command

    for alias in ("default", *MODULES):
        call_command("migrate", database=alias, verbosity=0)


def main(arguments: list[str]) -> int:
    from django.core.management import call_command

    verb, *rest = arguments
    actions: dict[str, Any] = {
        "migrate": migrate,
        "relay": lambda: call_command("relay"),
        "publish": lambda: publish_events(int(rest[0]), float(rest[1])),
        "workers": ask_for_workers,
        "attend": lambda: attend(float(rest[0])),
        "flip": lambda: flip(int(rest[0])),
    }
    actions[verb]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
