"""Signed unsubscribe links (RFC 8058): whoever has the message may switch its category off."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.core import signing

from modules.notification.contract import LinkInvalid

SALT = "notification.unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Who gets messages of which category where."""

    email: str
    owner: str
    category: str


def token_of(subscription: Subscription) -> str:
    """A token for the link; it does not expire, because mails are kept."""
    content = [subscription.email, subscription.owner, subscription.category]
    return signing.Signer(salt=SALT).sign_object(content)


def read_token(token: str) -> Subscription:
    """What the link is about. Raises LinkInvalid."""
    try:
        email, owner, category = signing.Signer(salt=SALT).unsign_object(token)
    except (signing.BadSignature, ValueError) as error:
        raise LinkInvalid from error
    return Subscription(email=email, owner=owner, category=category)


def url_of(subscription: Subscription) -> str:
    """The link: a POST switches off at once, a GET shows a page with a button."""
    token = quote(token_of(subscription))
    return f"{settings.SHOP_URL}/api/v1/notification/unsubscribe?token={token}"
