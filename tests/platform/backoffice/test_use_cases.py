"""Actions ask why, call the use case once per row, tell what came of it, and are audited."""

from __future__ import annotations

import re

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from modules.inventory.models import Stock, Warehouse
from modules.platform.backoffice.actions import MOST
from tests.platform.backoffice.conftest import LogIn
from tests.platform.backoffice.desk import STOCK, adjustments, audited, send, shelved, told

pytestmark = pytest.mark.django_db


def test_reason_is_asked_for_first(operator: Client) -> None:
    """The form names the rows and what is about to happen; nothing has happened."""
    rows = shelved(a=5, b=5)
    text = send(operator, "allow_backorders", rows).content.decode()
    assert "Why?" in text
    assert "Allow backorders" in text
    for row in rows:
        assert str(row) in text
        assert f'name="_selected_action" value="{row.pk}"' in text
    assert not Stock.objects.filter(backorderable=True).exists()


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("ab", "at least 3 characters"),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_bad_reason_brings_the_form_back(operator: Client, reason: str, error: str) -> None:
    """With what is wrong, and nothing done or audited."""
    text = send(operator, "allow_backorders", shelved(a=5), reason=reason).content.decode()
    assert error in text
    assert not Stock.objects.filter(backorderable=True).exists()
    assert audited() == []


def test_form_asks_for_more_than_a_reason(operator: Client) -> None:
    """All its fields are shown; a bad one comes back with its error and the rest kept."""
    rows = shelved(a=5)
    asked = send(operator, "adjust", rows).content.decode()
    assert "Difference" in asked
    assert "Why?" in asked
    wrong = send(operator, "adjust", rows, delta="many", reason="it broke").content.decode()
    assert "Enter a whole number." in wrong
    assert "it broke" in wrong
    assert adjustments() == []


def test_use_case_is_called_once_per_row_and_audited(operator: Client) -> None:
    """With what was entered, as the operator; the answer is shown."""
    answer = send(operator, "adjust", shelved(a=5, b=7, c=9)[:2], delta=-1, reason="broken")
    who = "op@shop.test"
    assert adjustments() == [("a", -1, "broken", who), ("b", -1, "broken", who)]
    what = "Adjust by a difference: broken"
    assert audited() == [("a in main", what, who), ("b in main", what, who)]
    assert sorted(told(answer)) == [
        ("success", "a in main: 4 on hand"),
        ("success", "b in main: 6 on hand"),
    ]


def test_use_case_without_an_answer_is_said_to_be_done(operator: Client) -> None:
    """A method may return None."""
    answer = send(operator, "allow_backorders", shelved(a=5), reason="made to order")
    assert told(answer) == [("success", "a in main: done")]
    assert Stock.objects.get().backorderable


def test_contract_error_is_shown_and_leaves_no_audit_row(operator: Client) -> None:
    """The other rows are done all the same."""
    answer = send(operator, "adjust", shelved(a=5, b=7), delta=-6, reason="stolen")
    levels = dict(told(answer))
    assert levels["success"] == "b in main: 1 on hand"
    assert levels["error"].startswith("a in main: ")
    assert [entry[0] for entry in adjustments()] == ["b"]
    assert [entry[0] for entry in audited()] == ["b in main"]


def test_form_sent_twice_acts_once(operator: Client) -> None:
    """The token of the form shown is the command's idempotency key; a new form acts anew."""
    rows = shelved(a=5)
    tokens = [token(send(operator, "adjust", rows).content.decode()) for _ in range(2)]
    for sent in (tokens[0], tokens[0], tokens[1]):
        send(operator, "adjust", rows, delta=-1, reason="broken", token=sent)
    assert Stock.objects.get().on_hand == 3


def test_bad_form_keeps_its_token(operator: Client) -> None:
    """Corrected and sent, it is still one form; a token that is none is refused."""
    rows = shelved(a=5)
    again = send(operator, "adjust", rows, delta="many", reason="broken", token="mine")
    assert token(again.content.decode()) == "mine"
    send(operator, "adjust", rows, delta=-1, reason="broken", token="x" * 65)
    assert adjustments() == []


def test_operator_without_the_permission_gets_no_action(log_in: LogIn) -> None:
    """It is not offered, and a request made by hand runs nothing."""
    rows = shelved(a=5)
    viewer = log_in("view_stock")
    assert b'value="adjust"' not in viewer.get(STOCK).content
    send(viewer, "adjust", rows, delta=-1, reason="broken")
    assert (adjustments(), audited()) == ([], [])


def test_operator_with_the_permission_is_offered_the_action(operator: Client) -> None:
    """So that the test above can fail."""
    shelved(a=5)
    assert b'value="adjust"' in operator.get(STOCK).content


def test_strangers_are_sent_to_log_in(client: Client) -> None:
    """Without reaching the action."""
    answer = send(client, "adjust", shelved(a=5), delta=-1, reason="broken")
    assert answer.redirect_chain[0][0].startswith("/admin/login/")
    assert adjustments() == []


def test_all_rows_of_a_list_are_those_that_the_form_shows(operator: Client) -> None:
    """ "Select all" goes beyond the page that was seen; what the form names is what is done."""
    rows = shelved(a=5, b=5)
    text = send(operator, "adjust", rows[:1], select_across="1").content.decode()
    assert set(re.findall(r'name="_selected_action" value="([^"]+)"', text)) == {
        str(row.pk) for row in rows
    }


def test_too_many_rows_at_once_are_refused(operator: Client) -> None:
    """Millions of rows are no matter of a click, and are not even read, whoever selects all."""
    [row] = shelved(a=5)
    shelf = Warehouse.objects.get()
    Stock.objects.bulk_create(
        Stock(sku=f"b{number}", warehouse=shelf, updated_at=row.updated_at)
        for number in range(MOST)
    )
    with CaptureQueriesContext(connections["inventory"]) as queries:
        answer = send(operator, "adjust", [row], select_across="1", delta=1, reason="found")
    assert any(query["sql"].endswith(f"LIMIT {MOST + 1}") for query in queries)
    assert told(answer) == [("error", f"At most {MOST} at once.")]
    assert adjustments() == []


def token(text: str) -> str:
    """The hidden one of the form shown."""
    [found] = re.findall(r'name="token" value="([^"]+)"', text)
    return str(found)
