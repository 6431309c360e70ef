"""A button is pressed once, after a look, with a reason, by one operator at a time; or not."""

from __future__ import annotations

import logging
import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client

from modules.extraction.controlling import controlling
from modules.extraction.dashboard import looks, presses, pressing
from modules.extraction.dashboard.looks import NotLookedAt, Token
from modules.extraction.dashboard.records import Press
from modules.extraction.errors import ControllerBusy
from modules.extraction.models import Step
from modules.extraction.phases import Phase
from modules.platform.contracts import Actor, ActorKind
from tests.extraction.dashboard.conftest import LogIn
from tests.extraction.dashboard.pages import (
    PAYMENT,
    of_verb,
    part,
    press,
    stands,
    text_of,
    token_in,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pressed")]


def actor(name: str) -> Actor:
    return Actor(kind=ActorKind.STAFF, id="7", label=name)


def test_confirmed_look_begins(mover: Client, pressed: list[int]) -> None:
    """Who, what and why are on record before the process is; the page says it has begun."""
    answer = press(mover, "create", reason="INC-42: on its own")
    assert (answer.status_code, answer["Location"]) == (302, PAYMENT)
    row = Press.objects.get()
    assert pressed == [row.pk]
    assert (row.module, row.verb, row.actor) == ("payment", "create", "ada@shop.test")
    assert (row.reason, row.options) == ("INC-42: on its own", {"database": ""})
    assert "create beginning ada@shop.test" in part(mover, "press")


def refused(client: Client, form: dict[str, Any], verb: str = "create") -> tuple[int, str]:
    answer = client.post(of_verb(verb), form)
    return answer.status_code, text_of(answer.content.decode())


def test_without_a_look_nothing_begins(mover: Client, pressed: list[int], caplog: Any) -> None:
    """No token, or one that was made up: 409, the page shows the dry run, the log says who."""
    for token in ("", "made:up", looks.Token(module="payment", verb="create", user="1").sealed()):
        with caplog.at_level(logging.WARNING):
            status, text = refused(mover, {"token": token, "reason": "a test"})
        assert status == 409
        assert "Nothing was begun:" in text
        assert "Dry run: nothing has changed" in text
    assert pressed == []
    assert not Press.objects.exists()
    said = [one.message for one in caplog.records if "press_refused" in one.message]
    assert len(said) == 3
    assert "ada@shop.test" in said[0]


def test_look_of_another_operator_or_verb_is_none(log_in: LogIn, mover: Client) -> None:
    """What was looked at, and by whom, is in the token."""
    bea = log_in("bea", "move_capability")
    token = token_in(mover.get(of_verb("create")))
    assert refused(bea, {"token": token, "reason": "a test"})[0] == 409
    assert refused(mover, {"token": token, "reason": "a test"}, "doctor")[0] == 409
    assert not Press.objects.exists()


def test_look_is_good_for_a_while(mover: Client, monkeypatch: Any) -> None:
    """After that one looks again."""
    token = token_in(mover.get(of_verb("create")))
    monkeypatch.setattr(looks, "GOOD_FOR", -1)
    status, text = refused(mover, {"token": token, "reason": "a test"})
    assert status == 409
    assert "you looked more than" in text


def test_look_that_was_overtaken(mover: Client) -> None:
    """Somebody moved the module meanwhile: what was shown is not what would be done."""
    token = token_in(mover.get(of_verb("create")))
    stands(Phase.SHADOW)
    status, text = refused(mover, {"token": token, "reason": "a test"})
    assert status == 409
    assert "payment has been moved since you looked" in text
    assert "possible now: cancel, canary, cutover" in text


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 501])
def test_without_a_reason_nothing_begins(mover: Client, reason: str) -> None:
    """400, and the form is there again with what was wrong."""
    answer = press(mover, "create", reason=reason)
    assert answer.status_code == 400
    assert 'class="ex-error"' in answer.content.decode()
    assert token_in(answer)
    assert not Press.objects.exists()


def test_what_is_not_meant_does_not_begin(mover: Client, pressed: list[int]) -> None:
    """rollback wants the box ticked."""
    stands(Phase.CANARY, percent=5)
    assert press(mover, "rollback").status_code == 400
    assert pressed == []
    assert press(mover, "rollback", meant="on").status_code == 302
    assert len(pressed) == 1


def test_form_sent_twice_begins_once(mover: Client, pressed: list[int]) -> None:
    """A double click, or Back and again, also after the first one has ended."""
    form = {"token": token_in(mover.get(of_verb("create"))), "reason": "a test"}
    assert mover.post(of_verb("create"), form).status_code == 302
    assert refused(mover, form)[0] == 409
    presses.end(pressed[0], presses.Ended.FAILED, "no luck")
    status, text = refused(mover, form)
    assert status == 409
    assert "it was pressed already" in text
    assert len(pressed) == 1


def test_second_operator_is_told_who_was_first(
    mover: Client, log_in: LogIn, pressed: list[int]
) -> None:
    """By the page before, and after pressing; one process begins."""
    bea = log_in("bea", "view_capability", "move_capability")
    token = token_in(bea.get(of_verb("create")))
    assert press(mover, "create").status_code == 302
    assert "create beginning ada@shop.test" in part(bea, "press")
    status, text = refused(bea, {"token": token, "reason": "a test"})
    assert status == 409
    assert "ada@shop.test is at payment with `create` since 20" in text
    assert len(pressed) == 1


def test_controller_at_a_terminal_is_named(mover: Client, pressed: list[int]) -> None:
    """Who and since when: on the page, before the look, and when pressed nevertheless."""
    with controlling("payment", "backfill"):
        assert "with backfill since 20" in part(mover, "press")
        page = mover.get(PAYMENT).content.decode()
        assert 'id="do-create"' not in page
        assert 'aria-disabled="true"' in page
        assert "is at payment with `backfill`" in text_of(
            mover.get(of_verb("create")).content.decode()
        )
        assert press(mover, "create").status_code == 409
    assert pressed == []
    assert not Press.objects.exists()


def test_two_at_once_one_wins() -> None:
    """Whatever both have looked at: the database lets one in, and the other is told."""
    barrier, became = threading.Barrier(2), []

    def one(name: str) -> None:
        token = Token(module="payment", verb="create", user=name, nonce=uuid4())
        barrier.wait()
        try:
            presses.opened(token, reason="a test", actor=actor(name))
            became.append("won")
        except ControllerBusy as error:
            became.append(str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(name,)) for name in ("ada", "bea")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = Press.objects.get().actor
    assert sorted(became)[1] == "won"
    assert sorted(became)[0].startswith(f"{winner} is at payment with `create` since ")


def test_same_look_at_once_begins_once() -> None:
    """A double click that reaches two processes of the web server."""
    token = Token(module="payment", verb="create", user="ada")
    presses.opened(token, reason="a test", actor=actor("ada"))
    with pytest.raises(NotLookedAt, match="already"):
        presses.opened(token, reason="a test", actor=actor("ada"))


def test_process_that_cannot_be_started_is_said(mover: Client, monkeypatch: Any) -> None:
    """The press has failed, and the next one may begin."""

    def none(press: int) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(pressing, "launch", none)
    answer = press(mover, "create")
    assert answer.status_code == 409
    assert "no more processes" in text_of(answer.content.decode())
    assert Press.objects.get().outcome == "failed"


def test_stop_is_for_what_can_be_stopped(mover: Client) -> None:
    """A press that is open and may be interrupted, named in the form; asked once."""
    assert press(mover, "create").status_code == 302
    row = Press.objects.get()
    mover.post(f"{PAYMENT}stop/", {"press": str(row.pk + 1)})
    row.refresh_from_db()
    assert row.stop_asked_at is None
    assert mover.post(f"{PAYMENT}stop/", {"press": str(row.pk)}).status_code == 302
    row.refresh_from_db()
    assert (row.stop_actor, row.stop_asked_at is None) == ("ada@shop.test", False)
    assert "is being stopped" in part(mover, "press")
    presses.end(row.pk, presses.Ended.STOPPED, "stopped")
    stands(Phase.CANARY, percent=5)
    assert press(mover, "rollback", meant="on").status_code == 302
    row = Press.objects.latest("id")
    mover.post(f"{PAYMENT}stop/", {"press": str(row.pk)})
    row.refresh_from_db()
    assert row.stop_asked_at is None
    assert "stop-" not in mover.get(PAYMENT).content.decode()


def test_looking_is_no_step(mover: Client) -> None:
    """Steps are what was done."""
    mover.get(of_verb("create"))
    assert not Step.objects.exists()
