"""Rules about the live Django registry: what no import graph can see.

A model's *home* is the module in whose schema its table stands. Django's own tables and those of
other packages stand with accounts; those of the platform stand in every schema and have no home.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field, Model, signals
from django.dispatch import Signal

from modules.platform.boundaries.source import CONTROL_PLANE, NOT_BUSINESS, module_of_name
from modules.platform.boundaries.violations import Violation
from modules.platform.databases.aliases import identity, schema_owners
from modules.platform.databases.router import EVERYWHERE

IDS = "keep the other's id as a plain UUIDField and ask for the rest through use()"


def check_registry() -> Iterator[Violation]:
    """Everything about the running host's models, migrations and signals."""
    models = apps.get_models(include_auto_created=True)
    yield from check_relations(models)
    yield from check_generic_relations(models)
    yield from check_migrations(MigrationLoader(None))
    yield from check_signals(models)


def home_of(app_label: str) -> str | None:
    """The module in whose schema the app's tables stand; None for the platform's."""
    if app_label in EVERYWHERE:
        return None
    return app_label if app_label in schema_owners() else identity()


def check_relations(models: Iterable[type[Model]]) -> Iterator[Violation]:
    """Foreign keys of every kind, and what reverse accessors they hang on others."""
    for model in models:
        mine = home_of(model._meta.app_label)
        for field in model._meta.get_fields(include_hidden=True):
            other = _related_home(field)
            if mine is None or other is None or other == mine or field.auto_created:
                continue
            target = field.related_model._meta.label  # type: ignore[union-attr]
            yield _of_model(
                model,
                rule="foreign-key",
                fact=f"{model._meta.label}.{field.name} is a {type(field).__name__} to {target}"
                f"{_accessor(field)}",
                way_out=IDS,
            )


def _related_home(field: Any) -> str | None:
    related = getattr(field, "related_model", None)
    if related is None or isinstance(related, str):
        return None
    return home_of(related._meta.app_label)


def _accessor(field: Any) -> str:
    remote = getattr(field, "remote_field", None)
    if not isinstance(field, Field) or remote is None or remote.hidden:
        return ""
    return f" and hangs the accessor {remote.get_accessor_name()!r} on it"


def check_generic_relations(models: Iterable[type[Model]]) -> Iterator[Violation]:
    """Generic foreign keys point anywhere, so only identity, which has no other, may have one."""
    for model in models:
        for field in model._meta.private_fields:
            if (
                isinstance(field, GenericForeignKey)
                and home_of(model._meta.app_label) != identity()
            ):
                yield _of_model(
                    model,
                    rule="generic-relation",
                    fact=f"{model._meta.label}.{field.name} is a GenericForeignKey: it can point "
                    f"into any module, through a table of {identity()}",
                    way_out="name the kind in a text field and keep the id beside it",
                )


def check_migrations(loader: MigrationLoader) -> Iterator[Violation]:
    """Migrations that wait for, or run before, those of another module."""
    for (label, name), migration in sorted(loader.disk_migrations.items()):
        mine = home_of(label)
        for other, wanted in (*migration.dependencies, *migration.run_before):
            theirs = home_of(_app_of(other))
            if mine is None or theirs is None or mine == theirs:
                continue
            yield Violation(
                path=_relative(inspect.getfile(type(migration))),
                line=0,
                rule="migration-dependency",
                fact=f"migration {label}.{name} depends on {_app_of(other)}.{wanted}",
                way_out="each schema migrates by itself: drop the dependency, and the relation "
                "that asked for it",
            )


def _app_of(label: str) -> str:
    # A swappable dependency is written as a setting's name.
    return settings.AUTH_USER_MODEL.partition(".")[0] if label == "__setting__" else label


MODEL_SIGNALS: dict[str, Signal] = {
    "pre_init": signals.pre_init,
    "post_init": signals.post_init,
    "pre_save": signals.pre_save,
    "post_save": signals.post_save,
    "pre_delete": signals.pre_delete,
    "post_delete": signals.post_delete,
    "m2m_changed": signals.m2m_changed,
}


def check_signals(models: Iterable[type[Model]]) -> Iterator[Violation]:
    """Receivers in one module of another's model signals, or of everybody's."""
    senders = {id(model): model for model in models}
    for name, signal in MODEL_SIGNALS.items():
        for receiver, sender_id in _receivers(signal):
            module = module_of_name(receiver.__module__ or "")
            if module is None or module in NOT_BUSINESS - {CONTROL_PLANE}:
                continue
            sender = senders.get(sender_id)
            if sender is not None and home_of(sender._meta.app_label) in {module, None}:
                continue
            whose = sender._meta.label if sender is not None else "every model"
            yield Violation(
                path=_relative(inspect.getsourcefile(inspect.unwrap(receiver)) or ""),
                line=_line_of(receiver),
                rule="signal",
                fact=f"{receiver.__module__}.{receiver.__qualname__} receives {name} of {whose}",
                way_out="hear an event of that module's contract in handlers.py",
            )


def _receivers(signal: Signal) -> Iterator[tuple[Any, int]]:
    for entry in signal.receivers or ():
        key, receiver = entry[0], entry[1]
        alive = receiver() if hasattr(receiver, "__callback__") else receiver
        if alive is not None:
            yield getattr(alive, "__func__", alive), key[1]


def _line_of(function: Any) -> int:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_firstlineno if code else 0


def _of_model(model: type[Model], *, rule: str, fact: str, way_out: str) -> Violation:
    line = 0
    try:
        path = _relative(inspect.getsourcefile(model) or "")
        line = inspect.getsourcelines(model)[1]
    except (OSError, TypeError):
        path = model.__module__.replace(".", "/") + ".py"
    return Violation(path=path, line=line, rule=rule, fact=fact, way_out=way_out)


def _relative(path: str) -> str:
    try:
        return Path(path).relative_to(settings.BASE_DIR).as_posix()
    except ValueError:
        return path
