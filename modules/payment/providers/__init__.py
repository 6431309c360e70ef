"""The outside systems that move money, behind one Protocol; by name, as the settings say."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from modules.payment.providers.errors import (
    AnswerLost,
    BadSignature,
    NotSent,
    ProviderError,
    Refused,
    UnknownProvider,
)
from modules.payment.providers.protocol import ASKING, AuthorizeRequest, Message, Provider
from modules.platform.outside import overheard

__all__ = [
    "AnswerLost",
    "AuthorizeRequest",
    "BadSignature",
    "Message",
    "NotSent",
    "Provider",
    "ProviderError",
    "Refused",
    "UnknownProvider",
    "configured",
    "provider",
]


def provider(name: str) -> Provider:
    """The provider ``name``. Raises UnknownProvider when there is none or it is off."""
    if name == "standin" and settings.STANDIN_URL:
        return _standin(settings.STANDIN_URL, settings.STANDIN_WEBHOOK_SECRET)
    if name == "stripe" and settings.STRIPE_API_KEY:
        return _stripe(
            settings.STRIPE_API_BASE, settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET
        )
    raise UnknownProvider(name)


def configured() -> tuple[str, ...]:
    """The providers that this shop can reach; the default one first."""
    names = sorted({"standin", "stripe"}, key=lambda name: name != settings.PAYMENT_PROVIDER)
    keys = {"standin": settings.STANDIN_URL, "stripe": settings.STRIPE_API_KEY}
    return tuple(name for name in names if keys[name])


@lru_cache(maxsize=8)
def _standin(url: str, secret: str) -> Provider:
    from modules.payment.providers.standin import StandInProvider

    return _overheard(StandInProvider(url=url, webhook_secret=secret))


@lru_cache(maxsize=8)
def _stripe(base: str, key: str, secret: str) -> Provider:
    from modules.payment.providers.stripe import StripeProvider

    return _overheard(StripeProvider(base=base, api_key=key, webhook_secret=secret))


def _overheard(one: Provider) -> Provider:
    """A shadowed command is repeated elsewhere with the answers that it got here."""
    return overheard(one, Provider, ASKING, name=one.name, errors=(ProviderError,))
