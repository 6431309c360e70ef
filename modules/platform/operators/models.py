"""Operators: a row per member of staff that came here, with what their last token permits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Operator(models.Model):
    """Django's user in a host without accounts. ``id`` is that of the staff's account.

    What a token permits ends with ``permitted_until``; then the session ends, too. The row stays:
    the admin's log names it.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    label = models.CharField(max_length=254)
    issuer = models.CharField(max_length=254, blank=True)  # of the last token
    is_superuser = models.BooleanField(default=False)
    permissions = ArrayField(models.CharField(max_length=150), default=list)
    permitted_until = models.DateTimeField()
    seen_at = models.DateTimeField()

    # Said outright: for the type checker a model that stands in for Django's user has none.
    objects: ClassVar[models.Manager[Operator]] = models.Manager()
    USERNAME_FIELD = "label"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    is_anonymous = False
    is_authenticated = True

    def __str__(self) -> str:
        return self.label

    @property
    def is_active(self) -> bool:
        """Whether the last token still permits anything."""
        return datetime.now(UTC) < self.permitted_until

    @property
    def is_staff(self) -> bool:
        return self.is_active

    def has_usable_password(self) -> bool:
        """Whether the admin offers to change it: of the shop's staff, who do so at the shop."""
        return bool(self.issuer == settings.SHOP_URL)

    def get_username(self) -> str:
        return self.label

    get_short_name = get_full_name = get_username

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Such as ``payment.view_payment``; empty when the token has run out."""
        return set(self.permissions) if self.is_active else set()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and (self.is_superuser or perm in self.permissions)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether anything of the app is permitted."""
        mine = any(perm.partition(".")[0] == app_label for perm in self.permissions)
        return self.is_active and (self.is_superuser or mine)
