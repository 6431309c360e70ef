"""Passes: for staff, for one module, with that module's permissions, for a page of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from modules.accounts import passes
from modules.accounts.keys import ring
from modules.accounts.models import User
from modules.accounts.passes import HOLDS, PassTooLong, pass_for
from modules.platform.operators.tokens import Pass, TokenRefused, digest_of, read

pytestmark = pytest.mark.django_db
PAGE = "/admin/payment/payment/"


def staff(*permissions: str, **more: Any) -> User:
    user = User.objects.create_user("ops@shop.example", None, is_staff=True, **more)
    user.user_permissions.add(*map(permission, permissions))
    return User.objects.get(pk=user.pk)


def permission(name: str) -> Permission:
    """A shop keeps the permissions of a module that is not composed any more."""
    app, _, codename = name.partition(".")
    of, _ = ContentType.objects.get_or_create(app_label=app, model=codename.partition("_")[2])
    return Permission.objects.get_or_create(content_type=of, codename=codename)[0]


def told(token: str, host: str = "payment") -> Pass:
    """What the host reads."""

    def find(issuer: str, kid: str) -> Ed25519PublicKey | None:
        known = ring().find(kid)
        return known.public if known and issuer == settings.SHOP_URL else None

    return read(token, host=host, find=find)


def given(user: User, module: str = "payment") -> str:
    now = datetime.now(UTC).replace(microsecond=0)
    return pass_for(user, module=module, session="of the shop", now=now)


def test_a_pass_says_who_and_what_of_the_module() -> None:
    """Not what the same person may do elsewhere."""
    user = staff("payment.view_payment", "payment.refund_payment", "orders.view_order")
    found = told(given(user))
    assert (found.id, found.label, found.session) == (user.pk, user.email, "of the shop")
    assert set(found.permissions) == {"payment.view_payment", "payment.refund_payment"}
    assert not found.superuser


def test_roles_count() -> None:
    """Permissions of groups are permissions."""
    user = staff()
    group = Group.objects.create(name="payment-clerks")
    group.permissions.add(permission("payment.view_payment"))
    user.groups.add(group)
    assert told(given(User.objects.get(pk=user.pk))).permissions == ("payment.view_payment",)


def test_superusers_need_no_list() -> None:
    """They may do everything there, too."""
    found = told(given(staff(is_superuser=True)))
    assert (found.superuser, found.permissions) == (True, ())


def test_it_is_for_one_host_and_for_minutes() -> None:
    """What is taken away at the shop is taken away there when it runs out."""
    token = given(staff())
    assert told(token).until <= datetime.now(UTC) + HOLDS
    with pytest.raises(TokenRefused, match="for another host"):
        told(token, host="notification")


def test_it_goes_by_the_key_that_signs_now() -> None:
    """After a rotation those on their way are still good; after the old key's retirement not."""
    user, old = staff(), ring().signing().kid
    before = given(user)
    ring().rotate()
    after = given(user)
    assert told(before).id == told(after).id
    ring().retire(old)
    with pytest.raises(TokenRefused, match="unknown key"):
        told(before)
    assert told(after).id == user.pk


def test_every_permission_of_every_module_fits() -> None:
    """A browser drops a larger cookie without a word."""
    names = [
        f"{app}.{codename}"
        for app, codename in Permission.objects.values_list("content_type__app_label", "codename")
        if app in settings.FICUS_MODULES
    ]
    user = staff(*names)
    lengths = {module: len(given(user, module)) for module in settings.FICUS_MODULES}
    assert max(lengths.values()) < passes.LONGEST, lengths


def test_what_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a redirect without end."""
    monkeypatch.setattr(passes, "LONGEST", 100)
    with pytest.raises(PassTooLong, match="a pass for payment would have"):
        given(staff())


# ---------------------------------------------------------------- the address


def test_customers_and_strangers_go_to_the_log_in(client: Client) -> None:
    """Whether they are signed in or not; and come back from there."""
    somebody = User.objects.create_user("customer@shop.example", None)
    for user in (None, somebody):
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        answer = client.get("/admin/pass/payment/", {"next": PAGE})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/?next=/admin/pass/payment/")
        assert "payment_pass" not in answer.cookies


@pytest.mark.parametrize(("method", "status"), [("get", 302), ("post", 307)])
def test_a_form_comes_back_as_a_form(client: Client, method: str, status: int) -> None:
    """307 keeps its body; the token of the form is for the other host to check."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff(), backend="django.contrib.auth.backends.ModelBackend")
    answer = getattr(client, method)(f"/admin/pass/payment/?next={PAGE}")
    assert (answer.status_code, answer["Location"]) == (status, PAGE)
    session = client.session.session_key
    assert told(answer.cookies["payment_pass"].value).session == digest_of(session or "")


def test_over_tls_the_cookie_stays_there(client: Client) -> None:
    """Secure, HttpOnly, and for the module's pages."""
    client.force_login(staff(), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/admin/pass/payment/", secure=True)
    cookie = answer.cookies["payment_pass"]
    found = (cookie["secure"], cookie["httponly"], cookie["path"], cookie["samesite"])
    assert found == (True, True, "/admin/payment/", "Lax")
    assert answer["Location"] == "/admin/payment/"
