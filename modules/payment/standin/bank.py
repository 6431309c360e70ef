"""Charges and what may be done to them. Each act is journalled with its answer under its key."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from modules.payment.standin.journal import Journal

Charge = dict[str, Any]

METHODS = ("card_ok", "card_declined", "card_timeout", "card_slow", "card_requires_action")
CURRENCY_LENGTH = 3


class Refused(Exception):
    """The bank does not do it: an HTTP status and a stable code."""

    def __init__(self, status: int, code: str, *, decline_code: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.decline_code = status, code, decline_code

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "decline_code": self.decline_code}}


@dataclass(frozen=True, slots=True)
class Kept:
    """What an idempotency key was answered with. ``request`` is the digest of what was asked."""

    request: str
    status: int
    body: dict[str, Any]


class Bank:
    """All charges, by id and in order; rebuilt from the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.charges: dict[str, Charge] = {}
        self.operations: list[dict[str, Any]] = []
        self.kept: dict[str, Kept] = {}
        for entry in journal.entries():
            if entry["kind"] == "act":
                self._apply(entry)

    def authorize(self, wanted: dict[str, Any]) -> Charge:
        """A new charge by its method. Raises Refused for what is no request for one."""
        amount, currency = wanted.get("amount"), wanted.get("currency")
        if type(amount) is not int or amount <= 0:
            raise Refused(400, "amount_invalid")
        if not isinstance(currency, str) or len(currency) != CURRENCY_LENGTH:
            raise Refused(400, "currency_invalid")
        method = wanted.get("method")
        if method not in METHODS:
            raise Refused(400, "method_unknown")
        status = {"card_declined": "declined", "card_requires_action": "requires_action"}
        return {
            "id": f"ch_{uuid.uuid4().hex}",
            "status": status.get(method, "authorized"),
            "amount": amount,
            "currency": currency,
            "method": method,
            "payment_id": wanted.get("payment_id", ""),
            "order_id": wanted.get("order_id", ""),
            "authorized": 0 if method in status else amount,
            "captured": 0,
            "voided": 0,
            "refunded": 0,
            "refunds": [],
            "decline_code": "generic_decline" if method == "card_declined" else "",
            "next_action": "",
            "created": time.time(),
        }

    def confirm(self, charge: Charge, *, approve: bool) -> Charge:
        """The shopper's word on a charge that asked for it."""
        if charge["status"] != "requires_action":
            raise Refused(409, "not_confirmable")
        if not approve:
            return charge | {"status": "declined", "decline_code": "authentication_failed"}
        return charge | {"status": "authorized", "authorized": charge["amount"]}

    def capture(self, charge: Charge, amount: int | None) -> Charge:
        """Take ``amount`` (None: the rest); as often as something is left."""
        left = charge["authorized"] - charge["captured"] - charge["voided"]
        amount = left if amount is None else amount
        if left <= 0:
            raise Refused(409, "not_capturable")
        if amount <= 0 or amount > left:
            raise Refused(409, "capture_exceeds_authorization")
        return charge | {"status": "captured", "captured": charge["captured"] + amount}

    def void(self, charge: Charge) -> Charge:
        """Give up what is authorized and not captured."""
        if charge["status"] == "requires_action":
            return charge | {"status": "voided"}
        left = charge["authorized"] - charge["captured"] - charge["voided"]
        if left <= 0:
            raise Refused(409, "not_voidable")
        status = "captured" if charge["captured"] else "voided"
        return charge | {"status": status, "voided": charge["voided"] + left}

    def refund(self, charge: Charge, wanted: dict[str, Any]) -> Charge:
        """Give ``amount`` of what was captured back."""
        amount = wanted.get("amount")
        if type(amount) is not int or amount <= 0:
            raise Refused(400, "amount_invalid")
        if amount > charge["captured"] - charge["refunded"]:
            raise Refused(409, "refund_exceeds_capture")
        refund = {
            "id": f"re_{uuid.uuid4().hex}",
            "refund_id": wanted.get("refund_id", ""),
            "amount": amount,
            "status": "succeeded",
        }
        return charge | {
            "refunded": charge["refunded"] + amount,
            "refunds": [*charge["refunds"], refund],
        }

    def keep(
        self,
        operation: str,
        charge: Charge | None,
        *,
        key: str,
        request: str,
        status: int,
        body: dict[str, Any],
    ) -> None:
        """Make an act stand: the charge as it is now, and the answer that ``key`` always gets."""
        entry = {
            "kind": "act",
            "operation": operation,
            "at": time.time(),
            "charge": charge,
            "key": key,
            "request": request,
            "status": status,
            # The answer is nearly always the charge itself: not written twice.
            "body": None if body is charge else body,
        }
        self._journal.append(entry)
        self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        charge = entry["charge"]
        if charge is not None:
            self.charges[charge["id"]] = charge
            self.operations.append(
                {name: entry[name] for name in ("operation", "at", "key")}
                | {"charge": charge["id"], "payment_id": charge["payment_id"]}
            )
        if entry["key"]:
            body = charge if entry["body"] is None else entry["body"]
            self.kept[entry["key"]] = Kept(entry["request"], entry["status"], body)
