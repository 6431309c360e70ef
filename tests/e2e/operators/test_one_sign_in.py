"""Operators never notice where a module runs: one sign-in, the same addresses, their own rights."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx

from tests.e2e.operators.browser import token_of
from tests.e2e.operators.office import PAGE, Office, is_there
from tests.waiting import eventually


def test_who_is_not_signed_in_comes_back_to_the_page(there: Office) -> None:
    """The shop's log-in, once; then the page that was asked for, at payment's host."""
    one, wanted = there.somebody("manager"), f"{PAGE}?state=captured"
    login = one.see(wanted)
    paths = [hop.partition("?")[0] for hop in one.hops]
    assert paths == [PAGE, "/admin/pass/payment/", "/admin/login/"]
    page = one.fill_in(login)
    assert (page.status_code, is_there(page), one.hops[-1]) == (200, True, wanted)
    one.see("/admin/payment/webhookmessage/")
    assert one.hops == ["/admin/payment/webhookmessage/"]


def test_a_pass_that_has_run_out_is_renewed_unseen(there: Office) -> None:
    """The address in the bar is the same, and nobody types anything."""
    one = there.signed_in("manager")
    one.see(PAGE)
    there.run_out()
    page = one.see(PAGE)
    assert one.hops == [PAGE, f"/admin/pass/payment/?next={quote(PAGE, safe='')}", PAGE]
    assert (page.status_code, is_there(page)) == (200, True)


def test_links_lead_on(there: Office) -> None:
    """All that a page of the host links to is there: its files, the way home, the shop's menu."""
    one = there.signed_in("boss")
    page = one.see(PAGE)
    links = set(re.findall(r'(?:href|src)="(/[^"#?]*)', page.text))
    assert {"/admin/", "/", "/admin/password_change/", "/admin/jsi18n/"} <= links
    broken = {link: status for link in links if (status := one.see(link).status_code) != 200}
    assert broken == {}
    menu = one.see(f"/admin/menu/?at={PAGE}").text
    assert {PAGE, "/admin/orders/order/"} <= set(re.findall(r'href="([^"]+)"', menu))


def test_the_shops_index_lists_what_runs_elsewhere(there: Office) -> None:
    """And its links lead there."""
    one = there.signed_in("manager")
    links = set(re.findall(r'href="([^"]+)"', one.see("/admin/").text))
    assert {PAGE, "/admin/notification/messagerow/"} <= links
    assert is_there(one.see(PAGE))


def test_a_host_by_itself_says_where_to_go(there: Office) -> None:
    """Past the front door there is no way in but a link, and nobody is sent round and round."""
    host = there.somebody().browser
    answer = host.get(f"{there.shop.service_urls['payment']}{PAGE}")
    assert answer.status_code == 403
    assert "Operators sign in at the shop" in answer.text


# ---------------------------------------------------------------- rights


def test_without_permission_the_page_says_why(there: Office) -> None:
    """Who it is, for which page, and who can help; a role that is given counts at once."""
    one = there.signed_in("newcomer")
    page = one.see(PAGE)
    assert page.status_code == 403
    assert f"newcomer@office.example has no permission for {PAGE}" in page.text
    there.give_role("newcomer", "payment-viewer")
    page = eventually(lambda: _granted(one.see(PAGE)), within=20, what="the permission")
    assert is_there(page)


def _granted(page: httpx.Response) -> httpx.Response | None:
    return page if page.status_code == 200 else None


def test_view_only_is_view_only(there: Office) -> None:
    """Who may only look is offered no action, and a made-up one does nothing."""
    one = there.signed_in("viewer")
    page = one.see(PAGE)
    assert page.status_code == 200
    assert "Refund all that is left" not in page.text
    row, state = there.payment(0)
    form = {"action": "refund", "_selected_action": row, "reason": "for fun"}
    one.send(PAGE, form | {"csrfmiddlewaretoken": token_of(page)})
    assert there.payment(0) == (row, state) == (row, "captured")


def test_lost_staff_status_ends_it(there: Office) -> None:
    """When the pass runs out, at the latest: nothing but the log-in is left."""
    one = there.signed_in("leaver")
    assert one.see(PAGE).status_code == 200
    there.dismiss("leaver")
    there.run_out()
    one.see(PAGE)
    assert one.is_asked_to_sign_in()


def test_a_lost_role_ends_it(there: Office) -> None:
    """When the pass runs out, at the latest."""
    there.give_role("stranger", "payment-viewer")
    one = there.signed_in("stranger")
    assert one.see(PAGE).status_code == 200
    there.take_role("stranger", "payment-viewer")
    there.run_out()
    assert one.see(PAGE).status_code == 403


# ---------------------------------------------------------------- signing out


def test_signing_out_at_the_shop_ends_it_at_once(there: Office) -> None:
    """By the button of a page of the host; and the host's cookie alone is of no use."""
    one = there.signed_in("manager", anew=True)
    page = one.see(PAGE)
    kept = one.cookies()["payment_session"]
    assert one.sign_out(page).status_code == 200
    one.see(PAGE)
    assert one.is_asked_to_sign_in()
    thief = there.somebody()
    thief.put("payment_session", kept, path="/admin")
    thief.see(PAGE)
    assert thief.is_asked_to_sign_in()


def test_the_next_one_at_the_same_browser_is_somebody_else(there: Office) -> None:
    """Nobody acts under the name of who was signed in there before."""
    one = there.signed_in("manager", anew=True)
    assert "manager@office.example" in one.see(PAGE).text
    one.sign_out(one.see("/admin/"))
    one.email = "viewer@office.example"
    one.sign_in()
    page = one.see(PAGE).text
    assert "viewer@office.example" in page
    assert "manager@office.example" not in page
