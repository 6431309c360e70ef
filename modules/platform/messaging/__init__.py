"""The event bus: what a module publishes reaches every subscriber once, in order per key.

Modules import from here and from ``testing``; the rest is the bus's own.
"""

from modules.platform.messaging.context import current_envelope
from modules.platform.messaging.dedup import first_time
from modules.platform.messaging.errors import MessagingError, PublishOutsideTransaction
from modules.platform.messaging.outside import after_commit
from modules.platform.messaging.publishing import publish
from modules.platform.messaging.registry import subscribe
from modules.platform.messaging.timers import TimerFired, cancel, on_timer, schedule
from modules.platform.messaging.upcasting import upcast

__all__ = [
    "MessagingError",
    "PublishOutsideTransaction",
    "TimerFired",
    "after_commit",
    "cancel",
    "current_envelope",
    "first_time",
    "on_timer",
    "publish",
    "schedule",
    "subscribe",
    "upcast",
]
