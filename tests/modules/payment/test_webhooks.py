"""Webhooks over real HTTP from the stand-in, and forged, replayed or early ones by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from modules.payment import inbox, models
from modules.payment.contract import ActionRequired, OutcomeUnknown, PaymentState
from modules.platform.contracts import deadline_in
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    ledger,
    payment,
    published,
)
from tests.standin import SECRET
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/payment/webhooks/standin"


@pytest.fixture
def hooked(live_server, standin):
    """The stand-in, told to send its webhooks to this shop."""
    standin.webhooks(url=f"{live_server.url}{URL}")
    return standin


def processed(count: int):
    rows = models.WebhookMessage.objects.filter(state="processed")
    return eventually(lambda: rows.count() >= count)


def post(api, body: bytes, *, message: str = "msg_1", at: datetime | None = None, secret=SECRET):
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign(message, at, body.decode())
    return api.post(
        URL,
        body,
        content_type="application/json",
        headers={
            "Webhook-Id": message,
            "Webhook-Timestamp": str(int(at.timestamp())),
            "Webhook-Signature": signature,
        },
    )


def event(standin, order_id, **changed) -> bytes:
    """What the stand-in would send about the order's charge."""
    charge = standin.charges(order_id)[0] | changed
    return json.dumps({"type": "charge.authorized", "data": charge}).encode()


def test_a_webhook_settles_a_lost_answer(service, hooked, authorize, order_id):
    """The answer was lost, the webhook brings it: authorized, without anybody asking."""
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    hooked.ask("POST", "/webhooks/resend")
    eventually(lambda: payment(order_id).state == PaymentState.AUTHORIZED)
    assert published(order_id) == ["payment_authorized"]
    assert models.Attempt.objects.get(order_id=order_id).state == "succeeded"


def test_a_confirmed_action_comes_by_webhook(service, hooked, authorize, order_id):
    """The shopper confirms at the bank's page; the shop hears of it by webhook alone."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    hooked.confirm(caught.value.next_action)
    eventually(lambda: payment(order_id).state == PaymentState.AUTHORIZED)
    assert published(order_id) == ["payment_authorized"]


@pytest.mark.parametrize("mode", ["normal", "early", "doubled", "late"])
def test_whenever_webhooks_come_the_books_agree(
    mode, service, hooked, authorize, capture, refund, order_id
):
    """Before the answer, after it, twice or much later: one authorization, capture, refund."""
    hooked.webhooks(mode=mode, delay_seconds=0.3)
    service.authorize(authorize())
    service.capture(capture(6_000))
    service.refund(refund(1_000))
    processed(3)
    assert ledger(order_id) == {"authorization": 10_000, "capture": 6_000, "refund": 1_000}
    assert published(order_id) == [
        "payment_authorized",
        "payment_captured",
        "payment_refunded",
    ]
    assert_ledger_equals_totals(order_id)


def test_webhooks_are_kept_while_the_shop_is_away(
    service, hooked, live_server, authorize, order_id
):
    """The stand-in delivers what nobody took, also after a crash of its own."""
    hooked.webhooks(url="http://127.0.0.1:9/")
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    hooked.kill()
    hooked.start()
    hooked.webhooks(url=f"{live_server.url}{URL}")
    hooked.ask("POST", "/webhooks/resend")
    eventually(lambda: payment(order_id).state == PaymentState.AUTHORIZED)


def test_a_replayed_webhook_is_a_duplicate(api, service, standin, authorize, order_id):
    """The same message again is answered well and does nothing."""
    service.authorize(authorize())
    body = event(standin, order_id)
    assert post(api, body).json() == {"received": True, "duplicate": False}
    assert post(api, body).json() == {"received": True, "duplicate": True}
    assert models.WebhookMessage.objects.count() == 1


def test_a_webhook_replayed_much_later_is_refused(api, service, standin, authorize, order_id):
    """The signature is fine and the time in it is not."""
    service.authorize(authorize())
    old = datetime.now(UTC) - timedelta(minutes=6)
    answer = post(api, event(standin, order_id), at=old)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    assert not models.WebhookMessage.objects.exists()


def test_a_forged_webhook_is_refused(api, service, standin, authorize, order_id):
    """Signed with another secret, it is not even stored."""
    with pytest.raises(ActionRequired):
        service.authorize(authorize("card_requires_action"))
    body = event(standin, order_id, status="authorized", authorized=10_000)
    forged = "whsec_Zm9yZ2VkIHNlY3JldCBvZiBzb21lYm9keSBlbHNl"
    assert post(api, body, secret=forged).status_code == 400
    assert payment(order_id).state == PaymentState.REQUIRES_ACTION
    assert not models.WebhookMessage.objects.exists()


def test_a_changed_webhook_is_refused(api, service, standin, authorize, order_id):
    """A signature holds for its body only."""
    service.authorize(authorize())
    body = event(standin, order_id)
    at = datetime.now(UTC)
    signature = Webhook(SECRET).sign("msg_1", at, body.decode())
    answer = api.post(
        URL,
        body.replace(b"10000", b"99999"),
        content_type="application/json",
        headers={
            "Webhook-Id": "msg_1",
            "Webhook-Timestamp": str(int(at.timestamp())),
            "Webhook-Signature": signature,
        },
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Webhook-Id": "m", "Webhook-Timestamp": "x", "Webhook-Signature": "v1,AAAA"},
        {"Webhook-Id": "m", "Webhook-Timestamp": "1", "Webhook-Signature": "nonsense"},
        {"Webhook-Id": "m", "Webhook-Timestamp": "1e400", "Webhook-Signature": "v1,!"},
    ],
)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"[1]"])
def test_nonsense_is_refused(api, standin, headers, body):
    """Whatever is sent, the answer is a problem, never an error of ours."""
    answer = api.post(URL, body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")


def test_signed_nonsense_is_refused(api, standin):
    """A signature alone does not make an event."""
    assert post(api, b'{"type": 1}').status_code == 400


def test_an_unknown_provider_is_not_found(api, standin):
    """There is no address for a provider that the shop does not have."""
    answer = api.post("/api/v1/payment/webhooks/nobody", b"{}", content_type="application/json")
    assert answer.status_code == 404


def test_an_unknown_reference_is_parked(api, service, standin, authorize, order_id):
    """A webhook that comes before its payment is known waits, and is applied then."""
    service.authorize(authorize())
    stranger = uuid4()
    body = event(standin, order_id, id="ch_unknown", payment_id=str(stranger))
    assert post(api, body).status_code == 200
    row = models.WebhookMessage.objects.get()
    assert (row.state, row.next_at is not None) == ("parked", True)
    # The payment turns up, and the provider is asked for what the message was about.
    charge = standin.charges(order_id)[0]["id"]
    models.WebhookMessage.objects.update(reference=charge)
    assert inbox.retry_due(now=datetime.now(UTC) + timedelta(minutes=1)) == 1
    row.refresh_from_db()
    assert (row.state, row.payment_id) == ("processed", payment(order_id).id)


def test_what_stays_unknown_is_ignored_after_a_day(api, service, standin, authorize, order_id):
    """It was another shop's; the row stays for whoever wants to look."""
    service.authorize(authorize())
    post(api, event(standin, order_id, id="ch_x", payment_id=str(uuid4())))
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    models.WebhookMessage.objects.update(received_at=yesterday)
    inbox.retry_due(now=datetime.now(UTC) + timedelta(minutes=1))
    assert models.WebhookMessage.objects.get().state == "ignored"


def test_a_crash_after_storing_is_made_good(api, service, standin, authorize, order_id):
    """The row was committed first; the reconciler applies what the request did not."""
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    charge = standin.charges(order_id)[0]
    models.WebhookMessage.objects.create(
        provider="standin",
        message_id="msg_9",
        type="charge.authorized",
        reference=charge["id"],
        payload="{}",
        next_at=datetime.now(UTC),
    )
    inbox.retry_due(now=datetime.now(UTC))
    assert payment(order_id).state == PaymentState.AUTHORIZED


def test_a_webhook_over_other_money_is_parked(api, service, standin, authorize, order_id):
    """Signed or not, a charge of another amount is not this payment."""
    service.authorize(authorize())
    assert post(api, event(standin, order_id, amount=1)).status_code == 200
    assert models.WebhookMessage.objects.get().state == "parked"
    assert payment(order_id).authorized == 10_000


def test_a_late_webhook_of_an_earlier_state_changes_nothing(
    api, service, standin, authorize, capture, order_id
):
    """'Authorized' arrives when the money was captured long ago."""
    service.authorize(authorize())
    earlier = event(standin, order_id)
    service.capture(capture())
    before = payment(order_id).version
    assert post(api, earlier).status_code == 200
    assert payment(order_id).version == before
    assert models.WebhookMessage.objects.get().state == "processed"
