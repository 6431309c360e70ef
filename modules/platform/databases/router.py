"""Sends each model to its module's alias, and each migration to where its tables belong."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from modules.platform.databases.aliases import (
    alias_of,
    identity,
    installed_modules,
    module_of_alias,
    schema_owners,
)

# Platform apps whose tables stand in every module's schema, so that they travel with the module.
EVERYWHERE = frozenset({"messaging", "sagas", "rest"})


class ModuleRouter:
    """A model of app ``payment`` lives on alias ``payment``; Django's own on ``default``.

    Models of the platform apps that stand in every schema are always used with ``using()``.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return self._alias(model, hints)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return self._alias(model, hints)

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        return self._home(one._meta.app_label) == self._home(other._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        if app_label in EVERYWHERE:
            return module_of_alias(db) in installed_modules()
        return db == alias_of(self._home(app_label))

    def _alias(self, model: type[Model], hints: dict[str, Any]) -> str | None:
        label = model._meta.app_label
        if label in EVERYWHERE:
            instance = hints.get("instance")
            return instance._state.db if instance is not None else None
        return alias_of(self._home(label))

    def _home(self, app_label: str) -> str:
        return app_label if app_label in schema_owners() else identity()
