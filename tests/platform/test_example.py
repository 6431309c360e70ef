"""The platform's tests have an example that no retirement takes from them."""

from __future__ import annotations

from django.conf import settings

from modules.inventory.module import MODULE
from shop.host import OWN_SERVICES, SERVICES
from tests.platform.example import EXAMPLE


def test_the_example_is_always_here() -> None:
    """It is composed, may be placed, and has no host of its own that could have it alone."""
    assert MODULE.name == EXAMPLE
    assert EXAMPLE in settings.FICUS_MODULES
    assert MODULE.extractable
    assert EXAMPLE not in {*SERVICES, *OWN_SERVICES}
