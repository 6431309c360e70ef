"""Who may look, who may press what; everybody else is refused, and that is on the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from modules.accounts.bootstrap import bootstrap as make_roles
from modules.accounts.models import User
from modules.extraction.dashboard.buttons import Kind, may
from modules.extraction.dashboard.records import Press
from modules.extraction.models import Step
from modules.extraction.phases import Phase
from tests.extraction.dashboard.conftest import LogIn
from tests.extraction.dashboard.pages import HOME, LIVE, PAYMENT, of_verb, stands, text_of, token_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]
LOOKS = (HOME, f"{HOME}live/", PAYMENT, LIVE)


def test_who_is_not_staff_signs_in_first() -> None:
    """The pages and the news lead to the log-in."""
    for address in (*LOOKS, of_verb("create")):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


def test_staff_without_permission_see_nothing(log_in: LogIn, caplog: Any) -> None:
    """403 everywhere, and the log says who asked for what."""
    client = log_in("nina")
    with caplog.at_level(logging.WARNING):
        for address in (*LOOKS, of_verb("create")):
            assert client.get(address).status_code == 403, address
        assert client.post(of_verb("create"), {}).status_code == 403
        assert client.post(f"{PAYMENT}stop/", {}).status_code == 403
    said = [one.message for one in caplog.records if "press_refused" in one.message]
    assert len(said) == len(LOOKS) + 3
    assert "nina@shop.test" in said[0]
    assert "extraction.move_capability" in said[-1]


def test_viewer_sees_no_button_and_presses_none(viewer: Client) -> None:
    """The page says which permission is needed; a form sent anyway is refused."""
    page = viewer.get(PAYMENT).content.decode()
    assert "/do/" not in page
    assert "needs the permission extraction.move_capability" in text_of(page)
    assert "/do/" not in viewer.get(HOME).content.decode()
    for verb in ("create", "cutover", "retire"):
        assert viewer.get(of_verb(verb)).status_code == 403
        assert viewer.post(of_verb(verb), {"reason": "a test"}).status_code == 403
    assert not Press.objects.exists()
    assert not Step.objects.exists()


def test_retiring_needs_a_permission_of_its_own(mover: Client, log_in: LogIn) -> None:
    """Who may move may not retire, and the other way round."""
    stands(Phase.EXTRACTED, percent=100, epoch=1)
    assert 'id="do-rollback"' in mover.get(PAYMENT).content.decode()
    assert 'id="do-retire"' not in mover.get(PAYMENT).content.decode()
    assert mover.get(of_verb("retire")).status_code == 403
    retirer = log_in("rita", "view_capability", "retire_capability")
    assert retirer.get(of_verb("retire")).status_code == 200
    assert retirer.get(of_verb("rollback")).status_code == 403


def test_who_may_move_may_look(log_in: LogIn) -> None:
    """Without the other permission, too."""
    client = log_in("mo", "move_capability")
    assert client.get(HOME).status_code == 200


def test_permissions_are_those_of_the_table() -> None:
    """Each kind is a permission that a group can be given."""
    from django.contrib.auth.models import Permission

    known = Permission.objects.filter(content_type__app_label="extraction")
    assert {str(one).partition(".")[2] for one in Kind} <= {row.codename for row in known}


@pytest.mark.parametrize(
    ("role", "looks", "moves", "retires"),
    [
        ("extraction-viewer", True, False, False),
        ("extraction-operator", True, True, True),
        ("payment-manager", False, False, False),
    ],
)
def test_roles_of_bootstrap(
    log_in: LogIn, role: str, looks: bool, moves: bool, retires: bool
) -> None:
    """Who is given the role needs no permission by hand; those of a module give none here."""
    make_roles()
    client = log_in("rob")
    user = User.objects.get(email="rob@shop.test")
    user.groups.add(Group.objects.get(name=role))
    user = User.objects.get(pk=user.pk)  # permissions are kept with the first question
    assert [may(user, one) for one in (Kind.LOOK, Kind.MOVE, Kind.RETIRE)] == [
        *(looks, moves, retires)
    ]
    assert client.get(HOME).status_code == (200 if looks else 403)
    assert client.get(of_verb("create")).status_code == (200 if moves else 403)
    assert client.get("/admin/extraction/step/").status_code == (200 if looks else 403)


def test_nobody_may_anything_by_default() -> None:
    """Anonymous has no permission of any kind."""
    from django.contrib.auth.models import AnonymousUser

    assert not any(may(AnonymousUser(), one) for one in Kind)


def test_forms_of_other_pages_are_refused(log_in: LogIn, pressed: list[int]) -> None:
    """Without this site's CSRF token nothing is pressed, whatever else is right."""
    client = log_in("ada", "move_capability", csrf=True)
    form = {"token": token_in(client.get(of_verb("create"))), "reason": "a test"}
    assert client.post(of_verb("create"), form).status_code == 403
    assert pressed == []
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    assert client.post(of_verb("create"), form).status_code == 302
    assert len(pressed) == 1


@pytest.mark.parametrize(
    "address", [f"{HOME}orders/", f"{HOME}nothing/", of_verb("create", "cart")]
)
def test_modules_that_stay_have_no_page(mover: Client, address: str) -> None:
    """404: there is nothing to move."""
    assert mover.get(address).status_code == 404


@pytest.mark.parametrize("verb", ["watch", "status", "log", "dance"])
def test_words_that_are_no_button(mover: Client, verb: str) -> None:
    """404 for verbs that only look, for what runs with the host, and for none."""
    assert mover.get(of_verb(verb)).status_code == 404
    assert mover.post(of_verb(verb), {}).status_code == 404


def test_looks_change_nothing_and_take_no_post(mover: Client) -> None:
    """405 for a form that is sent to a page that only shows."""
    for address in LOOKS:
        assert mover.post(address, {}).status_code == 405
    assert mover.get(f"{PAYMENT}stop/").status_code == 405
