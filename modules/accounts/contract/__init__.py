"""All that other modules may import of accounts."""

from modules.accounts.contract.errors import (
    AccountsError,
    AddressBookFull,
    AddressInvalid,
    AddressNotFound,
    ApiKeyNotFound,
    CustomerNotFound,
    EmailTaken,
    InvalidCredentials,
    LinkInvalid,
    LoginLocked,
    NotAboveYou,
    PasswordRefused,
    RefreshTokenInvalid,
    RefreshTokenReused,
    ScopeNotYours,
    ScopeUnknown,
    SessionNotFound,
    UnknownApiKey,
)
from modules.accounts.contract.events import (
    CustomerDeactivated,
    CustomerRegistered,
    EmailVerified,
)
from modules.accounts.contract.port import Accounts
from modules.accounts.contract.types import (
    Customer,
    PublicKey,
    SavedAddress,
    VerifiedKey,
)

__all__ = [
    "Accounts",
    "AccountsError",
    "AddressBookFull",
    "AddressInvalid",
    "AddressNotFound",
    "ApiKeyNotFound",
    "Customer",
    "CustomerDeactivated",
    "CustomerNotFound",
    "CustomerRegistered",
    "EmailTaken",
    "EmailVerified",
    "InvalidCredentials",
    "LinkInvalid",
    "LoginLocked",
    "NotAboveYou",
    "PasswordRefused",
    "PublicKey",
    "RefreshTokenInvalid",
    "RefreshTokenReused",
    "SavedAddress",
    "ScopeNotYours",
    "ScopeUnknown",
    "SessionNotFound",
    "UnknownApiKey",
    "VerifiedKey",
]
