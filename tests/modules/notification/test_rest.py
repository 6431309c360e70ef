"""Notification over HTTP: messages, preferences, unsubscribing, templates, endpoints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.test import client

from modules.accounts import tokens
from modules.accounts.contract import CustomerRegistered
from modules.accounts.models import User
from modules.notification import preferences, wording
from modules.notification.contract import MessageState
from modules.notification.models import MessageRow, TemplateRow
from modules.notification.rest.serializers import MESSAGES, ORDERS, TEMPLATES
from modules.platform.rest.authentication import guest_owner
from tests.modules.notification.world import Post, confirmed, hear

BASE = "/api/v1/notification"
JSON = "application/json"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("templates")]


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(user, now=datetime.now(UTC)).text}"}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.com", "x")


@pytest.fixture
def staff() -> dict[str, str]:
    """Headers of somebody who may all."""
    return bearer(User.objects.create_superuser("boss@example.com", "x"))


def order_of(user: User) -> UUID:
    """An order whose confirmation is queued."""
    event = confirmed(owner=user.owner, email=user.email)
    hear(event)
    return event.order_id


def test_owners_see_the_messages_about_their_order(api: client.Client, ada: User) -> None:
    """Without the body, which is for staff; others see nothing of it."""
    order_id = ORDERS.text(order_of(ada))
    url = f"{BASE}/messages?order_id={order_id}"
    (mine,) = api.get(url, headers=bearer(ada)).json()["data"]
    assert (mine["template"], mine["state"], mine["order_id"]) == (
        "order_confirmed",
        "queued",
        order_id,
    )
    eve = bearer(User.objects.create_user("eve@example.com", "x"))
    assert api.get(url, headers=eve).json()["data"] == []
    one = f"{BASE}/messages/{mine['id']}"
    assert api.get(one, headers=bearer(ada)).json()["text"] is None
    assert api.get(one, headers=eve).status_code == 404
    assert api.get(url).status_code == 401


def test_a_guest_sees_the_messages_by_the_cart_s_token(api: client.Client) -> None:
    """The token is the owner."""
    hear(confirmed(owner=guest_owner("secret-token")))
    headers = {"Cart-Token": "secret-token"}
    assert len(api.get(f"{BASE}/messages", headers=headers).json()["data"]) == 1
    assert api.get(f"{BASE}/messages", headers={"Cart-Token": "other"}).json()["data"] == []


def test_staff_see_bodies_and_page_through_all(
    api: client.Client,
    ada: User,
    staff: dict[str, str],
    sender: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    """Filters by state; a page costs one query."""
    for _ in range(5):
        order_of(ada)
    sender()
    headers = staff
    with django_assert_num_queries(1, using="notification"):
        page = api.get(f"{BASE}/messages?limit=3&state=sent", headers=headers).json()
    rest = api.get(f"{BASE}/messages?limit=3&cursor={page['next']}", headers=headers).json()
    assert len({each["id"] for each in page["data"] + rest["data"]}) == 5
    detail = api.get(f"{BASE}/messages/{page['data'][0]['id']}", headers=headers).json()
    assert "Green" in detail["text"] or "Tea" in detail["text"]


@pytest.mark.parametrize(
    "query",
    [
        "order_id=nonsense",
        "order_id=ord_1",
        "state=flying",
        "limit=0",
        "cursor=%00",
        "cursor=W2ZhbHNlLCJub3QtYW4taWQiXQ",
    ],
)
def test_wrong_queries_are_422(api: client.Client, staff: dict[str, str], query: str) -> None:
    """Never a 500."""
    assert api.get(f"{BASE}/messages?{query}", headers=staff).status_code == 422


def test_a_dead_message_is_sent_again_with_a_reason(
    api: client.Client,
    ada: User,
    staff: dict[str, str],
    post: Post,
    sender: Callable[[], int],
) -> None:
    """Only a dead one, only by staff."""
    post.refuse = {ada.email: "550 no such user"}
    order_of(ada)
    sender()
    row = MessageRow.objects.get()
    url = f"{BASE}/messages/{MESSAGES.text(row.pk)}/retry"

    def retry(headers: dict[str, str], reason: str = "address fixed") -> Any:
        return api.post(url, {"reason": reason}, content_type=JSON, headers=headers)

    assert retry(bearer(ada)).status_code == 403
    assert retry(staff, "").status_code == 422
    post.refuse = {}
    assert retry(staff).status_code == 202
    sender()
    assert len(post.mails) == 1
    again = retry(staff)
    assert (again.status_code, again.json()["code"]) == (409, "notification.not_retryable")
    url = f"{BASE}/messages/{MESSAGES.text(uuid4())}/retry"
    assert retry(staff).status_code == 404


def welcome(user: User) -> None:
    hear(CustomerRegistered(customer_id=user.pk, email=user.email, full_name="", locale="en"))


def test_who_switches_marketing_off_gets_none_and_can_switch_it_on(
    api: client.Client, ada: User, post: Post, sender: Callable[[], int]
) -> None:
    """Transactional messages go on; suppressed ones are kept as such."""
    url, headers = f"{BASE}/preferences", bearer(ada)
    assert api.get(url, headers=headers).json() == {"transactional": True, "marketing": True}
    off = api.put(url, {"marketing": False}, content_type=JSON, headers=headers)
    assert off.json()["marketing"] is False
    welcome(ada)
    order_of(ada)
    sender()
    assert [mail["Subject"] for mail in post.mails] == ["Order F-1001 is confirmed"]
    assert MessageRow.objects.get(template="welcome").state == MessageState.SUPPRESSED
    api.put(url, {"marketing": True}, content_type=JSON, headers=headers)
    welcome(ada)
    sender()
    assert len(post.mails) == 2


def test_transactional_messages_cannot_be_switched_off(api: client.Client, ada: User) -> None:
    """They are part of the sale."""
    body = {"marketing": True, "transactional": False}
    answer = api.put(f"{BASE}/preferences", body, content_type=JSON, headers=bearer(ada))
    assert (answer.status_code, answer.json()["code"]) == (
        422,
        "notification.cannot_switch_off",
    )


def test_the_link_in_a_mail_unsubscribes_with_one_click(
    api: client.Client, ada: User, post: Post, sender: Callable[[], int]
) -> None:
    """As mail programs do it (RFC 8058): a form post without cookies or tokens."""
    welcome(ada)
    sender()
    url = post.mails[0]["List-Unsubscribe"].strip("<>")
    link = urlsplit(url)
    done = api.post(
        f"{link.path}?{link.query}",
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )
    assert done.status_code == 204, done.content
    shown = api.get(f"{BASE}/preferences", headers=bearer(ada)).json()
    assert shown["marketing"] is False
    welcome(ada)
    assert sender() == 0
    on = {"marketing": True}
    api.put(f"{BASE}/preferences", on, content_type=JSON, headers=bearer(ada))
    welcome(ada)
    assert sender() == 1, "the owner's own choice lifts what the link did"


def test_opening_the_link_changes_nothing_until_the_button(
    api: client.Client, ada: User, post: Post, sender: Callable[[], int]
) -> None:
    """Scanners follow links; people press buttons."""
    welcome(ada)
    sender()
    link = urlsplit(post.mails[0]["List-Unsubscribe"].strip("<>"))
    page = api.get(f"{link.path}?{link.query}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert b"ada@example.com" in page.content
    assert preferences.of(ada.owner)["marketing"] is True
    token = page.content.decode().partition('name="token" value="')[2].partition('"')[0]
    api.post(f"{BASE}/unsubscribe/page", {"token": token})
    assert preferences.of(ada.owner)["marketing"] is False


def test_a_forged_link_unsubscribes_nobody(api: client.Client) -> None:
    """422 for programs, a sentence for people."""
    assert api.post(f"{BASE}/unsubscribe?token=made:up").status_code == 422
    assert b"not valid" in api.get(f"{BASE}/unsubscribe?token=made:up").content


def test_a_blocked_address_gets_nothing_at_all(
    ada: User, post: Post, sender: Callable[[], int]
) -> None:
    """Staff may stop even transactional mails, by address."""
    preferences.block(address="ADA@example.com", reason="bounces")
    order_of(ada)
    assert sender() == 0
    preferences.unblock(address="ada@example.com")
    order_of(ada)
    assert sender() == 1


def test_templates_are_made_changed_and_removed_against_their_version(
    api: client.Client, staff: dict[str, str]
) -> None:
    """428, 412, 409 and 422 where they belong; a cached one is used no more."""
    url = f"{BASE}/templates"
    body = {"name": "order_confirmed", "locale": "fr", "subject": "Merci {{ number }}", "text": "x"}
    made = api.post(url, body, content_type=JSON, headers=staff)
    assert made.status_code == 201, made.content
    assert api.post(url, body, content_type=JSON, headers=staff).status_code == 409
    one = f"{url}/{made.json()['id']}"
    texts = {"subject": "Salut", "text": "y"}
    assert api.put(one, texts, content_type=JSON, headers=staff).status_code == 428
    right = staff | {"If-Match": made["ETag"]}
    bad = texts | {"html": "{% load static %}"}
    refused = api.put(one, bad, content_type=JSON, headers=right)
    assert (refused.status_code, refused.json()["code"]) == (422, "notification.template_invalid")
    assert api.put(one, texts, content_type=JSON, headers=right).json()["version"] == 2
    assert api.put(one, texts, content_type=JSON, headers=right).status_code == 412
    assert wording.find("order_confirmed", "email", "fr-BE").subject == "Salut"
    assert api.delete(one, headers=staff | {"If-Match": '"2"'}).status_code == 204
    assert wording.find("order_confirmed", "email", "fr-BE").locale == "en"


def test_a_preview_sends_nothing(api: client.Client, staff: dict[str, str], post: Post) -> None:
    """With sample data, or with one's own."""
    row = TemplateRow.objects.get(name="order_confirmed", channel="email", locale="en")
    url = f"{BASE}/templates/{TEMPLATES.text(row.pk)}/preview"
    shown = api.post(url, {}, content_type=JSON, headers=staff).json()
    assert shown["subject"] == "Order F-1001 is confirmed"
    assert "Green tea &lt;organic&gt;" in shown["html"]
    own = {"variables": {"number": "X-1"}}
    shown = api.post(url, own, content_type=JSON, headers=staff).json()
    assert shown["subject"] == "Order X-1 is confirmed"
    assert post.mails == []


def test_templates_and_endpoints_are_for_staff(api: client.Client, ada: User) -> None:
    """403 for customers, 401 for strangers."""
    for path in ("templates", "webhook-endpoints"):
        assert api.get(f"{BASE}/{path}", headers=bearer(ada)).status_code == 403
        assert api.get(f"{BASE}/{path}").status_code == 401


def test_an_endpoint_s_secret_is_shown_once(api: client.Client, staff: dict[str, str]) -> None:
    """Inner addresses are refused; a second one of the same address too."""
    url = f"{BASE}/webhook-endpoints"
    body = {"url": "https://hooks.example.com/in", "templates": ["order_shipped"]}
    made = api.post(url, body, content_type=JSON, headers=staff)
    assert made.json()["secret"].startswith("whsec_")
    assert api.post(url, body, content_type=JSON, headers=staff).status_code == 422
    inner = body | {"url": "https://10.0.0.1/in"}
    assert api.post(url, inner, content_type=JSON, headers=staff).status_code == 422
    (listed,) = api.get(url, headers=staff).json()["data"]
    assert "secret" not in listed
    assert api.delete(f"{url}/{listed['id']}", headers=staff).status_code == 204
    assert api.delete(f"{url}/{listed['id']}", headers=staff).status_code == 404
