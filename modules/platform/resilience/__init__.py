"""Calls that may fail: retries, breakers, bulkheads, deadlines, kill switches.

Standard library only, and no domain: hosts without Django use it too. Clocks, sleep and chance
come in as arguments.
"""

from modules.platform.resilience.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from modules.platform.resilience.bulkhead import AsyncBulkhead, Bulkhead
from modules.platform.resilience.deadline import Deadline
from modules.platform.resilience.errors import (
    BulkheadFull,
    CircuitOpen,
    DeadlinePassed,
    ResilienceError,
    SwitchedOff,
)
from modules.platform.resilience.kill_switch import KillSwitch
from modules.platform.resilience.retrying import (
    RetryBudget,
    RetryPolicy,
    retry,
    retry_async,
)

__all__ = [
    "AsyncBulkhead",
    "BreakerPolicy",
    "BreakerState",
    "Bulkhead",
    "BulkheadFull",
    "CircuitBreaker",
    "CircuitOpen",
    "Deadline",
    "DeadlinePassed",
    "KillSwitch",
    "ResilienceError",
    "RetryBudget",
    "RetryPolicy",
    "SwitchedOff",
    "retry",
    "retry_async",
]
