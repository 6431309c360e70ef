"""Wires payment into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class PaymentConfig(ModuleConfig):
    """The module as a Django app."""

    name = "modules.payment"
    label = "payment"

    def ready(self) -> None:
        from modules.payment.contract import Payment
        from modules.payment.handlers import HANDLERS
        from modules.payment.service import PaymentService
        from modules.platform.binding import bind
        from modules.platform.messaging import subscribe

        bind(Payment, PaymentService())
        subscribe("payment", HANDLERS)
