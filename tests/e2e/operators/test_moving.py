"""While a module moves, and with two hosts in one browser, operators go on as before."""

from __future__ import annotations

import pytest

from tests.e2e.operators.browser import form_of, token_of
from tests.e2e.operators.office import PAGE, Office, is_there


@pytest.mark.parametrize(("before", "after", "number"), [(0, 100, 1), (100, 0, 2)])
def test_an_open_form_arrives_where_the_module_is_now(
    office: Office, before: int, after: int, number: int
) -> None:
    """There and back: what was typed is done, and the log there names who did it, and why."""
    office.place(before)
    one = office.signed_in("manager")
    row, state = office.payment(number)
    assert state == "captured"
    chosen = {"action": "refund", "_selected_action": row}
    form = one.send(PAGE, chosen | {"csrfmiddlewaretoken": token_of(one.see(PAGE))})
    assert is_there(form) is (before == 100)
    office.place(after)
    page = one.send(PAGE, form_of(form) | {"reason": "the customer asked"})
    assert (page.status_code, is_there(page)) == (200, after == 100), one.hops
    assert "refund of" in page.text
    assert office.payment(number) == (row, "refunded")
    did = (one.email, "Refund all that is left: the customer asked")
    assert office.logged(row, there=after == 100) == [did]


def test_a_form_outlives_its_pass(there: Office) -> None:
    """Whoever types for longer than a pass lasts loses nothing."""
    one = there.signed_in("manager")
    row, _ = there.payment(3)
    chosen = {"action": "refund", "_selected_action": row}
    form = one.send(PAGE, chosen | {"csrfmiddlewaretoken": token_of(one.see(PAGE))})
    there.run_out()
    page = one.send(PAGE, form_of(form) | {"reason": "thought about it for long"})
    assert "refund of" in page.text
    assert there.payment(3) == (row, "refunded")


def test_a_canary_keeps_each_operator_on_one_side(office: Office) -> None:
    """At half of the sessions each one is always at the same side, and both sides are in use."""
    office.place(50)
    seen: set[bool] = set()
    for session in range(24):
        key = {"Cookie": f"sessionid=session-number-{session}"}
        asked = [
            office.shop.http.get(PAGE, headers=key, follow_redirects=False).headers["Location"]
            for _ in range(3)
        ]
        assert len(set(asked)) == 1
        seen.add(asked[0].startswith("/admin/pass/"))  # else it is the shop's own log-in
    assert seen == {True, False}


def test_cookies_of_hosts_leave_each_other_alone(there: Office) -> None:
    """A visit there changes nothing that the shop has put into the browser; a form of the shop
    that was open meanwhile arrives.
    """
    one = there.signed_in("boss")
    form = one.see("/admin/password_change/")
    before = one.cookies()
    one.see(PAGE)
    after = one.cookies()
    assert {name: after[name] for name in before} == before
    paths = {cookie.name: cookie.path for cookie in one.browser.cookies.jar}
    assert paths == {"csrftoken": "/", "sessionid": "/", "payment_session": "/admin"}
    answer = one.send("/admin/password_change/", {"csrfmiddlewaretoken": token_of(form)})
    assert answer.status_code == 200
    assert "This field is required" in answer.text


def test_tabs_that_open_at_once_all_open(there: Office) -> None:
    """Each asks for a pass before another one's session is there, and one cookie holds them."""
    one = there.signed_in("viewer")
    first = one.browser.get(PAGE, follow_redirects=False)
    second = one.browser.get(PAGE, follow_redirects=False)
    asked = [answer.headers["Location"] for answer in (first, second)]
    given = [one.browser.get(address, follow_redirects=False) for address in asked]
    assert [answer.status_code for answer in given] == [302, 302]
    token = one.cookies()["payment_pass"]
    assert one.see(PAGE).status_code == 200
    one.put("payment_pass", token, path="/admin/payment/")  # as the other tab sent it
    assert one.see(PAGE).status_code == 200
    assert one.hops == [PAGE]
