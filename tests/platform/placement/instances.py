"""An instance of the example that works on this host's data, in this host's registry."""

from __future__ import annotations

from typing import Any

from modules.platform.discovery import Role, registry
from tests.platform.discovery.serving import said
from tests.platform.example import EXAMPLE

FIRST = f"{EXAMPLE}-1"


def enlist(id: str = FIRST, *, role: Role = Role.ORIGIN, ttl: float = 60.0, **other: Any) -> None:
    """It is listed for ``ttl`` seconds; ``other`` is what it says of itself."""
    registry.register(id, said(module=EXAMPLE, role=role, **other), issuer=EXAMPLE, ttl=ttl)
