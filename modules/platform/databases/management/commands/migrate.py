"""Django's ``migrate``, for every module's schema instead of ``default`` alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from modules.platform.databases.aliases import ORIGIN, is_migrated_here
from modules.platform.databases.refusals import is_moving
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
            if self._is_the_monoliths(alias, asked_for=bool(options["database"])):
                continue
            ensure_schema(alias)
            self._check_standing_still(alias)
            super().handle(*args, **{**options, "database": alias})

    def _check_standing_still(self, alias: str) -> None:
        """While a module moves, both of its databases keep the structure that they have.

        Raises CommandError when there is something to migrate.
        """
        if not is_moving(alias):
            return
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        pending = [
            f"{one.app_label}.{one.name}"
            for one, _ in plan
            if router.allow_migrate(alias, one.app_label)
        ]
        if pending:
            raise CommandError(
                f"{alias} is being moved, and its structure stands still meanwhile: "
                f"{', '.join(pending)} must wait until `manage.py strangler` has retired or "
                f"cancelled it"
            )

    def _is_the_monoliths(self, alias: str, *, asked_for: bool) -> bool:
        """Whether somebody else migrates it, which is said. Raises CommandError if asked for."""
        if is_migrated_here(alias):
            return False
        why = (
            f"{alias} is not migrated here: with INSTANCE_ROLE={ORIGIN} it is the monolith's "
            f"schema, and the monolith migrates it"
        )
        if asked_for:
            raise CommandError(why)
        self.stderr.write(why)
        return True
