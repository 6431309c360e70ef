"""The ways to modules that a host calls and does not compose."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from modules.notification.contract import Notification
from modules.payment.contract import Payment
from modules.platform.binding import implementation_of, routed, use
from modules.platform.binding.routes import LocalRoute
from modules.platform.discovery import LeastLoaded, StaticSource
from modules.platform.placement.elsewhere import install, modules_elsewhere
from modules.platform.rpc import ModuleUnreachable

NOBODY = LeastLoaded(StaticSource({}))


def without(settings: Any, *modules: str) -> None:
    settings.FICUS_MODULES = [name for name in settings.FICUS_MODULES if name not in modules]


def test_host_that_composes_all_has_none_elsewhere(settings: Any) -> None:
    """And routes nothing."""
    assert modules_elsewhere() == {}
    install(NOBODY)
    assert implementation_of(Payment)


def test_what_is_called_and_not_composed_is_elsewhere(settings: Any) -> None:
    """By the declarations of the modules that are here."""
    without(settings, "payment", "notification")
    assert modules_elsewhere() == {"payment": Payment, "notification": Notification}
    without(settings, "orders")  # nobody else calls payment
    assert "payment" not in modules_elsewhere()


def test_calls_lead_to_the_modules_own_host(settings: Any) -> None:
    """While nobody is listed there the module is unreachable, which is retryable."""
    without(settings, "payment")
    with routed(Payment, LocalRoute(implementation_of(Payment))):
        install(NOBODY)
        with pytest.raises(ModuleUnreachable) as raised:
            use(Payment).payments(order_ids=(uuid4(),))
    assert raised.value.retryable
    assert raised.value.module == "payment"
