"""What a host without accounts asks of it: whose an API key is. See modules/platform/rest."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from modules.platform.binding import route, use
from modules.platform.contracts import module_of
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.rest.api_keys import AskedKeys, Vouched
from modules.platform.rest.authentication import install_verifier
from modules.platform.rpc import RemoteRoute


def ask_accounts(port: type[Any]) -> None:
    """Answer ``port``, accounts' own, at ACCOUNTS_URL, and have API keys verified there.

    Without an address nothing is asked, and API keys are refused as unknown credentials.
    """
    url: str = settings.ACCOUNTS_URL
    if not url:
        return
    known = StaticSource({module_of(port): [url]})
    route(port, RemoteRoute(LeastLoaded(known)))

    def ask(key: str) -> Vouched:
        found: Vouched = use(port).verify_api_key(key=key)
        return found

    install_verifier(AskedKeys(ask).verify)
