"""The registry's gate and credentials made of service tokens, as calls between hosts use them.

A token is for one request: its method, its address below ``/registry/`` and its body. A host
says ``install_service_tokens()`` in its ``AppConfig.ready()``.
"""

from __future__ import annotations

import time

import structlog
from django.http import HttpRequest

from modules.platform.contracts import SYSTEM
from modules.platform.discovery.access import install_credentials, install_gate
from modules.platform.discovery.wire import call_of
from modules.platform.keys import ring_in
from modules.platform.rest.forwarded import address_of
from modules.platform.rest.problems import Problem
from modules.platform.rpc import serving, settings, tokens

log = structlog.get_logger(__name__)

AUDIENCE = "registry"


class ServiceGate:
    """Believes the issuers of ``SERVICE_TRUST``, each token once."""

    def authorize(self, request: HttpRequest) -> str:
        """The issuer. Raises Problem 401."""
        gate = serving.gate()
        call = call_of(request.method or "", request.path)
        try:
            claims = gate.claims(request.headers.get("Authorization", ""), AUDIENCE)
            gate.admit(claims, call=call, body=request.body)
        except tokens.TokenRefused as error:
            who = {"issuer": error.issuer, "kid": error.kid, "peer": address_of(request)}
            log.warning("registry.refused", call=call, reason=error.reason, **who)
            raise Problem.unauthorized(f"The token is refused: {error.detail}.") from error
        return claims.iss


def service_token(call: str, body: bytes) -> str:
    """A token of this host for one request."""
    key = ring_in(settings.keys_dir()).signing()
    issuer = settings.service_name()
    return tokens.issue(key, issuer=issuer, call=call, body=body, actor=SYSTEM, now=time.time())


def install_service_tokens() -> None:
    """Let this host's registry believe service tokens, and show them to registries elsewhere."""
    install_gate(ServiceGate())
    install_credentials(service_token)
