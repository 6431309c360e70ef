"""Client of the stand-in provider (modules/payment/standin): JSON over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError

from modules.payment.contract import RefundState
from modules.payment.domain import Charge, ChargeRefund, ChargeStatus
from modules.payment.providers.errors import AnswerLost, BadSignature, NotSent, Refused
from modules.payment.providers.http import HttpPool, Reply
from modules.payment.providers.protocol import AuthorizeRequest, Message
from modules.platform.contracts.codec import decoder_of

T = TypeVar("T")
PAGE = 100
SKEW = timedelta(seconds=5)  # our clock and the provider's may differ by as much


class RefundBody(msgspec.Struct):
    """A refund as the stand-in writes it."""

    id: str
    refund_id: str
    amount: int
    status: RefundState


class ChargeBody(msgspec.Struct):
    """A charge as the stand-in writes it."""

    id: str
    status: ChargeStatus
    currency: str
    payment_id: str
    order_id: str
    amount: int
    authorized: int
    captured: int
    voided: int
    refunds: list[RefundBody]
    decline_code: str
    next_action: str
    created: float


class ListBody(msgspec.Struct):
    """A page of charges, oldest first."""

    data: list[ChargeBody]
    has_more: bool


class ErrorDetail(msgspec.Struct):
    code: str
    decline_code: str = ""


class ErrorBody(msgspec.Struct):
    """Why not; ``charge`` is the declined one."""

    error: ErrorDetail
    charge: ChargeBody | None = None


class EventBody(msgspec.Struct):
    """A webhook's content."""

    type: str
    data: ChargeBody


class StandInProvider:
    """The stand-in as a Provider."""

    name = "standin"

    def __init__(self, *, url: str, webhook_secret: str) -> None:
        self._http = HttpPool(url, headers={"Content-Type": "application/json"})
        self._webhook = Webhook(_signing_key(webhook_secret))

    def authorize(self, request: AuthorizeRequest, *, key: str, timeout: float) -> Charge:
        body = {
            "payment_id": str(request.payment_id),
            "order_id": str(request.order_id),
            "amount": request.amount,
            "currency": request.currency,
            "method": request.method,
            "email": request.email,
        }
        return self._act("/v1/charges", body, key=key, timeout=timeout)

    def capture(self, reference: str, amount: int, *, key: str, timeout: float) -> Charge:
        return self._act(
            f"{_place(reference)}/capture", {"amount": amount}, key=key, timeout=timeout
        )

    def void(self, reference: str, *, key: str, timeout: float) -> Charge:
        return self._act(f"{_place(reference)}/void", {}, key=key, timeout=timeout)

    def refund(
        self, reference: str, amount: int, refund_id: UUID, *, key: str, timeout: float
    ) -> Charge:
        body = {"amount": amount, "refund_id": str(refund_id)}
        return self._act(f"{_place(reference)}/refunds", body, key=key, timeout=timeout)

    def fetch(self, reference: str, *, timeout: float) -> Charge:
        return _charge(self._read(_place(reference), ChargeBody, timeout))

    def find(self, payment_id: UUID, *, since: datetime, timeout: float) -> Charge | None:
        found = self._read(f"/v1/charges?payment_id={payment_id}", ListBody, timeout)
        return _charge(found.data[0]) if found.data else None

    def recent(self, *, since: datetime, timeout: float) -> Iterator[Charge]:
        start, after = (since - SKEW).timestamp(), ""
        while True:
            path = f"/v1/charges?since={start}&limit={PAGE}&after={after}"
            page = self._read(path, ListBody, timeout)
            yield from map(_charge, page.data)
            if not page.has_more:
                return
            after = page.data[-1].id

    def read(self, body: bytes, headers: Mapping[str, str]) -> Message:
        try:
            self._webhook.verify(body, dict(headers), json_parse=False)
            event = decoder_of(EventBody).decode(body)
        # ValueError: headers or a signature that are not even well formed; bytes that are no text.
        except (WebhookVerificationError, ValueError, msgspec.MsgspecError) as error:
            raise BadSignature(str(error)) from error
        return Message(
            id=headers["webhook-id"],
            type=event.type,
            reference=event.data.id,
            charge=_charge(event.data),
        )

    def _act(self, path: str, body: dict[str, Any], *, key: str, timeout: float) -> Charge:
        reply = self._http.send(
            "POST",
            path,
            timeout=timeout,
            body=msgspec.json.encode(body),
            headers={"Idempotency-Key": key},
        )
        if reply.status in (200, 201):
            return _charge(_decoded(reply, ChargeBody))
        return _charge(_declined(reply))

    def _read(self, path: str, as_type: type[T], timeout: float) -> T:
        reply = self._http.send("GET", path, timeout=timeout)
        if reply.status == 200:
            return _decoded(reply, as_type)
        raise _failure(reply)


def _place(reference: str) -> str:
    return f"/v1/charges/{quote(reference, safe='')}"


def _decoded(reply: Reply, as_type: type[T]) -> T:
    try:
        read: T = decoder_of(as_type).decode(reply.body)
    except msgspec.MsgspecError as error:
        raise AnswerLost(f"unreadable answer: {error}") from error
    return read


def _declined(reply: Reply) -> ChargeBody:
    """The charge that came with a decline. Raises what the reply says otherwise."""
    if reply.status == 402:
        charge = _decoded(reply, ErrorBody).charge
        if charge is not None:
            return charge
    raise _failure(reply)


def _failure(reply: Reply) -> Exception:
    if reply.status == 429:
        return NotSent("too many requests")
    if reply.status >= 500:
        return AnswerLost(f"status {reply.status}")
    error = _decoded(reply, ErrorBody).error
    if error.code == "idempotency_key_in_use":
        return AnswerLost("the first request is still running")
    return Refused(error.code, decline_code=error.decline_code)


def _charge(body: ChargeBody) -> Charge:
    return Charge(
        reference=body.id,
        payment_id=as_uuid(body.payment_id),
        order_id=as_uuid(body.order_id),
        status=body.status,
        currency=body.currency,
        amount=body.amount,
        authorized=body.authorized,
        captured=body.captured,
        voided=body.voided,
        refunds=tuple(
            ChargeRefund(
                reference=each.id,
                refund_id=as_uuid(each.refund_id),
                amount=each.amount,
                state=each.status,
            )
            for each in body.refunds
        ),
        decline_code=body.decline_code,
        next_action=body.next_action,
        created_at=datetime.fromtimestamp(body.created, UTC),
    )


def as_uuid(text: str) -> UUID | None:
    """``text`` as an id of ours; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _signing_key(secret: str) -> bytes:
    """The key in ``secret``: base64 after ``whsec_`` as the standard says, else its bytes."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_") + "==")
    return secret.encode()
