"""The response cache: RFC 9111, in memory, bounded by bytes, opt-in per route; no IO."""

from strangler_proxy.cache.answers import Answer
from strangler_proxy.cache.cache import Cache
from strangler_proxy.cache.planning import (
    REPLACED,
    Kind,
    Outcome,
    Plan,
    Request,
    Rules,
    Said,
    Then,
    rules_for,
)
from strangler_proxy.cache.recording import Recording

__all__ = [
    "REPLACED",
    "Answer",
    "Cache",
    "Kind",
    "Outcome",
    "Plan",
    "Recording",
    "Request",
    "Rules",
    "Said",
    "Then",
    "rules_for",
]
