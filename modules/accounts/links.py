"""The tokens in mailed links: signed, dated and bound to what they change.

Nothing is stored. A reset token carries a fingerprint of the present password, so that it works
once; a verification token one of the address, so that it dies when the address changes.
"""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from modules.accounts.contract import LinkInvalid
from modules.accounts.domain import LIFE_OF_LINK, MailKind
from modules.accounts.models import User

PAGES = {MailKind.VERIFY: "verify-email/page", MailKind.RESET: "password-reset/page"}


def make_token(user: User, kind: MailKind) -> str:
    """A token for ``user`` that ``check_token`` takes for the life of such links."""
    content = {"u": user.pk.hex, "f": _fingerprint(user, kind)}
    return signing.dumps(content, salt=f"accounts.{kind}")


def link(token: str, kind: MailKind) -> str:
    """The address of the page where a person uses the token."""
    return f"{settings.SHOP_URL}/api/v1/accounts/{PAGES[kind]}?token={quote(token)}"


def user_id_in(token: str, kind: MailKind) -> UUID:
    """Whose token it is. Raises LinkInvalid when it is forged or too old."""
    return UUID(hex=str(_read(token, kind)["u"]))


def check_token(token: str, kind: MailKind, user: User) -> None:
    """Raises LinkInvalid unless the token is ``user``'s and nothing has changed since."""
    content = _read(token, kind)
    fits = constant_time_compare(str(content["f"]), _fingerprint(user, kind))
    if content["u"] != user.pk.hex or not fits or not user.is_active:
        raise LinkInvalid


def _read(token: str, kind: MailKind) -> dict[str, str]:
    try:
        content: dict[str, str] = signing.loads(
            token, salt=f"accounts.{kind}", max_age=LIFE_OF_LINK[kind]
        )
    except signing.BadSignature as error:
        raise LinkInvalid from error
    return content


def _fingerprint(user: User, kind: MailKind) -> str:
    state = user.email if kind is MailKind.VERIFY else f"{user.email}\n{user.password}"
    return salted_hmac(f"accounts.links.{kind}", state, algorithm="sha256").hexdigest()[:32]
