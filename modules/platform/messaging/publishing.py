"""``publish``: an event is stored in its module's outbox, in the transaction it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from django.db import connections, transaction
from uuid_utils.compat import uuid7

from modules.platform.contracts import Event, module_of
from modules.platform.contracts.codec import encode
from modules.platform.databases import alias_of
from modules.platform.messaging import metrics, wake
from modules.platform.messaging.context import headers_now
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.errors import PublishOutsideTransaction
from modules.platform.messaging.registry import base_type
from modules.platform.outside import drawn

_PUBLISH = (
    "SELECT bus_publish(%s::uuid[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::text)"
)


def publish(*events: Event) -> None:
    """Store the events in their module's outbox; they are sent once the transaction commits.

    Needs an open transaction on the module's own database, the one that makes the change the
    events tell of. Events with the same key are handled in the order of publication. Costs one
    statement however many they are. Raises PublishOutsideTransaction.
    """
    for module, group in groupby(events, key=lambda event: module_of(type(event))):
        _store(module, tuple(group))


def _store(module: str, events: Sequence[Event]) -> None:
    alias = alias_of(module)
    connection = connections[alias]
    # The transaction a Django test case wraps around a test is nobody's use case.
    if all(getattr(b, "_from_testcase", False) for b in connection.atomic_blocks):
        raise PublishOutsideTransaction(module, type(events[0]).type_name())
    with connection.cursor() as cursor:
        cursor.execute(
            _PUBLISH,
            [
                [drawn(uuid7) for _ in events],
                [event.key() for event in events],
                [base_type(type(event)) for event in events],
                [event.VERSION for event in events],
                [encode(event).decode() for event in events],
                headers_now(),
            ],
        )
    crash_point("publish.inserted")
    metrics.PUBLISHED.labels(module).inc(len(events))
    transaction.on_commit(partial(wake.wake, module), using=alias, robust=True)
