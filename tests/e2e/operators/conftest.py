"""One office for all tests of operators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.operators.office import Office
from tests.e2e.town import Town


@pytest.fixture(scope="session")
def working(services: Town) -> Iterator[Office]:
    """The town with its staff; all work is at home again after the last test."""
    services.wait_for_services()
    yield Office(services)
    services.all_at_home()


@pytest.fixture
def office(working: Office) -> Iterator[Office]:
    """With payment's work in the monolith."""
    working.place(0)
    yield working
    working.close()


@pytest.fixture
def there(working: Office) -> Iterator[Office]:
    """With payment's work at its own host."""
    working.place(100)
    yield working
    working.close()
