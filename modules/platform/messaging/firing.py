"""What a worker does when the relay says that something of its module is due."""

from __future__ import annotations

from modules.platform.messaging.parking import retry_due
from modules.platform.messaging.timers import fire_due


def fire(module: str, *, ahead: float = 0.0) -> int:
    """Try parked events again and fire timers, as far as they are due; how many."""
    return retry_due(module, ahead=ahead) + fire_due(module, ahead=ahead)
