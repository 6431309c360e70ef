"""The default tariff, and who asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest import authentication
from modules.shipping.bootstrap import bootstrap
from modules.shipping.service import tariff

SCOPES = frozenset({"shipping:read", "shipping:write"})


@pytest.fixture(autouse=True)
def _fresh_tariff() -> Iterator[None]:
    """What one test quoted must not be quoted in the next."""
    tariff.forget()
    yield
    tariff.forget()


@pytest.fixture
def default_tariff(db: None) -> None:
    """Two zones, two methods."""
    bootstrap()


@pytest.fixture
def staff(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Headers of somebody who may read and change shipments."""
    known = {
        "staff": Actor(kind=ActorKind.STAFF, id="s", scopes=SCOPES, label="s@shop.test"),
        "other": Actor(kind=ActorKind.STAFF, id="o", scopes=frozenset({"catalog:write"})),
        "ada": Actor(kind=ActorKind.CUSTOMER, id="ada", owners=frozenset({"customer:ada"})),
        "bob": Actor(kind=ActorKind.CUSTOMER, id="bob", owners=frozenset({"customer:bob"})),
    }
    monkeypatch.setattr(authentication, "_verifiers", [known.get])
    return {"Authorization": "Bearer staff"}
