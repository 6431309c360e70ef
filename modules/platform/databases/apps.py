"""Django's view of the databases: brings the ``migrate`` that knows of schemas."""

from __future__ import annotations

from django.apps import AppConfig


class DatabasesConfig(AppConfig):
    """Lets calls between modules be refused while a transaction is open, and says in the
    contracts' words when PostgreSQL refuses a module whose authority moves.
    """

    name = "modules.platform.databases"
    label = "databases"

    def ready(self) -> None:
        from modules.platform.binding.routes import install_transaction_probe
        from modules.platform.databases.refusals import install_refusals
        from modules.platform.databases.transactions import open_transaction

        install_transaction_probe(open_transaction)
        install_refusals()
