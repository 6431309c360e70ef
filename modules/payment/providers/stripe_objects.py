"""Stripe's objects as ours: what a PaymentIntent and its refunds say of a charge.

Source: https://docs.stripe.com/api/payment_intents/object
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from modules.payment.contract import RefundState
from modules.payment.domain import Charge, ChargeRefund, ChargeStatus

# PaymentIntent.status to ours; ``canceled`` and the money states are told apart by the totals.
STATUSES = {
    "requires_payment_method": ChargeStatus.DECLINED,
    "requires_confirmation": ChargeStatus.PROCESSING,
    "requires_action": ChargeStatus.REQUIRES_ACTION,
    "processing": ChargeStatus.PROCESSING,
    "requires_capture": ChargeStatus.AUTHORIZED,
    "succeeded": ChargeStatus.CAPTURED,
    "canceled": ChargeStatus.VOIDED,
}
REFUNDS = {
    "succeeded": RefundState.SUCCEEDED,
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}


def charge_of(intent: dict[str, Any], refunds: list[dict[str, Any]]) -> Charge:
    status, amount = intent["status"], int(intent["amount"])
    metadata = intent.get("metadata") or {}
    latest = intent.get("latest_charge")
    held = isinstance(latest, dict) and latest.get("status") == "succeeded"
    captured = _captured(intent, refunds) if status == "succeeded" else 0
    return Charge(
        reference=intent["id"],
        payment_id=as_uuid(metadata.get("payment_id")),
        order_id=as_uuid(metadata.get("order_id")),
        status=STATUSES.get(status, ChargeStatus.PROCESSING),
        currency=intent["currency"].upper(),
        amount=amount,
        authorized=amount if held or status in ("requires_capture", "succeeded") else 0,
        captured=captured,
        # One capture ends a PaymentIntent: Stripe lets go of what was not taken.
        voided=amount - captured if status == "succeeded" or (status == "canceled" and held) else 0,
        refunds=_refunds(refunds, captured, amount - captured),
        decline_code=_decline_code(intent),
        next_action=_next_action(intent),
        created_at=datetime.fromtimestamp(intent["created"], UTC),
    )


def _captured(intent: dict[str, Any], refunds: list[dict[str, Any]]) -> int:
    received: Any = intent.get("amount_received")
    if isinstance(received, int):
        return received
    released = sum(int(each["amount"]) for each in refunds if not each.get("payment_intent"))
    return int(intent["amount"]) - released


def _refunds(
    listed: list[dict[str, Any]], captured: int, released: int
) -> tuple[ChargeRefund, ...]:
    """The refunds of money that was taken, ours first.

    "Any additional amount is automatically refunded" says Stripe of a smaller capture: that one
    refund, of what was ``released``, is none of money that was taken; nor is a cancellation's.
    """
    found: list[ChargeRefund] = []
    left = captured
    for refund in sorted(map(_refund, listed), key=lambda each: each.refund_id is None):
        ours = refund.refund_id is not None
        if not ours and refund.amount == released:
            released = 0
        elif ours or refund.amount <= left:
            found.append(refund)
            left -= refund.amount
    return tuple(found)


def _refund(refund: dict[str, Any]) -> ChargeRefund:
    return ChargeRefund(
        reference=refund["id"],
        refund_id=as_uuid((refund.get("metadata") or {}).get("refund_id")),
        amount=int(refund["amount"]),
        state=REFUNDS.get(refund["status"], RefundState.PENDING),
    )


def _decline_code(intent: dict[str, Any]) -> str:
    error = intent.get("last_payment_error") or {}
    return str(error.get("decline_code") or error.get("code") or "")[:64]


def _next_action(intent: dict[str, Any]) -> str:
    """Where the shopper goes: the bank's page, or the client secret for Stripe.js to act on."""
    action = intent.get("next_action") or {}
    if not action:
        return ""
    page = (action.get("redirect_to_url") or {}).get("url")
    return str(page or f"stripe:{intent.get('client_secret', '')}")


def as_uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
