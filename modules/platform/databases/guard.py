"""Refuses, in tests and development, a query that touches another module's table.

PostgreSQL would refuse it too, where each module has its own role or database; the guard says so
at once, with the module's name and a way out, on a developer's single database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model

from modules.platform.boundaries.violations import BoundaryViolation
from modules.platform.databases.aliases import identity, module_of_alias, schema_owners
from modules.platform.databases.router import EVERYWHERE
from modules.platform.databases.tables_in import TableName, tables_in

VERDICTS = 8192  # statements remembered; a page's statements are few and the same each time


class TableBelongsElsewhere(BoundaryViolation):
    """A query on one module's connection names another module's table."""

    def __init__(self, alias: str, table: TableName, owner: str) -> None:
        module = module_of_alias(alias)
        super().__init__(
            f"a query of {module} (alias {alias!r}) touches {table}, a table of {owner}: "
            f"ask through use() with a port of modules.{owner}.contract, or keep a copy that "
            f"{owner}'s events bring up to date"
        )


class TableGuard:
    """Judges statements by alias. ``owners`` maps a table to the module whose schema has it;
    tables that stand in every schema are not in it. ``schemas`` are the modules' schemas.
    """

    def __init__(self, *, owners: Mapping[str, str], schemas: Iterable[str]) -> None:
        self.owners = dict(owners)
        self.schemas = frozenset(schemas)
        self._judge = lru_cache(maxsize=VERDICTS)(self._find)

    def check(self, alias: str, sql: str) -> None:
        """Raises TableBelongsElsewhere naming the first foreign table in ``sql``."""
        found = self._judge(module_of_alias(alias), sql)
        if found is not None:
            raise TableBelongsElsewhere(alias, *found)

    def _find(self, module: str, sql: str) -> tuple[TableName, str] | None:
        for table in tables_in(sql):
            owner = table.schema if table.schema else self.owners.get(table.name, module)
            if owner != module and owner in self.schemas:
                return table, owner
        return None


def table_owners(models: Iterable[type[Model]]) -> dict[str, str]:
    """Table to module, for all but the platform's, which stand in each schema."""
    return {
        model._meta.db_table: _home(model._meta.app_label)
        for model in models
        if model._meta.app_label not in EVERYWHERE
    }


def install_guard() -> None:
    """Guard every connection that is opened from now on."""
    schemas = (identity(), *schema_owners())
    owners = table_owners(apps.get_models(include_auto_created=True))
    guard = TableGuard(owners=owners, schemas=schemas)

    def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if not any(isinstance(one, _Wrapper) for one in connection.execute_wrappers):
            connection.execute_wrappers.append(_Wrapper(guard, connection.alias))

    connection_created.connect(watch, weak=False, dispatch_uid="ficus.table_guard")


class _Wrapper:
    def __init__(self, guard: TableGuard, alias: str) -> None:
        self.guard = guard
        self.alias = alias

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        # psycopg's composed SQL comes as objects; as_string() needs no connection here.
        self.guard.check(self.alias, sql if isinstance(sql, str) else sql.as_string(None))
        return execute(sql, params, many, context)


def _home(app_label: str) -> str:
    return app_label if app_label in schema_owners() else identity()
