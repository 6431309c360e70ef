"""Steps of an order's sagas that are left to a person."""

from __future__ import annotations

from uuid import UUID

from modules.platform.sagas import steering, store
from modules.platform.sagas.saga import StepState


def retry_stuck(order_id: UUID, *, reason: str) -> int:
    """Try every manual step of the order's sagas again; how many there were."""
    tried = 0
    for saga in store.about("orders", str(order_id)):
        for step in saga.steps:
            if step.state is StepState.MANUAL:
                steering.retry("orders", saga.id, step.number, reason=reason)
                tried += 1
    return tried
