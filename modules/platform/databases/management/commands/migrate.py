"""Django's ``migrate``, for every module's schema instead of ``default`` alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections, router
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from modules.platform.databases.aliases import ORIGIN, is_migrated_here, module_of_alias
from modules.platform.databases.refusals import is_moving
from modules.platform.databases.retired import retired_since, why_retired
from modules.platform.databases.schemas import ensure_schema

# With one of these it changes nothing, or not all that there is.
LOOKS_OR_CHOOSES = ("app_label", "plan", "check_unapplied", "prune", "fake", "fake_initial")


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
            self._check_not_retired(alias)
            self._check_standing_still(alias)
            if not any(options[name] for name in LOOKS_OR_CHOOSES):
                note_what_is_elsewhere(alias)
            super().handle(*args, **{**options, "database": alias})

    def _check_not_retired(self, alias: str) -> None:
        """Raises CommandError where the module's tables went to its service, and must not be made
        again here: empty ones would be read and written as if they were all.
        """
        if retired_since(alias) is not None:
            raise CommandError(why_retired(module_of_alias(alias)))

    def _check_standing_still(self, alias: str) -> None:
        """While a module moves, both of its databases keep the structure that they have.

        Raises CommandError when there is something to migrate.
        """
        if not is_moving(alias):
            return
        pending = [
            f"{one.app_label}.{one.name}"
            for one in _pending(MigrationExecutor(connections[alias]))
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


def note_what_is_elsewhere(alias: str) -> None:
    """Record the migrations of apps that have no table behind ``alias``: they make nothing there.

    Django would record them one by one, and render every model of the project on the way: that is
    nine tenths of what it takes to migrate nine empty schemas.
    """
    executor = MigrationExecutor(connections[alias])
    elsewhere = [
        one for one in _pending(executor) if not router.allow_migrate(alias, one.app_label)
    ]
    if elsewhere:
        executor.recorder.ensure_schema()
        rows = (executor.recorder.Migration(app=one.app_label, name=one.name) for one in elsewhere)
        executor.recorder.migration_qs.bulk_create(rows)


def _pending(executor: MigrationExecutor) -> list[Migration]:
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [one for one, _ in plan]
