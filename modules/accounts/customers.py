"""Use cases of a customer's own account: register, verify, change, reset, deactivate."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest

from modules.accounts import links, mails, passwords, sessions
from modules.accounts.contract import (
    CustomerDeactivated,
    CustomerNotFound,
    CustomerRegistered,
    EmailTaken,
    EmailVerified,
    LinkInvalid,
)
from modules.accounts.domain import MailKind, normal_email
from modules.accounts.models import User
from modules.platform.contracts import StaleVersion
from modules.platform.databases import atomic
from modules.platform.messaging import publish


def register(*, email: str, password: str, full_name: str, locale: str, now: datetime) -> User:
    """A new customer, who is owed a mail to verify the address.

    Raises EmailTaken and PasswordRefused. That an address is taken cannot be hidden here, because
    whoever registers is logged in at once; resets and verifications do hide it.
    """
    user = User(email=normal_email(email), full_name=full_name.strip(), locale=locale)
    passwords.validate(password, user=user)
    if User.objects.filter(email=user.email).exists():
        raise EmailTaken
    user.set_password(password)  # slow on purpose, so outside the transaction
    try:
        with atomic("accounts"):
            user.save(force_insert=True)
            mails.owe(user, MailKind.VERIFY, now=now)
            publish(
                CustomerRegistered(
                    customer_id=user.pk,
                    email=user.email,
                    full_name=user.full_name,
                    locale=user.locale,
                )
            )
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def update(
    *, user_id: UUID, full_name: str | None, locale: str | None, expected: int | None
) -> User:
    """Change what is given. Raises CustomerNotFound, StaleVersion."""
    with atomic("accounts"):
        user = _locked(user_id)
        if expected is not None and expected != user.version:
            raise StaleVersion(expected=expected, actual=user.version)
        if full_name is not None:
            user.full_name = full_name.strip()
        if locale is not None:
            user.locale = locale
        user.version += 1
        user.save(update_fields=["full_name", "locale", "version"])
    return user


def change_password(
    request: HttpRequest, *, user_id: UUID, current: str, new: str, now: datetime
) -> None:
    """Set a new password and end all sessions.

    Raises CustomerNotFound, InvalidCredentials, LoginLocked, PasswordRefused.
    """
    user = get(user_id)
    passwords.check(request, email=user.email, password=current)
    passwords.validate(new, user=user)
    user.set_password(new)
    with atomic("accounts"):
        user.save(update_fields=["password"])
        sessions.end_all(user_id=user_id, reason="password changed", now=now)


def request_mail(*, email: str, kind: MailKind, now: datetime) -> None:
    """Owe the address a mail of the kind, if an account of it wants one; says nothing of it."""
    with atomic("accounts"):
        user = User.objects.select_for_update().filter(email=normal_email(email)).first()
        if user is None or not user.is_active:
            return
        if kind is MailKind.VERIFY and user.email_verified_at is not None:
            return
        mails.owe(user, kind, now=now)


def verify_email(*, token: str, now: datetime) -> User:
    """Take the address as the customer's own; again is no error. Raises LinkInvalid."""
    with atomic("accounts"):
        user = _of_link(token, MailKind.VERIFY)
        _mark_verified(user, now)
    return user


def reset_password(*, token: str, password: str, now: datetime) -> User:
    """Set a new password with a mailed token, once, and end all sessions.

    The token came by mail, so the address is verified too, and a lockout ends. Raises
    LinkInvalid, PasswordRefused.
    """
    user = _of_link(token, MailKind.RESET, lock=False)
    passwords.validate(password, user=user)
    user.set_password(password)
    hashed = user.password
    with atomic("accounts"):
        user = _of_link(token, MailKind.RESET)  # again under the lock: two may use it at once
        user.password = hashed
        user.save(update_fields=["password"])
        sessions.end_all(user_id=user.pk, reason="password reset", now=now)
        _mark_verified(user, now)
    passwords.forget_failures(email=user.email)
    return user


def deactivate(*, user_id: UUID, now: datetime) -> User:
    """Let the account log in no more and end its sessions. Raises CustomerNotFound."""
    with atomic("accounts"):
        user = _locked(user_id)
        if user.is_active:
            user.is_active = False
            user.version += 1
            user.save(update_fields=["is_active", "version"])
            sessions.end_all(user_id=user_id, reason="account deactivated", now=now)
            publish(CustomerDeactivated(customer_id=user.pk))
    return user


def reactivate(*, user_id: UUID) -> User:
    """Let the account log in again. Raises CustomerNotFound."""
    with atomic("accounts"):
        user = _locked(user_id)
        if not user.is_active:
            user.is_active = True
            user.version += 1
            user.save(update_fields=["is_active", "version"])
    return user


def get(user_id: UUID) -> User:
    """The account. Raises CustomerNotFound."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise CustomerNotFound(customer_id=user_id)
    return user


def _locked(user_id: UUID) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise CustomerNotFound(customer_id=user_id)
    return user


def _of_link(token: str, kind: MailKind, *, lock: bool = True) -> User:
    rows = User.objects.select_for_update() if lock else User.objects.all()
    user = rows.filter(pk=links.user_id_in(token, kind)).first()
    if user is None:
        raise LinkInvalid
    links.check_token(token, kind, user)
    return user


def _mark_verified(user: User, now: datetime) -> None:
    if user.email_verified_at is not None:
        return
    user.email_verified_at = now
    user.version += 1
    user.save(update_fields=["email_verified_at", "version"])
    publish(EmailVerified(customer_id=user.pk, email=user.email))
