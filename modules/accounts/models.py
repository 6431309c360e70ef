"""Accounts' tables. ``User`` grows with customers; everything else hangs off it.

``RefreshToken`` grows fastest (one row per refresh); expired ones are purged every hour.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from modules.accounts.domain import MailKind, normal_email
from modules.platform.contracts import PostalAddress
from modules.platform.rest.identifiers import new_id


class UserManager(BaseUserManager["User"]):
    """Makes users; e-mail addresses are kept in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=normal_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """Log-in is by e-mail, however it is capitalised."""
        return self.get(email=normal_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who can log in: a customer, or staff."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    full_name = models.CharField(max_length=150, blank=True)
    locale = models.CharField(max_length=16, default="en")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="accounts_email_lower")
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def owner(self) -> str:
        """The owner reference of what this person orders."""
        return f"customer:{self.pk}"


class SavedAddressRow(models.Model):
    """An entry of an address book; at most one default of each sort per customer."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    label = models.CharField(max_length=60, blank=True)
    name = models.CharField(max_length=150)
    company = models.CharField(max_length=150, blank=True)
    line1 = models.CharField(max_length=200)
    line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=120)
    region = models.CharField(max_length=120, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2)
    phone = models.CharField(max_length=20, blank=True)
    default_shipping = models.BooleanField(default=False)
    default_billing = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "accounts_address"
        verbose_name = "address"
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(default_shipping=True), name="accounts_one_shipping"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=Q(default_billing=True), name="accounts_one_billing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.line1}, {self.city}"

    def postal(self) -> PostalAddress:
        """The address as other modules see it."""
        return PostalAddress(
            name=self.name,
            company=self.company,
            line1=self.line1,
            line2=self.line2,
            city=self.city,
            region=self.region,
            postal_code=self.postal_code,
            country=self.country,
            phone=self.phone,
        )


class LoginSession(models.Model):
    """One log-in: a family of refresh tokens that lives and dies together."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    user_agent = models.CharField(max_length=200, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=60, blank=True)

    class Meta:
        verbose_name = "session"

    def __str__(self) -> str:
        return f"session of {self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"

    def is_alive(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now


class RefreshToken(models.Model):
    """One refresh token, by its digest: the token itself is never stored."""

    digest = models.BinaryField(primary_key=True, max_length=32)
    session = models.ForeignKey(LoginSession, on_delete=models.CASCADE, related_name="tokens")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)


class ApiKey(models.Model):
    """A machine's credential. ``prefix`` is shown; of the key only the digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    label = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=40), size=50)
    created_by = models.CharField(max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_reason = models.CharField(max_length=500, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="accounts_key_expires_later",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"


class MailIntent(models.Model):
    """A mail that accounts owes somebody: asked of notification until it has taken it.

    One row per mail, kept for a week. The secret in the mail is not stored: it is made when the
    mail is asked for.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=20, choices=[(kind, kind) for kind in MailKind])
    created_at = models.DateTimeField()
    next_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    taken_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "owed mail"
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(taken_at__isnull=True, dropped_at__isnull=True),
                name="accounts_mail_owed",
            ),
            models.Index(fields=["user", "kind", "-created_at"], name="accounts_mail_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"
