"""What the tests of sagas share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modules.platform.messaging.carrier import InlineCarrier, carried_by
from modules.platform.sagas.waking import register
from tests.platform.sagas.toy import Agency, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agency() -> Agency:
    """Carries the toy saga's commands out."""
    found = Agency()
    register(found.definition())
    return found


@pytest.fixture
def carrier() -> Iterator[InlineCarrier]:
    """Tasks wait in this process instead of going to a broker."""
    queue = InlineCarrier()
    with carried_by(queue):
        yield queue
