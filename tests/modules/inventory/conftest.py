"""Who asks, in inventory's tests over HTTP."""

from __future__ import annotations

import pytest

from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest import authentication

SCOPES = frozenset({"inventory:read", "inventory:write"})


@pytest.fixture
def staff(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Headers of somebody who may read and change stock."""
    known = {
        "staff": Actor(kind=ActorKind.STAFF, id="s", scopes=SCOPES, label="s@shop.test"),
        "other": Actor(kind=ActorKind.STAFF, id="o", scopes=frozenset({"catalog:write"})),
    }
    monkeypatch.setattr(authentication, "_verifiers", [known.get])
    return {"Authorization": "Bearer staff"}
