"""What only the live Django registry shows, each with a planted violation."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import migrations, models
from django.db.models.signals import post_save
from django.test.utils import isolate_apps

from modules.platform.boundaries import registry


@pytest.fixture(autouse=True)
def three_modules(settings: Any) -> None:
    """A host of three modules, whatever else is installed."""
    settings.FICUS_MODULES = ("accounts", "orders", "payment")


@pytest.fixture
def planted() -> Iterator[SimpleNamespace]:
    """Models of two modules, in a registry of their own."""
    with isolate_apps():

        class Payment(models.Model):
            class Meta:
                app_label = "payment"

        class Line(models.Model):
            payment_id = models.UUIDField()

            class Meta:
                app_label = "orders"

        yield SimpleNamespace(Payment=Payment, Line=Line)


@pytest.mark.parametrize("kind", [models.ForeignKey, models.OneToOneField])
def test_foreign_key_into_another_module(planted: SimpleNamespace, kind: Any) -> None:
    """The fact names both ends and the accessor it would hang on the other model."""

    class Order(models.Model):
        paid_by = kind(planted.Payment, models.CASCADE, related_name="buys")

        class Meta:
            app_label = "orders"

    (found,) = registry.check_relations([Order, planted.Payment])

    assert found.rule == "foreign-key"
    assert found.fact == (
        f"orders.Order.paid_by is a {kind.__name__} to payment.Payment "
        "and hangs the accessor 'buys' on it"
    )
    assert "plain UUIDField" in found.way_out
    assert found.path == "tests/platform/boundaries/test_registry.py"
    assert found.line


def test_foreign_key_of_the_control_plane(planted: SimpleNamespace) -> None:
    """It moves the modules' tables, and has its own in a schema of its own."""

    class Watched(models.Model):
        payment = models.ForeignKey(planted.Payment, models.CASCADE, related_name="+")

        class Meta:
            app_label = "extraction"

    (found,) = registry.check_relations([Watched])

    assert found.fact == "extraction.Watched.payment is a ForeignKey to payment.Payment"


def test_many_to_many_into_another_module(planted: SimpleNamespace) -> None:
    """Its hidden table is in neither schema."""

    class Order(models.Model):
        payments = models.ManyToManyField(planted.Payment, related_name="+")

        class Meta:
            app_label = "orders"

    facts = [one.fact for one in registry.check_relations([Order])]

    assert facts == ["orders.Order.payments is a ManyToManyField to payment.Payment"]


def test_foreign_key_inside_a_module_is_fine(planted: SimpleNamespace) -> None:
    """Relations within one schema are what databases are for."""

    class Refund(models.Model):
        payment = models.ForeignKey(planted.Payment, models.CASCADE)

        class Meta:
            app_label = "payment"

    assert list(registry.check_relations([Refund, planted.Payment, planted.Line])) == []


@pytest.mark.parametrize(("label", "count"), [("orders", 1), ("accounts", 0), ("admin", 0)])
def test_foreign_key_to_djangos_own_tables(label: str, count: int) -> None:
    """Content types live with accounts: accounts and Django's own may point there, no other."""
    with isolate_apps():

        class Note(models.Model):
            kind = models.ForeignKey(ContentType, models.CASCADE, related_name="+")

            class Meta:
                app_label = label

        assert len(list(registry.check_relations([Note]))) == count


def test_generic_foreign_key() -> None:
    """It can point into any module, so no module has one."""
    with isolate_apps():

        class Note(models.Model):
            kind_id = models.IntegerField()
            object_id = models.UUIDField()
            about = GenericForeignKey("kind", "object_id")

            class Meta:
                app_label = "orders"

        (found,) = registry.check_generic_relations([Note])

    assert found.rule == "generic-relation"
    assert "orders.Note.about is a GenericForeignKey" in found.fact


class _Planted(migrations.Migration):
    dependencies = [("orders", "0001_initial")]


class _Swappable(migrations.Migration):
    dependencies = [("__setting__", "AUTH_USER_MODEL")]


class _Before(migrations.Migration):
    run_before = [("payment", "0002_more")]


@pytest.mark.parametrize(
    ("label", "migration", "facts"),
    [
        ("payment", _Planted, ["payment.0009 depends on orders.0001_initial"]),
        ("payment", _Swappable, ["payment.0009 depends on accounts.AUTH_USER_MODEL"]),
        ("orders", _Before, ["orders.0009 depends on payment.0002_more"]),
        ("accounts", _Swappable, []),
        ("orders", _Planted, []),
        ("messaging", _Planted, []),
    ],
)
def test_migration_dependency(
    label: str, migration: type[migrations.Migration], facts: list[str]
) -> None:
    """A migration waits for those of its own schema only."""
    loader: Any = SimpleNamespace(disk_migrations={(label, "0009"): migration("0009", label)})

    found = list(registry.check_migrations(loader))

    assert [one.fact.removeprefix("migration ") for one in found] == facts
    assert {one.rule for one in found} <= {"migration-dependency"}


def _receiver(module: str) -> Any:
    def on_saved(**_: object) -> None: ...

    on_saved.__module__ = module
    return on_saved


@pytest.mark.parametrize(
    ("module", "hears_all", "fact"),
    [
        ("modules.orders.handlers", False, "receives post_save of payment.Payment"),
        ("modules.orders.handlers", True, "receives post_save of every model"),
        ("modules.payment.service", False, ""),
        ("modules.platform.backoffice.admin", True, ""),
        ("modules.extraction.showing", False, "receives post_save of payment.Payment"),
        ("modules.extraction.showing", True, "receives post_save of every model"),
        ("axes.signals", True, ""),
    ],
)
def test_signal_receiver(planted: SimpleNamespace, module: str, hears_all: bool, fact: str) -> None:
    """A module may listen to its own models only; the platform and packages may to all."""
    receiver = _receiver(module)
    sender = None if hears_all else planted.Payment
    post_save.connect(receiver, sender=sender)
    try:
        found = [
            one
            for one in registry.check_signals([planted.Payment, planted.Line])
            if "on_saved" in one.fact
        ]
    finally:
        post_save.disconnect(receiver, sender=sender)

    assert [one.rule for one in found] == (["signal"] if fact else [])
    assert all(one.fact.endswith(fact) for one in found)
