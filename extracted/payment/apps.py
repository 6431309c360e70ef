"""payment's host as a Django app: whom it asks for what it does not know itself."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentConfig(AppConfig):
    """Has no models; API keys are accounts' to know."""

    name = "extracted.payment"
    label = "payment_host"

    def ready(self) -> None:
        from modules.accounts.contract import Accounts
        from modules.platform.hosting.asking import ask_accounts

        ask_accounts(Accounts)
