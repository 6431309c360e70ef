"""The Stripe adapter against localstripe as a real process, and Stripe's signatures."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import stripe

from modules.payment import models, reconciler
from modules.payment.contract import (
    ActionRequired,
    Declined,
    OutcomeUnknown,
    PaymentMethodUnknown,
    PaymentState,
    RefundState,
)
from modules.payment.domain import ChargeStatus
from modules.payment.providers import BadSignature
from modules.payment.providers.stripe_objects import charge_of
from modules.payment.providers.stripe_signature import verify
from modules.payment.service import PaymentService
from modules.platform.contracts import deadline_in
from tests.modules.payment.localstripe import KEY, LocalStripe
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    eur,
    ledger,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_of_the_shop"


@pytest.fixture(scope="module")
def localstripe():
    with LocalStripe.started() as running:
        yield running


@pytest.fixture
def service(localstripe, settings):
    """The shop with Stripe as its provider."""
    settings.PAYMENT_PROVIDER = "stripe"
    settings.STANDIN_URL = ""
    settings.STRIPE_API_KEY = KEY
    settings.STRIPE_API_BASE = localstripe.url
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    return PaymentService()


@pytest.fixture
def pay(localstripe, authorize):
    """An AuthorizePayment with a card of localstripe's."""
    return lambda card="ok", **given: authorize(localstripe.method(card), **given)


def test_a_whole_life(service, localstripe, pay, capture, refund, order_id):
    """Authorized, captured, refunded in two parts; Stripe's own objects agree at each step."""
    record = service.authorize(pay())
    assert (record.state, record.authorized) == (PaymentState.AUTHORIZED, eur(10_000))
    (intent,) = localstripe.intents(order_id)
    assert (intent["status"], intent["capture_method"]) == ("requires_capture", "manual")
    assert service.capture(capture()).state is PaymentState.CAPTURED
    assert localstripe.intents(order_id)[0]["status"] == "succeeded"
    assert service.refund(refund(2_500, "a")).state is RefundState.SUCCEEDED
    assert service.refund(refund(None, "b")).amount == eur(7_500)
    assert payment(order_id).state == PaymentState.REFUNDED
    assert sum(each["amount"] for each in localstripe.refunds(intent["id"])) == 10_000
    assert published(order_id) == [
        "payment_authorized",
        "payment_captured",
        "payment_refunded",
        "payment_refunded",
    ]
    assert_ledger_equals_totals(order_id)


def test_a_partial_capture_lets_the_rest_go(service, localstripe, pay, capture, refund, order_id):
    """One capture ends a PaymentIntent: the rest is voided, and only what was taken goes back."""
    service.authorize(pay())
    record = service.capture(capture(6_000))
    assert (record.state, record.captured) == (PaymentState.CAPTURED, eur(6_000))
    assert ledger(order_id) == {"authorization": 10_000, "capture": 6_000, "void": 4_000}
    assert service.refund(refund()).amount == eur(6_000)
    assert_ledger_equals_totals(order_id)


def test_cancelling_voids(service, localstripe, pay, cancel, order_id):
    """An authorization is cancelled at Stripe."""
    service.authorize(pay())
    service.cancel(cancel)
    assert localstripe.intents(order_id)[0]["status"] == "canceled"
    assert payment(order_id).state == PaymentState.VOIDED
    assert ledger(order_id) == {"authorization": 10_000, "void": 10_000}


def test_cancelling_refunds(service, localstripe, pay, capture, cancel, order_id):
    """What was captured is refunded."""
    service.authorize(pay())
    service.capture(capture())
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.REFUNDED


def test_a_declined_card(service, pay, order_id):
    """402 from Stripe is an answer."""
    with pytest.raises(Declined) as caught:
        service.authorize(pay("declined"))
    assert caught.value.decline_code == "card_declined"
    assert ledger(order_id) == {}


def test_an_unknown_method(service, authorize):
    """A PaymentMethod that Stripe does not have, or that is none."""
    for number, method in enumerate(("pm_nothing", "card_ok")):
        with pytest.raises((PaymentMethodUnknown, Declined)):
            service.authorize(authorize(method, idempotency_key=str(number)))


def test_three_d_secure(service, localstripe, pay, order_id):
    """The shopper confirms with the bank; the same command then finds the authorization."""
    command = pay("action")
    with pytest.raises(ActionRequired) as caught:
        service.authorize(command)
    (intent,) = localstripe.intents(order_id)
    assert caught.value.next_action == f"stripe:{intent['client_secret']}"
    localstripe.confirm(intent)
    assert service.authorize(command).state is PaymentState.AUTHORIZED


def test_a_failed_three_d_secure(service, localstripe, pay, order_id):
    """The bank did not recognise the shopper."""
    command = pay("action")
    with pytest.raises(ActionRequired):
        service.authorize(command)
    localstripe.confirm(localstripe.intents(order_id)[0], success=False)
    with pytest.raises(Declined):
        service.authorize(command)


def whole_request(client: socket.socket) -> bytes:
    """Head and body, which may come in two packets."""
    received = client.recv(100_000)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
    )
    while len(body) < length:
        more = client.recv(100_000)
        received, body = received + more, body + more
    return received


@contextmanager
def deaf_proxy(target: str, answers: int = 0):
    """A TCP proxy to Stripe that delivers requests and loses all answers but the first few."""
    host, port = target.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        for served in range(100):
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, socket.create_connection((host, int(port))) as upstream:
                upstream.sendall(whole_request(client))
                answer = upstream.recv(100_000)
                if served < answers:
                    client.sendall(answer)
                else:
                    stopped.wait(0.6)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        listener.close()


def test_an_answer_lost_after_the_charge(service, localstripe, settings, pay, order_id):
    """Stripe has charged and nobody was told; the same command finds it and charges no more."""
    command = pay()
    with deaf_proxy(localstripe.url) as deaf:
        settings.STRIPE_API_BASE = deaf
        with deadline_in(timedelta(seconds=0.4)), pytest.raises(OutcomeUnknown):
            service.authorize(command)
    settings.STRIPE_API_BASE = localstripe.url
    assert service.authorize(command).state is PaymentState.AUTHORIZED
    assert len(localstripe.intents(order_id)) == 1


def test_the_reconciler_finds_a_lost_charge(service, localstripe, settings, pay, order_id):
    """Without anybody asking again."""
    command = pay()
    with deaf_proxy(localstripe.url) as deaf:
        settings.STRIPE_API_BASE = deaf
        with deadline_in(timedelta(seconds=0.4)), pytest.raises(OutcomeUnknown):
            service.authorize(command)
    settings.STRIPE_API_BASE = localstripe.url
    reconciler.reconcile(now=datetime.now(UTC) + timedelta(seconds=5))
    assert payment(order_id).state == PaymentState.AUTHORIZED


def test_the_sweep_reads_stripes_list(service, localstripe, pay, order_id):
    """A PaymentIntent without a row here is taken in."""
    payment_id = uuid4()
    form = {
        "amount": "10000",
        "currency": "eur",
        "payment_method": localstripe.method("ok"),
        "capture_method": "manual",
        "confirm": "true",
        "metadata[payment_id]": str(payment_id),
        "metadata[order_id]": str(order_id),
    }
    localstripe.ask("POST", "/v1/payment_intents", form)
    reconciler.sweep_provider("stripe", now=datetime.now(UTC))
    assert payment(order_id).id == payment_id
    assert payment(order_id).state == PaymentState.AUTHORIZED


def test_a_real_webhook_settles_a_capture(
    service, localstripe, live_server, pay, capture, order_id
):
    """Signed by localstripe, verified here; Stripe is asked for the truth."""
    url = f"{live_server.url}/api/v1/payment/webhooks/stripe"
    localstripe.send_webhooks_to(url, SECRET)
    service.authorize(pay())
    service.capture(capture())
    # Those of earlier tests may come in as well: localstripe sends them a second later.
    mine = models.WebhookMessage.objects.filter(payment_id=payment(order_id).id)
    end = time.monotonic() + 10
    while not mine.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (mine.get().type, mine.get().state) == ("payment_intent.succeeded", "processed")
    assert ledger(order_id) == {"authorization": 10_000, "capture": 10_000}


def signed(body: bytes, *, at: float, secret: str = SECRET) -> str:
    """As the stripe package signs, which is our reference."""
    signature = stripe.WebhookSignature._compute_signature(f"{int(at)}.{body.decode()}", secret)
    return f"t={int(at)},v1={signature}"


def test_stripes_own_signature_is_accepted():
    """What the stripe package signs, this verifies."""
    now = time.time()
    verify(b'{"id":"evt_1"}', signed(b'{"id":"evt_1"}', at=now), SECRET, now=now)


OTHER = {
    "none": lambda: "",
    "no signature": lambda: "t=1",
    "no time": lambda: "v1=abc",
    "odd time": lambda: "t=x,v1=abc",
    "two times": lambda: "t=1,t=2,v1=abc",
    "not ascii": lambda: "t=1,v1=é",
    "wrong": lambda: f"t={int(time.time())},v1=abc",
    "old": lambda: signed(b"{}", at=time.time() - 400),
    "from the future": lambda: signed(b"{}", at=time.time() + 400),
    "another secret": lambda: signed(b"{}", at=time.time(), secret="another"),
    "another body": lambda: signed(b"other", at=time.time()),
}


@pytest.mark.parametrize("kind", OTHER)
def test_other_signatures_are_refused(kind):
    """Missing, malformed, old, of another secret or another body."""
    with pytest.raises(BadSignature):
        verify(b"{}", OTHER[kind](), SECRET, now=time.time())


def test_without_a_secret_nothing_is_accepted():
    """An empty setting must not make everybody's signature right."""
    with pytest.raises(BadSignature):
        verify(b"{}", signed(b"{}", at=time.time(), secret=""), "", now=time.time())


def test_a_signed_event_that_is_none_is_refused(api, service):
    """400, not an error of ours."""
    body = json.dumps({"id": "evt_1"}).encode()
    answer = api.post(
        "/api/v1/payment/webhooks/stripe",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signed(body, at=time.time())},
    )
    assert answer.status_code == 400


def intent(**given):
    """A PaymentIntent as the real Stripe writes it."""
    return {
        "id": "pi_1",
        "amount": 100,
        "amount_received": 0,
        "currency": "eur",
        "status": "succeeded",
        "created": 1,
        "metadata": {},
        "latest_charge": {"status": "succeeded", "amount_refunded": 0},
    } | given


def test_a_released_remainder_is_no_refund():
    """Stripe lists what a cancellation or a smaller capture lets go of as a refund."""
    released = {"id": "re_1", "amount": 100, "status": "succeeded", "payment_intent": "pi_1"}
    cancelled = charge_of(intent(status="canceled"), [released])
    assert (cancelled.voided, cancelled.captured, cancelled.refunds) == (100, 0, ())


def test_the_real_stripes_totals_are_used():
    """amount_received is what was captured; the rest of the authorization is gone."""
    part = charge_of(intent(amount_received=60), [])
    assert (part.authorized, part.captured, part.voided) == (100, 60, 40)
    held = charge_of(intent(status="requires_capture"), [])
    assert (held.status, held.authorized, held.captured) == (ChargeStatus.AUTHORIZED, 100, 0)


def test_a_redirect_is_a_page_for_the_shopper():
    """Where Stripe names a page, that is where the shopper goes."""
    action = {"redirect_to_url": {"url": "https://bank.example/3ds"}}
    waiting = intent(status="requires_action", next_action=action, latest_charge=None)
    assert charge_of(waiting, []).next_action == "https://bank.example/3ds"
