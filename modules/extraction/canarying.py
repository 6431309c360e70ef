"""``canary``: a share of the work to instances on the monolith's data, set by hand.

There is one copy of the data, so a share may grow, shrink and come back at will; which requests,
calls and batches it is, and who is told, is placement's.
"""

from __future__ import annotations

from modules.extraction import facts
from modules.extraction.guards import Facts
from modules.extraction.phases import Transition
from modules.extraction.reports import Report
from modules.extraction.steps import Ask, Change, Done, changed
from modules.platform.discovery import Role
from modules.platform.placement.buckets import BUCKETS
from modules.platform.placement.errors import PercentOutOfRange
from modules.platform.placement.placing import place


def canary(ask: Ask, *, percent: int) -> Report:
    """Have the service do ``percent`` of the work; 0 ends the canary.

    Raises what placing raises: a share that is none, nobody there, a front door without a service.
    """
    if not 0 <= percent <= BUCKETS:
        raise PercentOutOfRange(percent=percent)
    return changed(
        ask,
        Change(
            by=Transition.CANARY,
            percent=percent,
            facts=lambda: Facts(
                contract=facts.contract_trouble(ask.module),
                origin_instances=facts.live_instances(ask.module, Role.ORIGIN),
                percent=percent,
            ),
            would=(f"place {percent} % of {ask.module}'s work with its service",),
            work=lambda step, done: put_share(ask, percent, done),
            next_step=f"manage.py strangler status {ask.module}; then a larger --percent, or "
            f"cutover {ask.module}",
        ),
    )


def put_share(ask: Ask, percent: int, done: Done) -> None:
    """Place it, unless it is placed so; raises the errors of placing."""
    change = place(ask.module, percent=percent, reason=ask.reason)
    done.did.append(f"placed {change.before.percent} -> {change.after.percent} % of the work")
    done.did.extend(
        f"front door {one.door} follows later: {one.trouble}"
        for one in change.doors
        if not one.follows
    )
