"""Those who try: forged, old and stolen passes, and addresses that lead astray."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.operators.browser import token_of
from tests.e2e.operators.office import PAGE, Office


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"age": 120}, "it has expired"),
        ({"host": "notification"}, "it is for another host"),
        ({"forged": True}, "it is not valid"),
    ],
)
def test_a_wrong_pass_is_refused(there: Office, wrong: dict[str, Any], why: str) -> None:
    """403 with the reason, no session, and a line of log with it and with who it claims to be."""
    one = there.bearing(there.made(**wrong))
    page = one.see(PAGE)
    assert (page.status_code, one.hops, set(one.cookies())) == (403, [PAGE], set())
    assert why in page.text
    lines = [line for line in there.log_of("payment-web") if "operator.refused" in line]
    assert any(why in line and "issuer=http://localhost" in line for line in lines)


def test_a_pass_opens_one_session(there: Office) -> None:
    """Whoever brings it again is sent to sign in; the log says whose it was."""
    token = there.made()
    assert there.bearing(token).see(PAGE).status_code == 200
    thief = there.bearing(token)
    thief.see(PAGE)
    assert thief.is_asked_to_sign_in()
    assert "payment_session" not in thief.cookies()
    lines = [line for line in there.log_of("payment-web") if "operator.refused" in line]
    assert any("it was used before; it is thief's" in line for line in lines)


def test_a_pass_is_in_no_address_and_no_log(there: Office) -> None:
    """It travels in a cookie that only the module's pages get and scripts do not see."""
    one = there.signed_in("manager")
    answer = one.browser.get(f"/admin/pass/payment/?next={PAGE}", follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, PAGE)
    assert "no-store" in answer.headers["Cache-Control"]
    (given,) = (text for text in answer.headers.get_list("Set-Cookie") if "payment_pass" in text)
    for word in ("HttpOnly", "Path=/admin/payment/", "SameSite=Lax", "Max-Age=60"):
        assert word in given
    token = given.partition("=")[2].partition(";")[0]
    one.see(PAGE)
    assert "payment_pass" not in one.cookies()
    logs = list(there.shop.home.rglob("*.log"))
    assert {"web.log", "payment-web.log", "access.log"} <= {path.name for path in logs}
    assert [path.name for path in logs if token in path.read_text(errors="replace")] == []


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/admin/payment/",
        "//evil.example/admin/payment/",
        "/admin/orders/order/",
        "/admin/payment/../orders/",
        "/admin/payment/%2e%2E/orders/",
        "/admin/payment/..\\orders/",
        "/\\evil.example/admin/payment/",
        "javascript:alert(1)",
        "/admin/payments/",
    ],
)
def test_nobody_is_sent_elsewhere(there: Office, wanted: str) -> None:
    """Passes are given for pages of the module only: 400, without a pass."""
    one = there.signed_in("manager")
    answer = one.see(f"/admin/pass/payment/?next={quote(wanted, safe='')}")
    assert (answer.status_code, answer.history) == (400, [])
    assert "Set-Cookie" not in answer.headers


def test_there_are_passes_for_modules_only(there: Office) -> None:
    """404 for any other name."""
    one = there.signed_in("manager")
    assert one.see("/admin/pass/nothing/").status_code == 404


def test_asking_in_vain_ends(there: Office) -> None:
    """A browser that takes no pass is told so, instead of being sent round and round."""
    one = there.signed_in("manager")
    answers = [one.browser.get(PAGE, follow_redirects=False) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [403]
    assert "no pass arrived" in answers[-1].text


def test_forms_of_other_sites_are_refused(there: Office) -> None:
    """Without this origin's token, or from another origin, whatever session the browser has."""
    one = there.signed_in("manager")
    token = token_of(one.see(PAGE))
    row, state = there.payment(0)
    form = {"action": "refund", "_selected_action": row, "reason": "why not"}
    assert one.send(PAGE, form).status_code == 403
    signed = form | {"csrfmiddlewaretoken": token}
    assert one.send(PAGE, signed, origin="https://evil.example").status_code == 403
    assert there.payment(0) == (row, state) == (row, "captured")
