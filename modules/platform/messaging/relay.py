"""The source's side: sends each (consumer, part) one batch at a time, again until it is receipted.

A round over one module is two statements: a look at the horizon, and a claim (``claiming``). Only
what is marked as sent goes to the carrier; what is lost on the way is sent again when its lease
runs out.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from modules.platform.messaging import metrics
from modules.platform.messaging.carrier import Carrier
from modules.platform.messaging.claiming import DEFAULTS, Limits, claim, release
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.database import prepared

log = structlog.get_logger(__name__)

_LOOK = """
SELECT bus_horizon(), EXISTS (SELECT FROM bus_subscription WHERE state IN ('new', 'live')),
       EXISTS (SELECT FROM bus_timer
               WHERE state = 'due' AND due_at <= clock_timestamp() + %(ahead)s::interval)
    OR EXISTS (SELECT FROM bus_parked
               WHERE state = 'retry' AND next_at <= clock_timestamp() + %(ahead)s::interval)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a relay sees of a module: how far it may send, whether anybody wants what it publishes,
    and whether something is due.
    """

    horizon: int
    wanted: bool
    due: bool


def look(module: str, limits: Limits = DEFAULTS) -> Look:
    """The safe horizon of ``module``'s outbox, whether anybody hears of it, and whether timers or
    retries are due.
    """
    [(horizon, wanted, due)] = prepared(module, _LOOK, {"ahead": limits.ahead})
    return Look(horizon=horizon, wanted=wanted, due=due)


def send(module: str, horizon: int, carrier: Carrier, limits: Limits = DEFAULTS) -> int:
    """Send every batch of ``module`` that may go now, up to ``horizon``; how many events.

    Raises what the carrier raises, after it has taken back what was not sent.
    """
    crash_point("relay.before_claim")
    claims = list(claim(module, horizon, limits))
    if not claims:
        return 0
    crash_point("relay.claimed")
    for number, one in enumerate(claims):
        crash_point("relay.before_send")
        try:
            carrier.deliver(one.batch)
        except Exception:
            release(module, claims[number:])
            raise
        crash_point("relay.after_send")
        metrics.SENT.labels(module, one.batch.consumer).inc(one.events)
        if one.again:
            metrics.RESENT.labels(module, one.batch.consumer).inc()
            log.warning(
                "bus.resent", source=module, consumer=one.batch.consumer, part=one.batch.part
            )
    return sum(one.events for one in claims)
