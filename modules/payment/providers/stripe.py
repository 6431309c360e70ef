"""Client of Stripe: PaymentIntents with manual capture, over Stripe's form-encoded HTTP API.

Written against the HTTP API rather than the ``stripe`` package: one pooled connection with a
timeout per call from the caller's deadline, and no 30 MB import in every worker.
Source: https://docs.stripe.com/api (version pinned below).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from modules.payment.domain import Charge, ChargeStatus
from modules.payment.providers.errors import AnswerLost, BadSignature, NotSent, Refused
from modules.payment.providers.http import HttpPool, Reply
from modules.payment.providers.protocol import AuthorizeRequest, Message
from modules.payment.providers.stripe_objects import charge_of
from modules.payment.providers.stripe_signature import verify

API_VERSION = "2024-06-20"
SKEW = timedelta(seconds=5)  # our clock and Stripe's may differ by as much
PAGE = 100
EXPAND = (("expand[]", "latest_charge"),)
Pairs = tuple[tuple[str, str], ...]


class StripeProvider:
    """Stripe as a Provider. A method is a PaymentMethod's id (``pm_...``)."""

    name = "stripe"

    def __init__(self, *, base: str, api_key: str, webhook_secret: str) -> None:
        self._http = HttpPool(
            base,
            headers={
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Stripe-Version": API_VERSION,
            },
        )
        self._webhook_secret = webhook_secret

    def authorize(self, request: AuthorizeRequest, *, key: str, timeout: float) -> Charge:
        form = (
            ("amount", str(request.amount)),
            ("currency", request.currency.lower()),
            ("payment_method", request.method),
            ("payment_method_types[]", "card"),
            ("capture_method", "manual"),
            ("confirm", "true"),
            ("metadata[payment_id]", str(request.payment_id)),
            ("metadata[order_id]", str(request.order_id)),
            *EXPAND,
        )
        end = time.monotonic() + timeout
        reply = self._post("/v1/payment_intents", form, key=key, end=end)
        if reply.status == 402:
            return self._declined(request, reply)
        return self._whole(_answer(reply), end)

    def capture(self, reference: str, amount: int, *, key: str, timeout: float) -> Charge:
        form = (("amount_to_capture", str(amount)), *EXPAND)
        return self._act(f"{_place(reference)}/capture", form, key=key, timeout=timeout)

    def void(self, reference: str, *, key: str, timeout: float) -> Charge:
        return self._act(f"{_place(reference)}/cancel", EXPAND, key=key, timeout=timeout)

    def refund(
        self, reference: str, amount: int, refund_id: UUID, *, key: str, timeout: float
    ) -> Charge:
        form = (
            ("payment_intent", reference),
            ("amount", str(amount)),
            ("metadata[refund_id]", str(refund_id)),
        )
        end = time.monotonic() + timeout
        _answer(self._post("/v1/refunds", form, key=key, end=end))
        return self._fetch(reference, end)

    def fetch(self, reference: str, *, timeout: float) -> Charge:
        return self._fetch(reference, time.monotonic() + timeout)

    def find(self, payment_id: UUID, *, since: datetime, timeout: float) -> Charge | None:
        wanted = str(payment_id)
        for intent in self._intents(since, timeout):
            if (intent.get("metadata") or {}).get("payment_id") == wanted:
                return self._whole(intent, time.monotonic() + timeout)
        return None

    def recent(self, *, since: datetime, timeout: float) -> Iterator[Charge]:
        for intent in self._intents(since, timeout):
            if (intent.get("metadata") or {}).get("payment_id"):
                yield self._whole(intent, time.monotonic() + timeout)

    def read(self, body: bytes, headers: Mapping[str, str]) -> Message:
        verify(body, headers.get("stripe-signature", ""), self._webhook_secret, now=time.time())
        try:
            event = msgspec.json.decode(body, type=dict[str, Any])
            thing = event["data"]["object"]
            intent = thing["id"] if thing["object"] == "payment_intent" else thing["payment_intent"]
            # The object in an event may be older than the event: the API is asked instead.
            return Message(
                id=str(event["id"]), type=str(event["type"]), reference=intent or "", charge=None
            )
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise BadSignature(f"unreadable event: {error}") from error

    def _fetch(self, reference: str, end: float) -> Charge:
        return self._whole(self._get(_place(reference), EXPAND, end=end), end)

    def _intents(self, since: datetime, timeout: float) -> Iterator[dict[str, Any]]:
        """PaymentIntents made since then; ``timeout`` is for each page. Stripe lists the newest
        first."""
        start, after = (since - SKEW).timestamp(), ""
        while True:
            query: Pairs = (("limit", str(PAGE)), ("expand[]", "data.latest_charge"))
            query += (("starting_after", after),) if after else ()
            page = self._get("/v1/payment_intents", query, end=time.monotonic() + timeout)
            fresh = [intent for intent in page["data"] if intent["created"] >= start]
            yield from fresh
            if not page.get("has_more") or not fresh:
                return
            after = page["data"][-1]["id"]

    def _act(self, path: str, form: Pairs, *, key: str, timeout: float) -> Charge:
        end = time.monotonic() + timeout
        return self._whole(_answer(self._post(path, form, key=key, end=end)), end)

    def _post(self, path: str, form: Pairs, *, key: str, end: float) -> Reply:
        return self._http.send(
            "POST",
            path,
            timeout=end - time.monotonic(),
            body=urlencode(form).encode(),
            headers={"Idempotency-Key": key},
        )

    def _get(self, path: str, query: Pairs, *, end: float) -> dict[str, Any]:
        left = end - time.monotonic()
        reply = self._http.send("GET", f"{path}?{urlencode(query)}", timeout=left)
        return _answer(reply)

    def _whole(self, intent: dict[str, Any], end: float) -> Charge:
        """``intent`` with its refunds; Stripe lists them apart, asked only if there are any."""
        charge = intent.get("latest_charge") or {}
        if not isinstance(charge, dict) or not charge.get("amount_refunded"):
            return charge_of(intent, [])
        listed = self._get(
            "/v1/refunds", (("payment_intent", intent["id"]), ("limit", "100")), end=end
        )
        return charge_of(intent, listed["data"])

    def _declined(self, request: AuthorizeRequest, reply: Reply) -> Charge:
        error = _error(reply)
        intent = error.get("payment_intent") or {}
        return Charge(
            reference=intent.get("id", ""),
            payment_id=request.payment_id,
            order_id=request.order_id,
            status=ChargeStatus.DECLINED,
            currency=request.currency,
            amount=request.amount,
            authorized=0,
            captured=0,
            voided=0,
            decline_code=(error.get("decline_code") or error.get("code") or "declined")[:64],
            created_at=datetime.now(UTC),
        )


def _place(reference: str) -> str:
    return f"/v1/payment_intents/{quote(reference, safe='')}"


def _answer(reply: Reply) -> dict[str, Any]:
    """The object in an answer. Raises what its status says otherwise."""
    if reply.status == 200:
        return _decoded(reply)
    if reply.status in (401, 403, 429):
        # Our key is wrong or we are too fast: nothing is wrong with the payment.
        raise NotSent(f"status {reply.status}")
    if reply.status >= 500 or reply.status == 409:
        # 409: the first request with this key still runs.
        raise AnswerLost(f"status {reply.status}")
    error = _error(reply)
    code = str(error.get("code") or error.get("type") or "refused")
    unknown = code == "resource_missing" and error.get("param") == "payment_method"
    raise Refused("method_unknown" if unknown else code)


def _decoded(reply: Reply) -> dict[str, Any]:
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise AnswerLost(f"unreadable answer: {error}") from error


def _error(reply: Reply) -> dict[str, Any]:
    found = _decoded(reply).get("error")
    return found if isinstance(found, dict) else {}
