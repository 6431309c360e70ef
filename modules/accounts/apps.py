"""Wires accounts into its host."""

from __future__ import annotations

from modules.platform.binding.apps import ModuleConfig


class AccountsConfig(ModuleConfig):
    """Identity: customers, staff, keys."""

    name = "modules.accounts"
    label = "accounts"

    def ready(self) -> None:
        from modules.accounts.api_keys import verify_credential
        from modules.accounts.contract import Accounts
        from modules.accounts.service import AccountsService
        from modules.accounts.tokens import verify
        from modules.platform.binding import bind
        from modules.platform.rest.authentication import install_verifier

        bind(Accounts, AccountsService())
        install_verifier(verify_credential)
        install_verifier(verify)
