"""Fixtures of accounts' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.accounts.api_keys import forget_cached
from modules.notification.contract import Notification
from modules.platform.binding import LocalRoute
from modules.platform.binding.table import routed
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.modules.accounts.people import FakeNotification


@pytest.fixture(autouse=True)
def broker() -> Iterator[InlineCarrier]:
    """A queue in this process instead of Celery."""
    queue = InlineCarrier()
    with carried_by(queue):
        yield queue


@pytest.fixture(autouse=True)
def notification() -> Iterator[FakeNotification]:
    """Notification's port, faked: takes commands, or is unavailable."""
    fake = FakeNotification()
    with routed(Notification, LocalRoute(fake)):
        yield fake


@pytest.fixture(autouse=True)
def _fresh_caches(settings: Any, tmp_path: Path) -> None:
    """Signing keys and the cache of API keys of this test's own."""
    settings.SIGNING_KEYS_DIR = tmp_path / "keys"
    forget_cached()
