"""How a call to a provider can fail. What matters is whether money may have moved.

ProviderError
├── NotSent          it did not: nothing reached the provider, or it turned the call away unread
├── AnswerLost       it may have: asked, and no answer that says so
├── Refused          it did not: the provider said no, for good
├── BadSignature     a webhook that the provider did not sign, or not now
└── UnknownProvider  no such provider, or it is off
"""

from __future__ import annotations


class ProviderError(Exception):
    """Root of the errors of providers; they never leave the module."""


class NotSent(ProviderError):
    """Nothing was done; the same call may work later."""


class AnswerLost(ProviderError):
    """It may be done; the same call with the same key tells."""


class Refused(ProviderError):
    """Nothing was done and the same call will be refused again.

    ``code`` is the provider's; ``decline_code`` the bank's, or empty.
    """

    def __init__(self, code: str, *, decline_code: str = "", reference: str = "") -> None:
        super().__init__(code)
        self.code, self.decline_code, self.reference = code, decline_code, reference


class BadSignature(ProviderError):
    """The webhook is forged, or replayed long after."""


class UnknownProvider(ProviderError):
    """There is no provider of this name, or the settings leave it off."""
