"""Errors of accounts.

AccountsError
├── CustomerNotFound      NotFound
├── AddressNotFound       NotFound
├── AddressBookFull       Conflict
├── AddressInvalid        Invalid
├── SessionNotFound       NotFound
├── ApiKeyNotFound        NotFound
├── UnknownApiKey         Forbidden
├── ScopeNotYours         Forbidden
├── NotAboveYou           Forbidden
├── ScopeUnknown          Invalid
├── EmailTaken            Conflict
├── LinkInvalid           Invalid
├── PasswordRefused       Invalid
├── InvalidCredentials    Forbidden (401 at the edge)
├── RefreshTokenInvalid   Forbidden (401 at the edge)
│   └── RefreshTokenReused
└── LoginLocked           Forbidden (429 at the edge)
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Conflict, ContractError, Forbidden, Invalid, NotFound


class AccountsError(ContractError):
    """Root of the module's errors."""

    code = "accounts.error"


@dataclass(kw_only=True, eq=False)
class CustomerNotFound(AccountsError, NotFound):
    """No such account."""

    code = "accounts.customer_not_found"
    customer_id: UUID

    def sentence(self) -> str:
        return f"There is no customer {self.customer_id}."


@dataclass(kw_only=True, eq=False)
class AddressNotFound(AccountsError, NotFound):
    """The customer's address book has no such entry."""

    code = "accounts.address_not_found"
    address_id: UUID

    def sentence(self) -> str:
        return f"The address book has no entry {self.address_id}."


@dataclass(kw_only=True, eq=False)
class AddressBookFull(AccountsError, Conflict):
    """No more entries fit."""

    code = "accounts.address_book_full"
    limit: int

    def sentence(self) -> str:
        return f"An address book has at most {self.limit} entries."


@dataclass(kw_only=True, eq=False)
class AddressInvalid(AccountsError, Invalid):
    """A field of an address is wrong. ``field`` names it."""

    code = "accounts.address_invalid"
    field: str
    reason: str

    def sentence(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(kw_only=True, eq=False)
class SessionNotFound(AccountsError, NotFound):
    """The customer has no such session."""

    code = "accounts.session_not_found"
    session_id: UUID

    def sentence(self) -> str:
        return f"There is no session {self.session_id}."


@dataclass(kw_only=True, eq=False)
class ApiKeyNotFound(AccountsError, NotFound):
    """No such API key."""

    code = "accounts.api_key_not_found"
    key_id: UUID

    def sentence(self) -> str:
        return f"There is no API key {self.key_id}."


class UnknownApiKey(AccountsError, Forbidden):
    """The API key is unknown, expired or revoked."""

    code = "accounts.unknown_api_key"

    def sentence(self) -> str:
        return "The API key is unknown, expired or revoked."


@dataclass(kw_only=True, eq=False)
class ScopeNotYours(AccountsError, Forbidden):
    """Nobody hands out more than they have."""

    code = "accounts.scope_not_yours"
    scope: str

    def sentence(self) -> str:
        return f"You cannot hand out {self.scope}: you do not have it yourself."


class NotAboveYou(AccountsError, Forbidden):
    """Only a superuser acts on a superuser."""

    code = "accounts.not_above_you"

    def sentence(self) -> str:
        return "Only a superuser acts on a superuser."


@dataclass(kw_only=True, eq=False)
class ScopeUnknown(AccountsError, Invalid):
    """No module has such a scope."""

    code = "accounts.scope_unknown"
    scope: str

    def sentence(self) -> str:
        return f"{self.scope} is not a scope such as orders:read or orders:write."


class EmailTaken(AccountsError, Conflict):
    """Another account has this address."""

    code = "accounts.email_taken"

    def sentence(self) -> str:
        return "There is an account with this e-mail address already; log in or reset its password."


class LinkInvalid(AccountsError, Invalid):
    """The token of a mailed link is forged, expired or used."""

    code = "accounts.link_invalid"

    def sentence(self) -> str:
        return "This link is not valid (any more); ask for a new one."


@dataclass(kw_only=True, eq=False)
class PasswordRefused(AccountsError, Invalid):
    """The password is too weak."""

    code = "accounts.password_refused"
    reasons: tuple[str, ...]

    def sentence(self) -> str:
        return " ".join(self.reasons)


class InvalidCredentials(AccountsError, Forbidden):
    """The e-mail address and the password do not belong together."""

    code = "accounts.invalid_credentials"

    def sentence(self) -> str:
        return "The e-mail address or the password is wrong."


class RefreshTokenInvalid(AccountsError, Forbidden):
    """The refresh token is unknown, expired or revoked."""

    code = "accounts.refresh_token_invalid"

    def sentence(self) -> str:
        return "The refresh token is not valid (any more); log in again."


class RefreshTokenReused(RefreshTokenInvalid):
    """The refresh token was used before: somebody else may have it, so the session is over."""

    code = "accounts.refresh_token_reused"

    def sentence(self) -> str:
        return "The refresh token was used before; the session is over, log in again."


@dataclass(kw_only=True, eq=False)
class LoginLocked(AccountsError, Forbidden):
    """Too many wrong passwords. ``retry_after`` is in seconds."""

    code = "accounts.login_locked"
    retry_after: int

    def sentence(self) -> str:
        return f"Too many wrong passwords; try again in {self.retry_after} seconds."
