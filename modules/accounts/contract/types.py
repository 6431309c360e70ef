"""Who the shop's customers and staff are, as other modules see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from modules.platform.contracts import PostalAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A person with an account. ``locale`` is a BCP 47 tag such as ``en`` or ``de-AT``."""

    id: UUID
    email: str
    full_name: str
    locale: str
    email_verified: bool
    is_staff: bool
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAddress:
    """An entry of a customer's address book."""

    id: UUID
    label: str
    address: PostalAddress
    default_shipping: bool
    default_billing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedKey:
    """What a valid API key may do. ``scopes`` are like ``orders:read``."""

    id: UUID
    label: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A published key that verifies access tokens. ``x`` is the Ed25519 key, base64url."""

    kid: str
    x: str
