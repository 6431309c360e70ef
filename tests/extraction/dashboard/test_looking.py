"""The dry run before a button: the command line's guards and words, and nothing changed."""

from __future__ import annotations

import pytest
from django.test import Client

from modules.extraction.dashboard.records import Press
from modules.extraction.models import Capability, Step
from modules.extraction.phases import Phase
from modules.platform.discovery import Role, registry
from tests.extraction.commands import leftovers, told
from tests.extraction.dashboard.pages import PAYMENT, of_verb, stands, text_of
from tests.platform.discovery.serving import said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]


def seen(client: Client, verb: str, query: str = "", module: str = "payment") -> str:
    answer = client.get(of_verb(verb, module) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_dry_run_shows_what_the_command_line_says(mover: Client) -> None:
    """Each guard, and each line of what it would do; no step, no press, nothing made."""
    _, report = told("create", "payment", "--dry-run")
    page = seen(mover, "create")
    for one in report["guards"]:
        assert f"{one['name']} {one['have']} {one['need']} yes" in text_of(page)
    for line in report["would"]:
        assert line in text_of(page)
    assert "lead from monolith to shadow" in text_of(page)
    assert 'id="confirm"' in page
    assert not Press.objects.exists()
    assert not Step.objects.exists()
    assert not Capability.objects.exists()
    assert leftovers() == []


def test_failed_guard_leaves_nothing_to_confirm(mover: Client) -> None:
    """shipping has no host: the table says so, and there is no form."""
    page = seen(mover, "create", module="shipping")
    assert "host no see docs/extraction-runbook.md#host yes NO" in text_of(page)
    assert "create shipping: it is refused (host); nothing changed" in text_of(page)
    assert 'id="confirm"' not in page


@pytest.mark.parametrize(("phase", "verb"), [(Phase.MONOLITH, "cutover"), (Phase.SHADOW, "create")])
def test_wrong_phase_says_what_is_possible(mover: Client, phase: Phase, verb: str) -> None:
    """The command line's sentence instead of a form."""
    if phase is not Phase.MONOLITH:
        stands(phase)
    page = seen(mover, verb)
    assert f"payment is in phase {phase}: no {verb}; possible now: " in text_of(page)
    assert 'id="confirm"' not in page


def test_what_must_be_chosen_is_asked_first(mover: Client) -> None:
    """canary wants a share: no dry run without one, and a wrong one is refused in words."""
    stands(Phase.SHADOW)
    registry.register("payment-1", said(role=Role.ORIGIN), issuer="payment")
    page = seen(mover, "canary")
    assert 'name="percent"' in page
    assert 'id="confirm"' not in page
    page = seen(mover, "canary", "?percent=25&look=1")
    assert "place 25 % of payment's work with its service" in text_of(page)
    assert 'id="confirm"' in page
    assert 'id="confirm"' not in seen(mover, "canary", "?percent=many&look=1")
    page = seen(mover, "canary", "?percent=250&look=1")
    assert "0 to 100" in text_of(page)
    assert 'id="confirm"' not in page


def test_what_ends_something_asks_whether_it_is_meant(mover: Client) -> None:
    """As the command line asks at a terminal; others do not."""
    assert 'name="meant"' not in seen(mover, "create")
    stands(Phase.CANARY, percent=5)
    assert 'name="meant"' in seen(mover, "rollback")


def test_guards_of_the_next_step_are_on_the_page(viewer: Client) -> None:
    """Have, need and pass; for who may look only as well."""
    assert "Guards of create" in text_of(viewer.get(PAYMENT).content.decode())
    assert "host yes yes yes" in text_of(viewer.get(PAYMENT).content.decode())
