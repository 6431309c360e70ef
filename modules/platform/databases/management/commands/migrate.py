"""Django's ``migrate``, for every module's schema instead of ``default`` alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections

from modules.platform.databases.schemas import ensure_schema


class Command(DjangoMigrate):
    help = "Bring every module's schema up to date (or one: --database ALIAS)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        databases = [options["database"]] if options["database"] else list(connections)
        kwargs: dict[Any, Any] = {**super().get_check_kwargs({**options, "database": None})}
        return kwargs | {"databases": databases}

    def handle(self, *args: Any, **options: Any) -> None:
        # Several aliases share one log line each unless something goes wrong or -v 2 asks.
        for alias in [options["database"]] if options["database"] else list(connections):
            ensure_schema(alias)
            super().handle(*args, **{**options, "database": alias})
