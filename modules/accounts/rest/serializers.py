"""What accounts' operations take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from modules.accounts.domain import LOCALE
from modules.accounts.queries import ApiKey, LoginSession, SavedAddressRow, User
from modules.accounts.sessions import Tokens
from modules.platform.contracts import PostalAddress
from modules.platform.rest.identifiers import ids

CUSTOMERS = ids("cus")
ADDRESSES = ids("adr")
SESSIONS = ids("ses")
KEYS = ids("key")

EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$"
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=EMAIL)]
Password = Annotated[str, Meta(min_length=1, max_length=200)]
Token = Annotated[str, Meta(min_length=1, max_length=1000)]
Locale = Annotated[str, Meta(pattern=LOCALE)]
FullName = Annotated[str, Meta(max_length=150)]
Reason = Annotated[str, Meta(min_length=3, max_length=500)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request's body."""


class Registration(Body):
    """Who wants an account."""

    email: Email
    password: Password
    full_name: FullName = ""
    locale: Locale = "en"


class Credentials(Body):
    """Who wants tokens. An address of any spelling may be tried."""

    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Password


class RefreshBody(Body):
    """A refresh token."""

    refresh: Token


class ProfileChange(Body):
    """What to change; what is left out stays."""

    full_name: FullName | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET


class PasswordChange(Body):
    """The present password and the next."""

    current_password: Password
    new_password: Password


class EmailBody(Body):
    """Whom to write to."""

    email: Email


class LinkToken(Body):
    """The token of a mailed link."""

    token: Token


class ResetConfirmation(Body):
    """The token of a mailed link and the next password."""

    token: Token
    password: Password


class ReasonBody(Body):
    """Why it is done; kept in the log."""

    reason: Reason


class PostalBody(Body):
    """A postal address. ``phone`` may be national: it is kept as E.164."""

    name: Annotated[str, Meta(min_length=1, max_length=150)]
    line1: Annotated[str, Meta(min_length=1, max_length=200)]
    city: Annotated[str, Meta(min_length=1, max_length=120)]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    postal_code: Annotated[str, Meta(max_length=20)] = ""
    line2: Annotated[str, Meta(max_length=200)] = ""
    region: Annotated[str, Meta(max_length=120)] = ""
    company: Annotated[str, Meta(max_length=150)] = ""
    phone: Annotated[str, Meta(max_length=40)] = ""


class AddressBody(Body):
    """An entry of the address book."""

    address: PostalBody
    label: Annotated[str, Meta(max_length=60)] = ""
    default_shipping: bool = False
    default_billing: bool = False


class ApiKeyBody(Body):
    """A key to make. ``scopes`` are like ``orders:read``."""

    label: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(min_length=1, max_length=50)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class Me(msgspec.Struct, kw_only=True):
    """An account."""

    id: str
    email: str
    email_verified: bool
    full_name: str
    locale: str
    is_staff: bool
    is_active: bool
    created_at: datetime
    version: int


class TokenPair(msgspec.Struct, kw_only=True):
    """A log-in. ``expires_in`` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int
    session_id: str
    token_type: str = "Bearer"  # noqa: S105


class SavedAddressView(msgspec.Struct, kw_only=True):
    """An entry of the address book."""

    id: str
    label: str
    address: PostalAddress
    default_shipping: bool
    default_billing: bool
    version: int


class SessionView(msgspec.Struct, kw_only=True):
    """A log-in that can be refreshed."""

    id: str
    user_agent: str
    ip_address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class ApiKeyView(msgspec.Struct, kw_only=True):
    """A key, without the key."""

    id: str
    label: str
    prefix: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewApiKey(ApiKeyView, kw_only=True):
    """A key just made. ``key`` is shown this once."""

    key: str


class Jwk(msgspec.Struct, kw_only=True):
    """A public key (RFC 8037)."""

    kty: str
    crv: str
    use: str
    alg: str
    kid: str
    x: str


class Jwks(msgspec.Struct, kw_only=True):
    """The keys that verify access tokens, newest first."""

    keys: list[Jwk]


def me_of(user: User) -> Me:
    return Me(
        id=CUSTOMERS.text(user.pk),
        email=user.email,
        email_verified=user.email_verified_at is not None,
        full_name=user.full_name,
        locale=user.locale,
        is_staff=user.is_staff,
        is_active=user.is_active,
        created_at=user.created_at,
        version=user.version,
    )


def pair_of(tokens: Tokens) -> TokenPair:
    return TokenPair(
        access=tokens.access,
        refresh=tokens.refresh,
        expires_in=tokens.expires_in,
        session_id=SESSIONS.text(tokens.session_id),
    )


def address_of(row: SavedAddressRow) -> SavedAddressView:
    return SavedAddressView(
        id=ADDRESSES.text(row.pk),
        label=row.label,
        address=row.postal(),
        default_shipping=row.default_shipping,
        default_billing=row.default_billing,
        version=row.version,
    )


def session_of(row: LoginSession) -> SessionView:
    return SessionView(
        id=SESSIONS.text(row.pk),
        user_agent=row.user_agent,
        ip_address=row.ip_address,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


def key_of(row: ApiKey) -> ApiKeyView:
    return ApiKeyView(**_key_fields(row))


def new_key_of(row: ApiKey, key: str) -> NewApiKey:
    return NewApiKey(key=key, **_key_fields(row))


def _key_fields(row: ApiKey) -> dict[str, Any]:
    return {
        "id": KEYS.text(row.pk),
        "label": row.label,
        "prefix": row.prefix,
        "scopes": list(row.scopes),
        "created_by": row.created_by,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }
