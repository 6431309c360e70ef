"""What a host says about gRPC, read from Django's settings when it is needed.

RPC_TRANSPORTS   how modules are called: {"payment": "grpc"}; all others, and instances that do not
                 offer it, by HTTP (none)
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

HTTP, GRPC = "http", "grpc"


class BadTransport(ValueError):
    """RPC_TRANSPORTS names a transport that there is not."""

    def __init__(self, module: str, given: object) -> None:
        super().__init__(f"RPC_TRANSPORTS: {module} by {given!r}; there are {HTTP} and {GRPC}")


def transport_of(module: str) -> str:
    """``http`` or ``grpc``. Raises BadTransport."""
    transports: Mapping[str, str] = getattr(settings, "RPC_TRANSPORTS", {})
    given = transports.get(module, HTTP)
    if given not in (HTTP, GRPC):
        raise BadTransport(module, given)
    return given
