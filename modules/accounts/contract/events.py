"""What happened to accounts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRegistered(Event):
    """Somebody has an account now."""

    KEY = "customer_id"
    customer_id: UUID
    email: str
    full_name: str
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified(Event):
    """The customer proved to own the address."""

    KEY = "customer_id"
    customer_id: UUID
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDeactivated(Event):
    """The account can no longer log in."""

    KEY = "customer_id"
    customer_id: UUID
