"""HTTP to the tests' own processes: httpx's functions, without the authorities' certificates.

Reading those takes 30 ms of the processor for each call, ten times as long as the call itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import httpx

_NO_AUTHORITIES = httpx.create_ssl_context(verify=False)

request = partial(httpx.request, verify=_NO_AUTHORITIES)
get = partial(httpx.get, verify=_NO_AUTHORITIES)
head = partial(httpx.head, verify=_NO_AUTHORITIES)
post = partial(httpx.post, verify=_NO_AUTHORITIES)


def stream(method: str, url: str, **more: Any) -> AbstractContextManager[httpx.Response]:
    """An answer that is read while it comes."""
    return httpx.stream(method, url, verify=_NO_AUTHORITIES, **more)


def client(**more: Any) -> httpx.Client:
    """A client that keeps connections and cookies."""
    return httpx.Client(verify=_NO_AUTHORITIES, **more)
