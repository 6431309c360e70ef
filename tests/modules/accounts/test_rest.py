"""Accounts over HTTP: registering, logging in, one's own account."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import client

from modules.accounts import customers, tokens
from modules.accounts.bootstrap import bootstrap
from modules.accounts.domain import MailKind
from modules.accounts.models import LoginSession, MailIntent, User
from modules.platform.messaging.testing import drain
from tests.modules.accounts.people import (
    BASE,
    EMAIL,
    PASSWORD,
    FakeNotification,
    bearer,
    customer,
    post,
)

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "London", "country": "GB"}


@pytest.fixture
def ada() -> User:
    return customer()


@pytest.fixture
def clerk() -> User:
    """Staff who may read and change accounts."""
    bootstrap()
    user = customer("clerk@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name="accounts-operator"))
    return user


def login(api: client.Client, email: str = EMAIL, password: str = PASSWORD) -> Any:
    return post(api, "/token", {"email": email, "password": password})


def test_a_new_customer_logs_in_and_sees_the_account(api: client.Client) -> None:
    """Register, log in with another capitalisation, read /me."""
    body = {"email": "Ada@Example.com", "password": PASSWORD, "locale": "de-AT"}
    made = post(api, "/register", body)
    assert made.status_code == 201, made.content
    pair = login(api, "ADA@example.com").json()
    me = api.get(BASE + "/me", headers={"Authorization": f"Bearer {pair['access']}"})
    assert me.json() == made.json()
    assert me.json()["email"] == EMAIL
    assert me.json()["id"].startswith("cus_")
    assert me["ETag"] == '"1"'


def test_an_address_is_registered_once(api: client.Client, ada: User) -> None:
    """However it is capitalised."""
    answer = post(api, "/register", {"email": "ADA@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "accounts.email_taken")


@pytest.mark.parametrize("password", ["12345678", "password1", "short", "ada@example.com"])
def test_weak_passwords_are_refused_with_reasons(api: client.Client, password: str) -> None:
    """The problem points at the field."""
    answer = post(api, "/register", {"email": EMAIL, "password": password})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/password"
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "email", ["", "ada", "a b@example.com", "a@b", "ada@example.com\n", "@x.y"]
)
def test_what_is_no_address_is_refused(api: client.Client, email: str) -> None:
    """A trailing line break is trimmed, nothing else is forgiven."""
    answer = post(api, "/register", {"email": email, "password": PASSWORD})
    if email.endswith("\n"):
        assert User.objects.get().email == EMAIL
    else:
        assert answer.status_code == 422


def test_a_wrong_password_and_an_unknown_address_look_the_same(
    api: client.Client, ada: User
) -> None:
    """401 with the same body but for the request's id."""
    wrong, unknown = login(api, password="wrong"), login(api, "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong["WWW-Authenticate"] == "Bearer"
    assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


def test_too_many_wrong_passwords_lock_the_address_for_this_client(
    api: client.Client, ada: User, settings: Any
) -> None:
    """429 with Retry-After, also for the right password; another client is let in."""
    settings.AXES_FAILURE_LIMIT = 3
    codes = [login(api, password="wrong").status_code for _ in range(4)]
    assert codes == [401, 401, 429, 429]
    locked = login(api)
    assert (locked.status_code, locked.json()["code"]) == (429, "accounts.login_locked")
    assert int(locked["Retry-After"]) == 900
    body = {"email": EMAIL, "password": PASSWORD}
    other = api.post(BASE + "/token", body, content_type="application/json", REMOTE_ADDR="10.0.0.9")
    assert other.status_code == 200


def test_capitals_are_no_way_around_the_lockout(
    api: client.Client, ada: User, settings: Any
) -> None:
    """Failures are counted for the address, not its spelling."""
    settings.AXES_FAILURE_LIMIT = 2
    login(api, "ada@example.com", "wrong")
    assert login(api, "ADA@example.com", "wrong").status_code == 429


def test_a_right_password_forgets_the_wrong_ones(
    api: client.Client, ada: User, settings: Any
) -> None:
    """Typing errors of weeks do not add up."""
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        assert login(api, password="wrong").status_code == 401
        assert login(api).status_code == 200


def test_a_log_in_costs_few_queries(
    api: client.Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    """Lockout, user, forgetting failures, session and token, with BEGIN and COMMIT twice."""
    with django_assert_max_num_queries(9):
        assert login(api).status_code == 200


def test_refresh_tokens_rotate_over_http(api: client.Client, ada: User) -> None:
    """The second use of one is 401 and the session is over."""
    first = login(api).json()
    second = post(api, "/token/refresh", {"refresh": first["refresh"]})
    assert second.status_code == 200
    again = post(api, "/token/refresh", {"refresh": first["refresh"]})
    assert (again.status_code, again.json()["code"]) == (401, "accounts.refresh_token_reused")
    dead = post(api, "/token/refresh", {"refresh": second.json()["refresh"]})
    assert (dead.status_code, dead.json()["code"]) == (401, "accounts.refresh_token_invalid")


def test_logging_out_ends_the_session(api: client.Client, ada: User) -> None:
    """204, and its refresh token is refused."""
    pair = login(api).json()
    assert post(api, "/token/revoke", {"refresh": pair["refresh"]}).status_code == 204
    assert post(api, "/token/refresh", {"refresh": pair["refresh"]}).status_code == 401


def test_the_account_is_changed_against_its_version(api: client.Client, ada: User) -> None:
    """428 without If-Match, 412 with an old one, 200 with the right one."""

    def patch(**headers: str) -> Any:
        return api.patch(
            BASE + "/me",
            {"full_name": "Ada Lovelace"},
            content_type="application/json",
            headers=bearer(ada) | headers,
        )

    assert patch().status_code == 428
    assert patch(**{"If-Match": '"7"'}).status_code == 412
    changed = patch(**{"If-Match": '"1"'})
    assert changed.json()["full_name"] == "Ada Lovelace"
    assert changed["ETag"] == '"2"'


def test_me_is_for_people(api: client.Client, ada: User) -> None:
    """401 without a token; 304 when nothing changed."""
    assert api.get(BASE + "/me").status_code == 401
    same = api.get(BASE + "/me", headers=bearer(ada) | {"If-None-Match": '"1"'})
    assert same.status_code == 304


def test_a_changed_password_ends_all_sessions(api: client.Client, ada: User) -> None:
    """The old one is needed, the old one is dead."""
    pair = login(api).json()
    wrong = {"current_password": "wrong", "new_password": "another-long-one"}
    assert post(api, "/me/password", wrong, **bearer(ada)).status_code == 401
    right = wrong | {"current_password": PASSWORD}
    assert post(api, "/me/password", right, **bearer(ada)).status_code == 204
    assert post(api, "/token/refresh", {"refresh": pair["refresh"]}).status_code == 401
    assert login(api).status_code == 401
    assert login(api, password="another-long-one").status_code == 200


def test_sessions_are_listed_and_ended(api: client.Client, ada: User) -> None:
    """One's own only; ending one ends its refresh token."""
    pair = login(api).json()
    login(api, EMAIL)
    listed = api.get(BASE + "/me/sessions", headers=bearer(ada)).json()["data"]
    assert len(listed) == 2
    url = f"{BASE}/me/sessions/{pair['session_id']}"
    assert api.delete(url, headers=bearer(customer("eve@example.com"))).status_code == 404
    assert api.delete(url, headers=bearer(ada)).status_code == 204
    assert post(api, "/token/refresh", {"refresh": pair["refresh"]}).status_code == 401


def test_the_keys_are_published(api: client.Client) -> None:
    """A JWKS that may be cached for minutes."""
    tokens.ring().signing()
    answer = api.get(BASE + "/.well-known/jwks.json")
    assert answer.json()["keys"][0]["kty"] == "OKP"
    assert "max-age" in answer["Cache-Control"]


def test_an_address_is_verified_by_its_mail(
    api: client.Client, notification: FakeNotification
) -> None:
    """Register, follow the mail; a second click is no error."""
    post(api, "/register", {"email": EMAIL, "password": PASSWORD})
    drain()
    token = notification.token(MailKind.VERIFY)
    for _ in range(2):
        assert post(api, "/verify-email", {"token": token}).status_code == 204
    assert User.objects.get().email_verified_at is not None


def test_a_forged_verification_is_refused(api: client.Client, ada: User) -> None:
    """422, nothing is verified."""
    answer = post(api, "/verify-email", {"token": "made:up:token"})
    assert (answer.status_code, answer.json()["code"]) == (422, "accounts.link_invalid")


def test_a_reset_does_not_tell_whether_an_address_is_known(
    api: client.Client, ada: User, notification: FakeNotification
) -> None:
    """Same status, same empty body, same least time; a mail only to who is known."""
    for path in ("/password-reset", "/verify-email/resend"):
        known, unknown = (
            post(api, path, {"email": address}) for address in (EMAIL, "nobody@example.com")
        )
        assert known.status_code == unknown.status_code == 202
        assert known.content == unknown.content == b""
    drain()
    assert {each.recipient for each in notification.sent.values()} == {EMAIL}


def test_a_password_is_reset_once_by_its_mail(
    api: client.Client, ada: User, notification: FakeNotification
) -> None:
    """Sessions end, the lockout ends, the address is verified, the link is used up."""
    pair = login(api).json()
    post(api, "/password-reset", {"email": EMAIL})
    drain()
    body = {"token": notification.token(MailKind.RESET), "password": "another-long-one"}
    assert post(api, "/password-reset/confirm", body | {"password": "short"}).status_code == 422
    assert post(api, "/password-reset/confirm", body).status_code == 204
    assert post(api, "/password-reset/confirm", body).status_code == 422
    assert post(api, "/token/refresh", {"refresh": pair["refresh"]}).status_code == 401
    assert login(api, password="another-long-one").status_code == 200
    ada.refresh_from_db()
    assert ada.email_verified_at is not None


def test_resets_to_one_address_are_bounded(api: client.Client, ada: User) -> None:
    """Nobody's mailbox is flooded through us."""
    for _ in range(5):
        post(api, "/password-reset", {"email": EMAIL})
    assert MailIntent.objects.count() == 1


def test_the_page_behind_a_link_verifies_on_the_button_only(api: client.Client, ada: User) -> None:
    """A mail scanner's GET changes nothing."""
    from modules.accounts.links import make_token

    token = make_token(ada, MailKind.VERIFY)
    shown = api.get(f"{BASE}/verify-email/page?token={token}")
    assert shown.status_code == 200
    assert shown["Referrer-Policy"] == "no-referrer"
    ada.refresh_from_db()
    assert ada.email_verified_at is None
    assert b"confirmed" in api.post(f"{BASE}/verify-email/page", {"token": token}).content
    ada.refresh_from_db()
    assert ada.email_verified_at is not None


def test_the_reset_page_says_what_is_wrong(api: client.Client, ada: User) -> None:
    """A weak password and a bad link are shown to the person, as HTML with 200."""
    from modules.accounts.links import make_token

    page = f"{BASE}/password-reset/page"
    token = make_token(ada, MailKind.RESET)
    assert b'role="alert"' in api.post(page, {"token": token, "password": "x"}).content
    assert b'role="alert"' in api.post(page, {"token": "x", "password": "x"}).content
    assert b"Done" in api.post(page, {"token": token, "password": "another-long-one"}).content


def test_addresses_are_kept_checked_and_versioned(api: client.Client, ada: User) -> None:
    """Create, show, replace, remove; phones become E.164."""
    body = {
        "label": "home",
        "address": ADDRESS | {"phone": "020 7946 0958"},
        "default_shipping": True,
    }
    made = post(api, "/addresses", body, **bearer(ada))
    assert made.status_code == 201, made.content
    assert made.json()["address"]["phone"] == "+442079460958"
    url = f"{BASE}/addresses/{made.json()['id']}"
    send = {"content_type": "application/json", "headers": bearer(ada)}
    assert api.put(url, body, **send).status_code == 428
    send["headers"] = bearer(ada) | {"If-Match": '"1"'}
    assert api.put(url, body | {"label": "flat"}, **send).json()["version"] == 2
    assert api.put(url, body, **send).status_code == 412
    assert api.get(url, headers=bearer(customer("eve@example.com"))).status_code == 404
    assert api.delete(url, headers=bearer(ada)).status_code == 204
    assert api.get(f"{BASE}/addresses", headers=bearer(ada)).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"country": "XX"}, "country"),
        ({"phone": "12"}, "phone"),
        ({"phone": "call me"}, "phone"),
        ({"city": "  "}, "city"),
    ],
)
def test_a_wrong_field_of_an_address_is_pointed_at(
    api: client.Client, ada: User, change: dict[str, str], field: str
) -> None:
    """422 with a JSON pointer."""
    answer = post(api, "/addresses", {"address": ADDRESS | change}, **bearer(ada))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/address/{field}"


def test_one_address_is_the_default(api: client.Client, ada: User) -> None:
    """A new default takes the place of the old one."""
    body = {"address": ADDRESS, "default_shipping": True}
    for _ in range(3):
        assert post(api, "/addresses", body, **bearer(ada)).status_code == 201
    listed = api.get(f"{BASE}/addresses", headers=bearer(ada)).json()["data"]
    assert [each["default_shipping"] for each in listed] == [True, False, False]


def test_api_keys_are_made_used_and_revoked_by_staff(api: client.Client, clerk: User) -> None:
    """The key is shown once, works by either header, and is dead when revoked."""
    body = {"label": "till", "scopes": ["accounts:read"]}
    made = post(api, "/api-keys", body, **bearer(clerk)).json()
    for headers in ({"Api-Key": made["key"]}, {"Authorization": f"Bearer {made['key']}"}):
        assert api.get(f"{BASE}/customers", headers=headers).status_code == 200
    assert post(api, "/api-keys", body, **{"Api-Key": made["key"]}).status_code == 403
    assert api.get(f"{BASE}/me", headers={"Api-Key": made["key"]}).status_code == 403
    listed = api.get(f"{BASE}/api-keys", headers=bearer(clerk)).json()["data"]
    assert listed[0]["prefix"] == made["prefix"]
    assert "key" not in listed[0]
    revoke = f"/api-keys/{made['id']}/revoke"
    assert post(api, revoke, {"reason": "leaked"}, **bearer(clerk)).status_code == 200
    assert api.get(f"{BASE}/customers", headers={"Api-Key": made["key"]}).status_code == 401


@pytest.mark.parametrize("when", ["2001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
def test_a_key_expires_within_reason(api: client.Client, clerk: User, when: str) -> None:
    """Neither in the past nor beyond what a database can say."""
    body = {"label": "till", "scopes": ["accounts:read"], "expires_at": when}
    assert post(api, "/api-keys", body, **bearer(clerk)).status_code == 422


def test_customers_and_keys_are_for_staff(api: client.Client, ada: User, clerk: User) -> None:
    """A customer has no scopes; a clerk of accounts hands out no scope of payment."""
    assert api.get(f"{BASE}/customers", headers=bearer(ada)).status_code == 403
    assert api.get(f"{BASE}/customers").status_code == 401
    body = {"label": "k", "scopes": ["payment:write"]}
    answer = post(api, "/api-keys", body, **bearer(clerk))
    assert (answer.status_code, answer.json()["code"]) == (403, "accounts.scope_not_yours")


def test_customers_are_found_and_paged(
    api: client.Client, clerk: User, django_assert_num_queries: Any
) -> None:
    """By address; pages cost one query whatever their size."""
    for number in range(5):
        customer(f"c{number}@example.com")
    found = api.get(f"{BASE}/customers?email=C3@example.com", headers=bearer(clerk)).json()
    assert [each["email"] for each in found["data"]] == ["c3@example.com"]
    headers = bearer(clerk)
    with django_assert_num_queries(1):
        page = api.get(f"{BASE}/customers?limit=4", headers=headers).json()
    rest = api.get(f"{BASE}/customers?limit=4&cursor={page['next']}", headers=headers).json()
    assert len(page["data"]) + len(rest["data"]) == 6


def test_a_deactivated_customer_is_out_and_comes_back(
    api: client.Client, ada: User, clerk: User
) -> None:
    """Sessions end, log-in fails; reactivated it works again."""
    login(api)
    path = f"/customers/{customers_id(ada)}"
    assert post(api, f"{path}/deactivate", {"reason": "fraud"}, **bearer(clerk)).status_code == 200
    assert login(api).status_code == 401
    assert LoginSession.objects.get().revoked_at is not None
    assert post(api, f"{path}/reactivate", {"reason": "sorry"}, **bearer(clerk)).status_code == 200
    assert login(api).status_code == 200


def test_only_a_superuser_locks_a_superuser_out(api: client.Client, clerk: User) -> None:
    """A clerk cannot take the shop from its owner."""
    boss = User.objects.create_superuser("boss@example.com", PASSWORD)
    path = f"/customers/{customers_id(boss)}/deactivate"
    assert post(api, path, {"reason": "coup"}, **bearer(clerk)).status_code == 403
    assert post(api, path, {"reason": "leaving"}, **bearer(boss)).status_code == 200


def customers_id(user: User) -> str:
    from modules.accounts.rest.serializers import CUSTOMERS

    return CUSTOMERS.text(customers.get(user.pk).pk)
