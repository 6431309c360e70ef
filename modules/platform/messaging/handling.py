"""One event to its consumer's handlers, and the turn that one part's events take."""

from __future__ import annotations

from modules.platform.messaging import registry
from modules.platform.messaging.context import on_behalf_of
from modules.platform.messaging.database import row
from modules.platform.messaging.wire import WireEvent

# The lock makes deliveries of one part, and retries of what it parked, take turns.
_CURSOR = "SELECT pos FROM bus_cursor WHERE consumer = %s AND source = %s AND part = %s FOR UPDATE"


def handle(consumer: str, event: WireEvent) -> None:
    """Run the consumer's handlers of ``event`` in the transaction that is open.

    An event that the consumer no longer hears is passed over.
    """
    listener = registry.listener(consumer, event.base_type)
    if listener is None:
        return
    content = event.event(listener.event)
    with on_behalf_of(event.envelope()):
        for handler in listener.handlers:
            handler(content)


def lock_part(consumer: str, source: str, part: int) -> int | None:
    """Take the part's turn until the transaction ends; its position, None if it has none yet."""
    found = row(consumer, _CURSOR, [consumer, source, part])
    return None if found is None else int(found[0])
