"""What every contract is made of. Anyone may import this; it needs the standard library only."""

from modules.platform.contracts.address import PostalAddress
from modules.platform.contracts.context import (
    ANONYMOUS,
    SYSTEM,
    Actor,
    ActorKind,
    CallContext,
    call_context,
    current_context,
    deadline_in,
)
from modules.platform.contracts.errors import (
    Conflict,
    ContractError,
    DeadlineExceeded,
    Fenced,
    Forbidden,
    Invalid,
    Moved,
    NotFound,
    StaleVersion,
    Unavailable,
)
from modules.platform.contracts.messages import (
    Command,
    Envelope,
    Event,
    module_of,
    snake,
)
from modules.platform.contracts.module import Invariant, Module
from modules.platform.contracts.money import Money

__all__ = [
    "ANONYMOUS",
    "SYSTEM",
    "Actor",
    "ActorKind",
    "CallContext",
    "Command",
    "Conflict",
    "ContractError",
    "DeadlineExceeded",
    "Envelope",
    "Event",
    "Fenced",
    "Forbidden",
    "Invalid",
    "Invariant",
    "Module",
    "Money",
    "Moved",
    "NotFound",
    "PostalAddress",
    "StaleVersion",
    "Unavailable",
    "call_context",
    "current_context",
    "deadline_in",
    "module_of",
    "snake",
]
