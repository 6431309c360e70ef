"""Errors of the bus.

MessagingError
├── PublishOutsideTransaction   an event must be stored with the change it tells of
├── Undeliverable               this consumer cannot read the event; deterministic
│   ├── UnacceptableVersion     no chain of upcasts leads to the version it accepts
│   └── UnreadableEvent         the data is not what the contract says
├── NoTimerHandler              nobody handles timers of this type
├── ReasonRequired              steering the bus by hand needs a reason
└── NoSuchLetter                nothing is parked under what was named
"""

from __future__ import annotations


class MessagingError(Exception):
    """Root of the errors of the bus."""


class PublishOutsideTransaction(MessagingError):
    """``publish`` was called with no transaction open on the module's own database."""

    def __init__(self, module: str, type_name: str) -> None:
        super().__init__(
            f"{type_name} was published outside a transaction of {module}: wrap the change and "
            f"publish() in `with atomic({module!r}):`, so that both happen or neither."
        )


class Undeliverable(MessagingError):
    """The consumer cannot read the event, now or at any later try of the same code."""


class UnacceptableVersion(Undeliverable):
    """The event's version is not the consumer's and no upcasts lead there."""

    def __init__(self, type_name: str, version: int, wanted: int) -> None:
        super().__init__(
            f"{type_name} arrived as version {version}; this consumer reads version {wanted} "
            f"and has no upcast from {version}."
        )


class UnreadableEvent(Undeliverable):
    """The event's data does not fit its contract; the message names the field."""


class NoTimerHandler(MessagingError):
    """A timer is due whose type nobody registered with ``on_timer``."""

    def __init__(self, module: str, type_name: str) -> None:
        super().__init__(f"{module} has no handler for timers of type {type_name!r}.")


class ReasonRequired(MessagingError):
    """A changing operation was asked for without saying why."""

    def __init__(self, verb: str) -> None:
        super().__init__(f"{verb} changes what is delivered: say why with --reason.")


class NoSuchLetter(MessagingError):
    """What was named is not parked (any more)."""
