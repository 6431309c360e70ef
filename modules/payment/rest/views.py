"""Payment's API: payments to see, refunds, captures and voids for staff, webhooks for providers."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from modules.payment import inbox, queries
from modules.payment.contract import (
    CapturePayment,
    CurrencyMismatch,
    NotCapturable,
    NotStanding,
    NotVoidable,
    OutcomeUnknown,
    PaymentNotFound,
    ProviderUnavailable,
    RefundExceedsCapture,
    RefundPayment,
)
from modules.payment.rest.serializers import (
    ORDERS,
    CaptureRequest,
    PaymentBody,
    PaymentsQuery,
    RefundBody,
    RefundRequest,
    VoidRequest,
    WebhookAnswer,
)
from modules.payment.service import PaymentService
from modules.platform.contracts import Actor
from modules.platform.rest.access import identified, scope
from modules.platform.rest.answers import Answer
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.pagination import Page
from modules.platform.rest.problems import Problem
from modules.platform.rest.requests import ApiRequest

STAFF = scope("payment:write")
UNSETTLED = (OutcomeUnknown, ProviderUnavailable)


class PaymentsView(ApiView):
    """The payments of an order."""

    @operation(
        "List an order's payments",
        description="Newest first. For the order's owner and for staff; others see none.",
        query=PaymentsQuery,
        returns=Page[PaymentBody],
        access=identified(),
    )
    def get(self, request: ApiRequest, query: PaymentsQuery) -> Page[PaymentBody]:
        found, following, previous = queries.shown_page(
            ORDERS.parse(query.order_id),
            owners=_owners(request.actor),
            cursor=query.cursor,
            limit=query.limit,
        )
        return Page(
            data=[PaymentBody.of(each) for each in found], next=following, previous=previous
        )


class PaymentView(ApiView):
    """One payment."""

    @operation("Read a payment", returns=PaymentBody, access=identified(), etag=True)
    def get(self, request: ApiRequest, payment_id: UUID) -> Answer:
        return _answer(queries.shown(payment_id, owners=_owners(request.actor)))


class CaptureView(ApiView):
    """Taking what was authorized."""

    @operation(
        "Capture a payment",
        body=CaptureRequest,
        returns=PaymentBody,
        access=STAFF,
        idempotent=True,
        errors=(PaymentNotFound, NotStanding, NotCapturable, CurrencyMismatch, *UNSETTLED),
    )
    def post(self, request: ApiRequest, payment_id: UUID, body: CaptureRequest) -> Answer:
        command = CapturePayment(
            idempotency_key=_key(request),
            order_id=_order_of(payment_id),
            amount=body.amount.money() if body.amount else None,
            payment_id=payment_id,
        )
        PaymentService().capture(command)
        return _answer(queries.shown(payment_id))


class VoidView(ApiView):
    """Giving up what was authorized."""

    @operation(
        "Void a payment",
        body=VoidRequest,
        returns=PaymentBody,
        access=STAFF,
        idempotent=True,
        errors=(PaymentNotFound, NotStanding, NotVoidable, *UNSETTLED),
    )
    def post(self, request: ApiRequest, payment_id: UUID, body: VoidRequest) -> Answer:
        order_id = _order_of(payment_id)
        PaymentService().void(order_id=order_id, reason=body.reason, payment_id=payment_id)
        return _answer(queries.shown(payment_id))


class RefundsView(ApiView):
    """Giving money back."""

    @operation(
        "Refund an order's payment",
        description="All that is left of it, or `amount`. A refund that the provider refuses "
        "comes back as `failed`.",
        body=RefundRequest,
        returns={201: RefundBody},
        access=STAFF,
        idempotent=True,
        errors=(PaymentNotFound, RefundExceedsCapture, CurrencyMismatch, *UNSETTLED),
    )
    def post(self, request: ApiRequest, body: RefundRequest) -> RefundBody:
        command = RefundPayment(
            idempotency_key=_key(request),
            order_id=ORDERS.parse(body.order_id),
            amount=body.amount.money() if body.amount else None,
            reason=body.reason,
        )
        return RefundBody.of(PaymentService().refund(command))


class WebhooksView(ApiView):
    """A provider's messages."""

    @operation(
        "Receive a provider's webhook",
        description="Signed as the provider does: Standard Webhooks or Stripe-Signature. "
        "Any number of deliveries of one message count once.",
        returns=WebhookAnswer,
        raw=("application/json",),
        problems={400: "bad_signature"},
    )
    def post(self, request: ApiRequest, provider: str) -> WebhookAnswer:
        try:
            fresh = inbox.receive(provider, request.body, _headers(request))
        except inbox.SenderUnknown as error:
            raise Problem.not_found("There is no such payment provider.") from error
        except inbox.MessageRefused as error:
            raise Problem(400, "bad_signature", f"The webhook is refused: {error}.") from error
        return WebhookAnswer(duplicate=not fresh)


def _owners(actor: Actor) -> Collection[str] | None:
    """Whose payments the actor may see: staff everybody's (None), others their own."""
    return None if actor.may("payment:read") else actor.owners


def _answer(shown: queries.ShownPayment | None) -> Answer:
    if shown is None:
        raise Problem.not_found("There is no such payment.")
    return Answer(body=PaymentBody.of(shown), version=shown.payment.version)


def _order_of(payment_id: UUID) -> UUID:
    order_id = queries.order_of(payment_id)
    if order_id is None:
        raise Problem.not_found("There is no such payment.")
    return order_id


def _key(request: ApiRequest) -> str:
    """The command's key: apart from those of sagas, which name steps."""
    return f"rest:{request.idempotency_key}"


def _headers(request: ApiRequest) -> dict[str, str]:
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in request.META.items()
        if name.startswith("HTTP_")
    }
