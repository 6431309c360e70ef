"""A host without a retired module's implementation: it starts, and nobody can import the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from modules.extraction import standings
from modules.extraction.phases import Phase, Standing
from modules.extraction.retiring.composition import check_composition
from modules.platform.boundaries.retired import retired_part
from modules.platform.console import CommandFailed
from tests.extraction.protocol.shop import databases

STARTS = """
import sys
import django
django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.urls import get_resolver

call_command("migrate", verbosity=0)
with connections["default"].cursor() as cursor:
    cursor.execute("SELECT to_regnamespace('payment') IS NULL")
    assert cursor.fetchone() == (True,), "a schema was made for it"
assert "payment" not in settings.FICUS_MODULES
assert settings.FICUS_RETIRED == settings.FICUS_ELSEWHERE == ("payment",)
assert not any("payment" in str(one.pattern) for one in get_resolver().url_patterns)

kept = ("modules.payment.contract", "modules.payment.variables", "modules.payment.surroundings")
loaded = [name for name in sys.modules if name.startswith("modules.payment.")]
assert loaded and all(name.startswith(kept) for name in loaded), loaded

from modules.payment.contract import Payment
from modules.platform.binding import use
from modules.platform.rpc import ModuleUnreachable
from uuid import uuid4
try:
    use(Payment).payments(order_ids=(uuid4(),))
except ModuleUnreachable as error:
    assert error.module == "payment"  # remote: nobody is listed there yet
try:
    import modules.payment.service
except ModuleNotFoundError as error:
    print(error)

from shop.env import load
from shop.running.routing import routing_document
document = routing_document(load(), settings.FICUS_HOME)
print(document["capabilities"]["payment"])
print(document["upstreams"]["payment-own"]["registry"]["role"])
print(sorted(one["prefix"] for one in document["routes"] if one.get("capability") == "payment"))
call_command("strangler", "status", "payment")
"""


@pytest.mark.processes
def test_the_shop_starts_without_the_implementation(tmp_path: Any) -> None:
    """Contract only: no schema, no address, no import; calls are remote, pages are the front
    door's. That orders are placed and paid like that: tests/e2e/test_degradation.py.
    """
    with databases(os.environ["DATABASE_URL"], "retired") as (url,):
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "FICUS_HOME": str(tmp_path),
            "RETIRED_MODULES": "payment",
            "PLACE_MODULES": "true",
            "DJANGO_SETTINGS_MODULE": "shop.settings.test",
        }
        ended = subprocess.run(
            [sys.executable, "-c", STARTS],
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout
    assert "modules.payment.service is not to be had here: payment is retired" in said
    assert "{'monolith': 'monolith', 'service': 'payment-own', 'phase': 'retired'}" in said
    assert "['/admin/payment', '/api/v1/payment', '/api/v1/payment/webhooks'" in said


def test_only_the_contract_of_a_retired_module_is_kept() -> None:
    """And what a host must know to start its service; other modules are nobody's business."""
    names = {"payment"}
    for name in ("service", "models", "module", "rest.urls", "migrations.0001_initial"):
        assert retired_part(f"modules.payment.{name}", names) == "payment"
    for name in (
        *("modules.payment", "modules.payment.contract", "modules.payment.contract.events"),
        *("modules.payment.variables", "modules.orders.service", "payment.service", "modules"),
    ):
        assert retired_part(name, names) == ""


@pytest.mark.django_db(transaction=True)
def test_composition_and_phase_must_agree(settings: Any) -> None:
    """Composed and retired, or left out and not moved: one line with the way out."""
    check_composition()
    standings.put("payment", Standing(phase=Phase.RETIRED, percent=100), reason="planted")
    with pytest.raises(CommandFailed, match="start it with RETIRED_MODULES=payment"):
        check_composition()
    settings.FICUS_MODULES = [one for one in settings.FICUS_MODULES if one != "payment"]
    settings.FICUS_RETIRED = ("payment",)
    check_composition()
    standings.put("payment", Standing(phase=Phase.SHADOW), reason="planted")
    with pytest.raises(CommandFailed, match=r"phase shadow: its data is here"):
        check_composition()
