"""What other modules have of an order: as it is, and in lines for people.

In lines a module that is down is a line too; else its error passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from modules.notification.contract import Message, Notification
from modules.payment.contract import Payment, PaymentRecord
from modules.platform.binding import NotBound, use
from modules.platform.contracts import ContractError, deadline_in
from modules.platform.sagas import listing
from modules.platform.sagas.saga import Step, StepState
from modules.shipping.contract import Shipment, Shipping

PATIENCE = timedelta(seconds=2)  # an operator's page must not hang on a module that is slow


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaLine:
    """A saga of the order and what it waits for."""

    id: UUID
    type: str
    phase: str
    detail: str


def payments(order_id: UUID) -> tuple[PaymentRecord, ...]:
    """The order's payments, oldest first."""
    return use(Payment).payments(order_ids=(order_id,))


def shipments(order_id: UUID) -> tuple[Shipment, ...]:
    """The order's shipments, oldest first."""
    return use(Shipping).shipments(order_ids=(order_id,))


def messages(order_id: UUID) -> tuple[Message, ...]:
    """The messages about the order, oldest first."""
    return use(Notification).messages(order_ids=(order_id,))


def sagas_of(order_id: UUID) -> list[SagaLine]:
    """The order's sagas, oldest first."""
    return [
        SagaLine(
            id=saga.id,
            type=saga.type,
            phase=saga.phase,
            detail=", ".join(
                _described(step) for step in saga.steps if step.state != StepState.DONE
            ),
        )
        for saga in listing.sagas(("orders",), subject=str(order_id))
    ]


def _described(step: Step) -> str:
    """What it waits for, since when, and when it is tried again."""
    said = f"{step.kind} {step.state}"
    if step.error:
        said += f" ({step.attempts} tried, {step.error})"
    return said if step.next_at is None else f"{said}, again at {step.next_at:%H:%M:%S} UTC"


def payments_of(order_id: UUID) -> list[str]:
    """The order's payments."""

    def ask() -> list[str]:
        return [
            f"{each.state}: {each.amount} by {each.method}, captured {each.captured}, "
            f"refunded {each.refunded}"
            for each in payments(order_id)
        ]

    return _tolerant("payment", ask)


def shipments_of(order_id: UUID) -> list[str]:
    """The order's shipments."""

    def ask() -> list[str]:
        return [
            f"{each.state}: {each.method} {each.tracking_number}" for each in shipments(order_id)
        ]

    return _tolerant("shipping", ask)


def messages_of(order_id: UUID) -> list[str]:
    """The messages that were sent about the order."""

    def ask() -> list[str]:
        return [
            f"{each.state}: {each.template} by {each.channel} to {each.recipient}"
            for each in messages(order_id)
        ]

    return _tolerant("notification", ask)


def _tolerant(module: str, ask: Callable[[], list[str]]) -> list[str]:
    try:
        with deadline_in(PATIENCE):
            return ask()
    except (ContractError, NotBound) as error:
        return [f"{module} does not answer: {error}"]
