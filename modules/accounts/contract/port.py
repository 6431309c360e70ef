"""What other modules may ask of accounts."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.accounts.contract.types import (
    Customer,
    PublicKey,
    SavedAddress,
    VerifiedKey,
)


class Accounts(Protocol):
    """Identity: customers, staff, keys."""

    def customers(self, *, ids: tuple[UUID, ...]) -> tuple[Customer, ...]:
        """Those of ``ids`` that exist, in any order."""
        ...

    def addresses(self, *, customer_id: UUID) -> tuple[SavedAddress, ...]:
        """The customer's address book, defaults first."""
        ...

    def verify_api_key(self, *, key: str) -> VerifiedKey:
        """What ``key`` may do. Raises UnknownApiKey."""
        ...

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys that verify access tokens now, newest first."""
        ...
