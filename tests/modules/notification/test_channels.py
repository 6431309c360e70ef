"""SMS and webhooks against real HTTP servers, and addresses that webhooks must not reach."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from modules.notification import endpoints
from modules.notification.contract import Channel, MessageState
from modules.notification.models import MessageRow, WebhookEndpoint
from modules.notification.outlets import transports
from modules.notification.providers.addresses import (
    AddressRefused,
    NameUnknown,
    check_url,
    is_public,
    pin,
)
from modules.notification.providers.sms import SmsTransport
from modules.notification.providers.smtp import SmtpAddress
from modules.notification.providers.transport import Outgoing, Verdict
from modules.notification.providers.webhook import WebhookTransport
from tests.modules.notification.world import Post, confirmed, hear
from tests.ports import free_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Hook:
    """A real HTTP server; ``answers`` are the statuses to give, 204 when there are none left."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.location = ""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://hooks.example.com:{self.port}/in?shop=1"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()
    thread.join()


def outgoing(recipient: str, text: str = "{}") -> Outgoing:
    return Outgoing(
        id=uuid4(),
        template="order_confirmed",
        recipient=recipient,
        subject="",
        text=text,
        html="",
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def webhooks() -> Iterator[WebhookTransport]:
    """The real transport; every name leads to this machine, which is allowed here."""
    transport = WebhookTransport(
        lambda url: SECRET, resolver=lambda host, port: ["127.0.0.1"], allow_private=True
    )
    yield transport
    transport.close()


def test_a_webhook_is_signed_and_names_its_host(hook: Hook, webhooks: WebhookTransport) -> None:
    """The receiver verifies it with the library of the standard."""
    message = outgoing(hook.url, '{"type":"order.confirmed"}')
    assert webhooks.send(message).verdict is Verdict.SENT
    ((headers, body),) = hook.got
    assert Webhook(SECRET).verify(body, headers) == {"type": "order.confirmed"}
    assert headers["host"] == f"hooks.example.com:{hook.port}"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"confirmed", b"cancelled"), headers)


def test_the_id_of_a_webhook_stays_the_same_when_it_is_sent_again(
    hook: Hook, webhooks: WebhookTransport
) -> None:
    """So that receivers know a double."""
    message = outgoing(hook.url)
    webhooks.send(message)
    webhooks.send(message)
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "sent"), (302, "later"), (404, "later"), (410, "dead"), (429, "later"), (500, "later")],
)
def test_what_the_endpoint_answers_decides(
    hook: Hook, webhooks: WebhookTransport, status: int, verdict: str
) -> None:
    """Everything but 2xx is tried again; 410 is the end."""
    hook.answers = [status]
    assert webhooks.send(outgoing(hook.url)).verdict == verdict


def test_redirects_are_not_followed(hook: Hook, webhooks: WebhookTransport) -> None:
    """They would lead past the check of the address."""
    hook.answers, hook.location = [307], "http://169.254.169.254/latest/meta-data"
    assert webhooks.send(outgoing(hook.url)).verdict is Verdict.LATER
    assert len(hook.got) == 1


def test_an_endpoint_that_is_down_is_tried_later(webhooks: WebhookTransport) -> None:
    """It says nothing about the other endpoints."""
    url = f"http://hooks.example.com:{free_port()}/in"
    assert webhooks.send(outgoing(url)).verdict is Verdict.LATER


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_inner_addresses_are_never_connected_to(hook: Hook, address: str) -> None:
    """Whatever the name is, it may not lead inside, in any spelling."""
    assert not is_public(address)
    guarded = WebhookTransport(lambda url: SECRET, resolver=lambda host, port: [address])
    assert guarded.send(outgoing("https://hooks.example.com/in")).verdict is Verdict.DEAD
    guarded.close()


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    """A name with two addresses is as good as its worst."""
    with pytest.raises(AddressRefused):
        pin("https://x.example.com/", resolver=lambda host, port: ["93.184.216.34", "10.0.0.1"])


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name that changes its mind in between (DNS rebinding) is not asked again."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    target = pin("https://x.example.com:8443/a?b=c", resolver=lambda host, port: answers.pop(0))
    assert target.url == "https://93.184.216.34:8443/a?b=c"
    assert (target.host, target.netloc) == ("x.example.com", "x.example.com:8443")
    assert len(answers) == 1


def test_ipv6_addresses_are_written_as_urls_want_them() -> None:
    """In brackets."""
    target = pin("https://x.example.com/", resolver=lambda host, port: ["2606:2800:220:1::1"])
    assert target.url == "https://[2606:2800:220:1::1]:443/"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/in",
        "ftp://hooks.example.com/in",
        "https://user:pw@hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https:///nowhere",
        "https://hooks.example.com:99999/",
        "nonsense",
    ],
)
def test_endpoints_that_cannot_be_right_are_refused_at_once(url: str) -> None:
    """Before anything is stored."""
    with pytest.raises(AddressRefused):
        check_url(url)


def test_a_name_nobody_knows_is_tried_later() -> None:
    """DNS has bad days."""

    def nothing(host: str, port: int) -> list[str]:
        raise NameUnknown(host)

    transport = WebhookTransport(lambda url: SECRET, resolver=nothing)
    assert transport.send(outgoing("https://hooks.example.com/")).verdict is Verdict.LATER
    transport.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("templates")
def test_an_event_reaches_its_endpoint_and_a_gone_one_is_switched_off(
    hook: Hook, sender: Callable[..., int], post: Post
) -> None:
    """End to end: the payload is the event, signed with the endpoint's own secret."""
    row = endpoints.register(url="https://hooks.example.com/in", templates=("order_confirmed",))
    WebhookEndpoint.objects.update(url=hook.url)
    endpoints.forget_endpoints()
    out = transports()[Channel.WEBHOOK]
    assert isinstance(out, WebhookTransport)
    out._resolver, out._allow_private = (lambda host, port: ["127.0.0.1"]), True
    event = confirmed()
    hear(event)
    assert sender(webhook=out) == 2
    ((headers, body),) = hook.got
    assert Webhook(row.secret).verify(body, headers)["data"]["number"] == "F-1001"
    hook.answers = [410]
    out = transports()[Channel.WEBHOOK]
    out._resolver, out._allow_private = (lambda host, port: ["127.0.0.1"]), True
    hear(confirmed())
    sender(webhook=out)
    row.refresh_from_db()
    assert not row.is_active
    assert MessageRow.objects.filter(channel="webhook", state=MessageState.DEAD).count() == 1


@pytest.mark.parametrize(
    ("status", "verdict"), [(202, "sent"), (400, "dead"), (429, "later"), (503, "later")]
)
def test_an_sms_goes_through_the_gateway(hook: Hook, status: int, verdict: str) -> None:
    """With its id as Idempotency-Key."""
    hook.answers = [status]
    sms = SmsTransport(f"http://127.0.0.1:{hook.port}/sms")
    message = outgoing("+436601234567", "On its way\n")
    assert sms.send(message).verdict == verdict
    ((headers, body),) = hook.got
    assert headers["idempotency-key"] == str(message.id)
    assert json.loads(body) == {
        "id": str(message.id),
        "to": "+436601234567",
        "text": "On its way",
    }
    sms.close()


def test_sms_without_a_gateway_is_dead_and_with_a_silent_one_waits() -> None:
    """Off is off; down is not the message's fault."""
    off, down = SmsTransport(""), SmsTransport(f"http://127.0.0.1:{free_port()}/")
    assert off.send(outgoing("+436601234567")).verdict is Verdict.DEAD
    assert down.send(outgoing("+436601234567")).verdict is Verdict.DOWN
    off.close()
    down.close()


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("smtp://mail.example.com", 25),
        ("smtp+starttls://mail.example.com", 587),
        ("smtps://u%40x:p%3Aw@mail.example.com", 465),
        ("smtp://127.0.0.1:8025", 8025),
    ],
)
def test_smtp_urls_are_read(url: str, port: int) -> None:
    """Ports by scheme; user and password unquoted."""
    address = SmtpAddress.parse(url)
    assert address.port == port
    if address.user:
        assert (address.user, address.password) == ("u@x", "p:w")


@pytest.mark.parametrize("url", ["http://x", "smtp://", "mail.example.com", "", "smtp://:pw@"])
def test_what_is_no_smtp_url_is_refused_without_showing_it(url: str) -> None:
    """It may have a password in it."""
    with pytest.raises(ValueError, match="SMTP_URL is not like") as failure:
        SmtpAddress.parse(url)
    assert "pw@" not in str(failure.value).replace("user:password@host", "")
