"""Reads of accounts and keys, for the edge."""

from __future__ import annotations

from django.db.models import QuerySet

from modules.accounts.domain import normal_email
from modules.accounts.models import ApiKey, LoginSession, SavedAddressRow, User

# The rows that these reads give are also what the edge renders.
__all__ = [
    "ApiKey",
    "LoginSession",
    "SavedAddressRow",
    "User",
    "api_keys",
    "customers",
]


def customers(*, email: str = "") -> QuerySet[User]:
    """All accounts, or the one with the address."""
    rows = User.objects.all()
    return rows.filter(email=normal_email(email)) if email else rows


def api_keys() -> QuerySet[ApiKey]:
    """All API keys."""
    return ApiKey.objects.all()
