"""How this host calls modules: read from its environment, then from Django's settings.

RPC_TRANSPORTS   how modules are called: {"payment": "grpc"}; all others, and instances that do not
                 offer it, by HTTP (none)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from django.conf import settings

HTTP, GRPC = "http", "grpc"


class BadTransport(ValueError):
    """RPC_TRANSPORTS cannot be read, or names what there is not."""

    def __init__(self, entry: str, fact: str) -> None:
        super().__init__(f"RPC_TRANSPORTS: {entry!r} {fact}")


def transports_in(entries: Iterable[str]) -> dict[str, str]:
    """``["payment=grpc"]`` as ``{"payment": "grpc"}``; asks Django nothing. Raises BadTransport
    for what is not like that, for a module without a contract here, and one named twice.
    """
    found: dict[str, str] = {}
    for entry in entries:
        module, _, transport = (part.strip() for part in entry.partition("="))
        if transport not in (HTTP, GRPC):
            raise BadTransport(entry, f"is not like payment={GRPC} or payment={HTTP}")
        if not module.isidentifier() or not _has_contract(module):
            raise BadTransport(entry, "names a module that has no contract here")
        if module in found:
            raise BadTransport(entry, f"comes after {module}={found[module]}")
        found[module] = transport
    return found


def transport_of(module: str) -> str:
    """``http`` or ``grpc``. Raises BadTransport."""
    transports: Mapping[str, str] = getattr(settings, "RPC_TRANSPORTS", {})
    given = transports.get(module, HTTP)
    if given not in (HTTP, GRPC):
        raise BadTransport(f"{module}={given}", f"is neither {HTTP} nor {GRPC}")
    return given


def _has_contract(module: str) -> bool:
    name = f"modules.{module}"
    return find_spec(name) is not None and find_spec(f"{name}.contract") is not None
