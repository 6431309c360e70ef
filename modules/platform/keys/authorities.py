"""Which certificate authorities a client must know: none, unless it is to speak TLS.

httpx reads them all for each client that is made, and for each request without one. That takes 25
ms of a processor, as much as dozens of questions to a host of ours, which are asked in plain HTTP.
"""

from __future__ import annotations

import ssl
from functools import cache


def authorities(url: str) -> ssl.SSLContext | bool:
    """httpx's ``verify`` for a client that asks at ``url`` and follows nobody elsewhere."""
    return url.lower().startswith("https:") or _nobody()


@cache
def _nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes no certificate
