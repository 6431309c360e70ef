"""Answers the port ``Accounts`` for other modules."""

from __future__ import annotations

from uuid import UUID

from modules.accounts import address_book, api_keys
from modules.accounts.contract import Customer, PublicKey, SavedAddress, VerifiedKey
from modules.accounts.keys import ring
from modules.accounts.models import SavedAddressRow, User


class AccountsService:
    """The implementation of the port."""

    def customers(self, *, ids: tuple[UUID, ...]) -> tuple[Customer, ...]:
        """Those of ``ids`` that exist; one query."""
        return tuple(customer_of(user) for user in User.objects.filter(pk__in=ids))

    def addresses(self, *, customer_id: UUID) -> tuple[SavedAddress, ...]:
        """The customer's address book, defaults first; one query."""
        return tuple(map(saved_address_of, address_book.listed(user_id=customer_id)))

    def verify_api_key(self, *, key: str) -> VerifiedKey:
        """What ``key`` may do. Raises UnknownApiKey."""
        return api_keys.verify(key=key)

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys that verify access tokens now, newest first; no query."""
        return tuple(PublicKey(kid=key.kid, x=key.x) for key in ring().all())


def customer_of(user: User) -> Customer:
    """The account as other modules see it."""
    return Customer(
        id=user.pk,
        email=user.email,
        full_name=user.full_name,
        locale=user.locale,
        email_verified=user.email_verified_at is not None,
        is_staff=user.is_staff,
        is_active=user.is_active,
        created_at=user.created_at,
    )


def saved_address_of(row: SavedAddressRow) -> SavedAddress:
    """The entry as other modules see it."""
    return SavedAddress(
        id=row.pk,
        label=row.label,
        address=row.postal(),
        default_shipping=row.default_shipping,
        default_billing=row.default_billing,
    )
