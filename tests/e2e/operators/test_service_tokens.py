"""Calls between hosts on real processes: five wrong ones are refused, and the log says whose."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import httpx
import pytest

from modules.platform.contracts import SYSTEM
from modules.platform.keys import KeyRing
from modules.platform.rpc.tokens import LEEWAY, LIFE, issue
from tests import plain
from tests.e2e.operators.office import Office
from tests.waiting import eventually

CALL, PATH = "accounts.public_keys", "/rpc/accounts/public_keys"
BODY = b"{}"


def token(office: Office, *, forged: bool = False, **said: Any) -> str:
    """Of payment's host, which the shop believes."""
    folder = office.shop.home / "service_keys"
    key = KeyRing(folder / "payment").signing()
    if forged:
        key = dataclasses.replace(KeyRing(folder / "strange").signing(), kid=key.kid)
    given = {"issuer": "payment", "call": CALL, "body": BODY, "actor": SYSTEM, "now": time.time()}
    return issue(key, **given | said)


def call(base: str, text: str, **more: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {text}", "Content-Type": "application/json", **more}
    return plain.post(f"{base}{PATH}", content=BODY, headers=headers)


def refusals(office: Office, reason: str) -> list[str]:
    """The lines of the shop's log that say so."""
    lines = (line for line in office.log_of("web") if "rpc.refused" in line)
    return [line for line in lines if f"reason={reason}" in line]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"forged": True}, "forged"),
        ({"call": "orders.public_keys"}, "wrong_audience"),
        ({"now": time.time() - LIFE - LEEWAY - 600}, "expired"),
        ({"issuer": "stranger"}, "unknown_issuer"),
    ],
)
def test_a_wrong_token_is_refused_and_logged(
    office: Office, wrong: dict[str, Any], reason: str
) -> None:
    """401; one more line with the call, the reason, the issuer and the address it came from."""
    before = len(refusals(office, reason))
    answer = call(office.shop.web, token(office, **wrong))
    assert (answer.status_code, answer.json()["reason"]) == (401, reason)
    line = refusals(office, reason)[before]
    for word in (f"call={CALL}", f"issuer={wrong.get('issuer', 'payment')}", "peer=127.0.0.1"):
        assert word in line


def test_a_replay_is_refused_and_logged(office: Office) -> None:
    """The first is answered; the same bytes again are not, by whichever process they reach."""
    text, before = token(office), len(refusals(office, "replayed"))
    assert call(office.shop.web, text).status_code == 200
    answers = [call(office.shop.web, text) for _ in range(4)]
    assert {answer.json()["reason"] for answer in answers} == {"replayed"}
    lines = refusals(office, "replayed")[before:]
    assert len(lines) == 4
    assert all("issuer=payment" in line and f"call={CALL}" in line for line in lines)


@pytest.mark.parametrize(
    "path", [PATH, "/%72pc/accounts/public_keys", "//rpc/accounts/public_keys"]
)
def test_from_outside_there_is_no_way(office: Office, path: str) -> None:
    """With the best of tokens: 404 at the front door, whose log has it; no host was asked, so the
    token is still good.
    """
    text = token(office)
    headers = {"Authorization": f"Bearer {text}", "X-Request-Id": "outside"}
    with plain.client() as http:
        request = http.build_request("POST", office.base + path, content=BODY, headers=headers)
        answer = http.send(request)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert call(office.shop.web, text).status_code == 200
    log = office.shop.home / "proxy" / "access.log"  # written beside the requests
    eventually(lambda: answer.headers["X-Request-Id"] in log.read_text(), what="its line")
    assert text not in log.read_text()


def test_what_a_stranger_says_of_itself_is_taken_away(office: Office) -> None:
    """Headers by which hosts tell each other who asks do not come from outside."""
    said = {"Ficus-Subject": "root", "Ficus-Scopes": "*", "Ficus-Staff": "true"}
    answer = plain.get(f"{office.base}/api/v1/accounts/customers", headers=said)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
