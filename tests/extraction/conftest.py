"""What the tests of the control half share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from modules.extraction import creating, structure, targets
from tests.extraction import migrated
from tests.platform.discovery.serving import RegistryServer
from tests.platform.placement.doorway import doorway
from tests.proxy.front import FrontDoor

SCHEMA = "payment"


@pytest.fixture
def door(place: None, tmp_path: Path) -> Iterator[FrontDoor]:
    """A real front door that looks for instances in this host's registry, over a socket."""
    server = RegistryServer()
    server.start()
    at = {"url": f"{server.url}/instances?module=payment", "role": "origin", "refresh_seconds": 0.1}
    try:
        with doorway(tmp_path, registry=at) as running:
            yield running
    finally:
        server.stop()


@pytest.fixture
def place(
    settings: Any, tmp_path: Path, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A host with no front door and secrets of its own; what an extraction has made goes again."""
    monkeypatch.setattr(structure, "migrate", migrated.migrate)
    settings.PLACEMENT_FRONT_DOORS = []
    settings.FICUS_HOME = tmp_path
    yield
    target = targets.known(SCHEMA)
    with connections[SCHEMA].cursor() as cursor:
        # Whoever has the authority by then: a test that failed must not refuse the next one's.
        cursor.execute("SELECT to_regclass('payment_move.ownership') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute("UPDATE payment_move.ownership SET owner = 'monolith', mode = 'open'")
    if target is not None:
        creating.undo(SCHEMA, target)
