"""Checks the ``Stripe-Signature`` of a webhook.

Source: https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from modules.payment.providers.errors import BadSignature

TOLERANCE = timedelta(minutes=5)  # between the signature and now; the stripe package's default


def verify(body: bytes, header: str, secret: str, *, now: float) -> None:
    """Check ``header`` against ``body``; ``now`` is a Unix time. Raises BadSignature."""
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if not secret or len(times) != 1 or not times[0].isascii() or not times[0].isdigit():
        raise BadSignature("no signature that could be checked")
    expected = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256)
    # Bytes: compare_digest refuses text that is not ASCII.
    wanted = expected.hexdigest().encode()
    if not any(hmac.compare_digest(wanted, given.encode()) for given in signatures):
        raise BadSignature("not signed with this shop's secret")
    if abs(now - int(times[0][:12])) > TOLERANCE.total_seconds():
        raise BadSignature("signed too long ago")
