"""Mails that accounts owes: registration never waits for notification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import client

from modules.accounts import customers, mails
from modules.accounts.contract import EmailVerified, LinkInvalid
from modules.accounts.domain import MAIL_PATIENCE, MailKind
from modules.accounts.links import check_token, make_token, user_id_in
from modules.accounts.models import MailIntent
from modules.notification.contract import Notification
from modules.platform.binding import table
from modules.platform.messaging import registry
from modules.platform.messaging.testing import drain
from tests.modules.accounts.people import (
    EMAIL,
    PASSWORD,
    FakeNotification,
    customer,
    post,
)

pytestmark = pytest.mark.django_db(transaction=True)


def later(**units: float) -> datetime:
    return datetime.now(UTC) + timedelta(**units)


def test_registration_succeeds_while_notification_is_down(
    api: client.Client, notification: FakeNotification
) -> None:
    """The mail goes out when it is back, once."""
    notification.down = True
    assert post(api, "/register", {"email": EMAIL, "password": PASSWORD}).status_code == 201
    drain()
    assert notification.sent == {}
    assert MailIntent.objects.get().error
    notification.down = False
    assert mails.send_owed(now=later(minutes=2)) == 1
    assert mails.send_owed(now=later(hours=1)) == 0
    assert [each.template for each in notification.sent.values()] == ["verify_email"]


def test_a_host_without_notification_keeps_owing(
    monkeypatch: pytest.MonkeyPatch, api: client.Client
) -> None:
    """NotBound is no error of the customer."""
    monkeypatch.delitem(table._stubs, Notification)
    assert post(api, "/register", {"email": EMAIL, "password": PASSWORD}).status_code == 201
    drain()
    assert MailIntent.objects.get().taken_at is None


def test_a_mail_nobody_took_for_a_day_is_dropped(notification: FakeNotification) -> None:
    """Yesterday's reset surprises nobody."""
    customer()
    customers.request_mail(email=EMAIL, kind=MailKind.RESET, now=datetime.now(UTC))
    at = datetime.now(UTC) + MAIL_PATIENCE + timedelta(minutes=1)
    assert mails.send_owed(now=at) == 0
    assert notification.sent == {}
    assert MailIntent.objects.get().dropped_at is not None


def test_the_secret_is_marked_as_such(notification: FakeNotification) -> None:
    """Notification forgets it once it is sent; the name stays."""
    customer(full_name="Ada")
    customers.request_mail(email=EMAIL, kind=MailKind.RESET, now=datetime.now(UTC))
    drain()
    (command,) = notification.sent.values()
    secret = {each.name: each.secret for each in command.variables}
    assert secret == {"name": False, "hours": False, "token": True, "link": True}


def test_whoever_is_verified_gets_no_second_verification() -> None:
    """Asking again changes nothing."""
    customer(email_verified_at=datetime.now(UTC))
    customers.request_mail(email=EMAIL, kind=MailKind.VERIFY, now=datetime.now(UTC))
    assert not MailIntent.objects.exists()


def test_a_verified_address_is_published_once() -> None:
    """Orders and others hear that what was ordered with it is the customer's."""
    heard: list[EmailVerified] = []
    user = customer()
    token = make_token(user, MailKind.VERIFY)
    with registry.only({"notification": {EmailVerified: [heard.append]}}):
        for _ in range(2):
            customers.verify_email(token=token, now=datetime.now(UTC))
        drain()
    assert [each.email for each in heard] == [EMAIL]


def test_a_token_of_one_kind_is_none_of_the_other() -> None:
    """A verification link resets no password."""
    user = customer()
    with pytest.raises(LinkInvalid):
        user_id_in(make_token(user, MailKind.VERIFY), MailKind.RESET)


def test_a_token_dies_with_what_it_is_bound_to() -> None:
    """A changed address kills both kinds, a changed password the reset."""
    user = customer()
    verify, reset = (make_token(user, kind) for kind in (MailKind.VERIFY, MailKind.RESET))
    user.set_password("another-long-one")
    check_token(verify, MailKind.VERIFY, user)
    with pytest.raises(LinkInvalid):
        check_token(reset, MailKind.RESET, user)
    user.email = "new@example.com"
    with pytest.raises(LinkInvalid):
        check_token(verify, MailKind.VERIFY, user)


def test_an_old_link_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reset link works for an hour."""
    user = customer()
    token = make_token(user, MailKind.RESET)
    monkeypatch.setattr("django.core.signing.time.time", lambda: later(hours=2).timestamp())
    with pytest.raises(LinkInvalid):
        user_id_in(token, MailKind.RESET)
