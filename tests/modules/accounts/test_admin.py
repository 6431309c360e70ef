"""Accounts' pages: log-in by e-mail, lockout, roles, keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.test import client
from django.urls import reverse

from modules.accounts.bootstrap import bootstrap
from modules.accounts.models import ApiKey, LoginSession, User
from modules.accounts.sessions import begin
from modules.accounts.tokens import utc_now
from tests.modules.accounts.people import PASSWORD, customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def boss() -> User:
    bootstrap()
    return User.objects.create_superuser("boss@example.com", PASSWORD)


@pytest.fixture
def office(client: client.Client, boss: User) -> client.Client:
    """The admin as the superuser sees it."""
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    return client


def role(client: client.Client, name: str) -> User:
    """Log a clerk with one role in."""
    user = customer("clerk@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def log_in(client: client.Client, email: str, password: str) -> Any:
    return client.post("/admin/login/", {"username": email, "password": password})


def test_staff_log_in_by_e_mail(client: client.Client, boss: User) -> None:
    """With any capitalisation."""
    answer = log_in(client, "Boss@Example.com", PASSWORD)
    assert answer.status_code == 302
    assert client.get("/admin/").status_code == 200


def test_wrong_passwords_lock_the_admin_too(
    client: client.Client, boss: User, settings: Any
) -> None:
    """The failures of API and admin count together; the right password is refused then."""
    settings.AXES_FAILURE_LIMIT = 3
    client.post(
        "/api/v1/accounts/token",
        {"email": boss.email, "password": "wrong"},
        content_type="application/json",
    )
    log_in(client, "BOSS@example.com", "wrong")
    log_in(client, boss.email, "wrong")
    assert log_in(client, boss.email, PASSWORD).status_code == 429
    assert AccessAttempt.objects.get().username == boss.email


def test_an_operator_unlocks_with_a_reason(office: client.Client, settings: Any) -> None:
    """The rows of failures go, and a log entry stays."""
    settings.AXES_FAILURE_LIMIT = 1
    log_in(client.Client(), "ada@example.com", "wrong")
    (row,) = AccessAttempt.objects.all()
    act(office, "axes_accessattempt", "unlock", row.pk)
    assert not AccessAttempt.objects.exists()


def act(office: client.Client, page: str, action: str, pk: object) -> Any:
    url = reverse(f"admin:{page}_changelist")
    asked = office.post(url, {"action": action, "_selected_action": [str(pk)]})
    assert b"Why?" in asked.content
    body = {"action": action, "_selected_action": [str(pk)], "reason": "asked by phone"}
    return office.post(url, body, follow=True)


@pytest.mark.parametrize(
    "page",
    [
        "accounts_user",
        "accounts_apikey",
        "accounts_loginsession",
        "accounts_mailintent",
        "auth_group",
        "axes_accessattempt",
    ],
)
def test_every_list_opens(office: client.Client, page: str) -> None:
    """With something in it."""
    user = customer()
    begin(user=user, now=utc_now())
    assert office.get(reverse(f"admin:{page}_changelist")).status_code == 200


def test_a_user_is_shown_and_changed(office: client.Client) -> None:
    """The page opens; the address is fixed, the name is not."""
    user = customer()
    url = reverse("admin:accounts_user_change", args=[user.pk])
    assert office.get(url).status_code == 200
    inline = {
        "addresses-TOTAL_FORMS": 0,
        "addresses-INITIAL_FORMS": 0,
    }
    answer = office.post(url, {"full_name": "Ada", "locale": "en", **inline})
    assert answer.status_code == 302, answer.context["errors"]
    user.refresh_from_db()
    assert (user.full_name, user.email) == ("Ada", "ada@example.com")


def test_a_user_is_added_with_a_checked_password(office: client.Client) -> None:
    """A weak one is refused."""
    url = reverse("admin:accounts_user_add")
    assert office.get(url).status_code == 200
    body = {"email": "New@Example.com", "full_name": "", "locale": "en", "password": "12345678"}
    inline = {"addresses-TOTAL_FORMS": 0, "addresses-INITIAL_FORMS": 0}
    assert office.post(url, body | inline).status_code == 200
    office.post(url, body | inline | {"password": PASSWORD})
    assert User.objects.get(email="new@example.com").check_password(PASSWORD)


def test_deactivating_ends_the_sessions(office: client.Client) -> None:
    """The use case runs, not a bare update."""
    user = customer()
    begin(user=user, now=utc_now())
    act(office, "accounts_user", "deactivate", user.pk)
    user.refresh_from_db()
    assert not user.is_active
    assert LoginSession.objects.get().revoked_at is not None


def test_an_operator_neither_makes_superusers_nor_gives_roles(
    client: client.Client, boss: User
) -> None:
    """What they post of it is not taken."""
    role(client, "accounts-operator")
    user = customer()
    url = reverse("admin:accounts_user_change", args=[user.pk])
    inline = {"addresses-TOTAL_FORMS": 0, "addresses-INITIAL_FORMS": 0}
    group = Group.objects.get(name="accounts-manager")
    body = {"full_name": "Eve", "locale": "en", "is_superuser": "on", "is_staff": "on"}
    assert client.post(url, body | inline | {"groups": [group.pk]}).status_code == 302
    user.refresh_from_db()
    assert user.full_name == "Eve"
    assert not user.is_superuser
    assert not user.is_staff
    assert not user.groups.exists()


def test_an_operator_does_not_touch_a_superuser(client: client.Client, boss: User) -> None:
    """Neither the page nor the action nor the password."""
    role(client, "accounts-operator")
    act(client, "accounts_user", "deactivate", boss.pk)
    url = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.get(url).status_code == 403
    boss.refresh_from_db()
    assert boss.is_active


def test_a_viewer_looks_only(client: client.Client, boss: User) -> None:
    """No form, no action."""
    role(client, "accounts-viewer")
    user = customer()
    page = client.get(reverse("admin:accounts_user_change", args=[user.pk]))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    act_url = reverse("admin:accounts_user_changelist")
    client.post(act_url, {"action": "deactivate", "_selected_action": [str(user.pk)]})
    user.refresh_from_db()
    assert user.is_active


def test_a_key_is_shown_once_and_revoked(office: client.Client) -> None:
    """Made in the admin, it works; the list knows only its prefix."""
    url = reverse("admin:accounts_apikey_add")
    assert office.get(url).status_code == 200
    body = {"label": "till", "scopes": "orders:read", "expires_at_0": "", "expires_at_1": ""}
    answer = office.post(url, body, follow=True)
    key = re.search(r"fk_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", answer.content.decode())
    assert key is not None
    assert key.group() not in office.get(answer.request["PATH_INFO"]).content.decode()
    row = ApiKey.objects.get()
    assert row.created_by == "boss@example.com"
    assert office.get(reverse("admin:accounts_apikey_change", args=[row.pk])).status_code == 200
    act(office, "accounts_apikey", "revoke", row.pk)
    row.refresh_from_db()
    assert row.revoked_reason == "asked by phone"


def test_a_key_with_scopes_one_does_not_have_is_refused(client: client.Client, boss: User) -> None:
    """The form says so."""
    role(client, "accounts-manager")
    url = reverse("admin:accounts_apikey_add")
    answer = client.post(url, {"label": "till", "scopes": "payment:write"})
    assert answer.status_code == 200
    assert b"payment:write" in answer.content
    assert not ApiKey.objects.exists()
