"""API keys are good at every host: the ones that have no accounts ask it."""

from __future__ import annotations

from uuid import uuid4

import httpx

from modules.platform.rest.identifiers import ids, new_id
from tests import plain
from tests.e2e.operators.office import Office
from tests.waiting import eventually

ORDER = ids("ord").text(new_id())
LISTED = f"/api/v1/payment/payments?order_id={ORDER}"
MADE_UP = f"fk_00000000_{'x' * 43}"
REVOKED_WITHIN = 10.0  # seconds, while accounts answers: what docs/hosts.md promises


def asked(base: str, key: str, header: str = "Api-Key") -> httpx.Response:
    text = key if header == "Api-Key" else f"Bearer {key}"
    return plain.get(f"{base}{LISTED}", headers={header: text}, timeout=20)


def test_a_key_is_good_at_the_service_as_in_the_monolith(there: Office) -> None:
    """Past the front door and through it, in either header; its scopes count."""
    host, key = there.shop.service_urls["payment"], there.keys["till"]
    for base in (host, there.base):
        for header in ("Api-Key", "Authorization"):
            assert asked(base, key, header).status_code == 200
    more = {"Api-Key": key, "Idempotency-Key": uuid4().hex}
    refund = {"order_id": ORDER, "reason": "it may only read"}
    wrong = plain.post(f"{host}/api/v1/payment/refunds", json=refund, headers=more)
    assert wrong.status_code == 403, wrong.text


def test_a_key_that_is_none_is_refused(there: Office) -> None:
    """One that could be, and one that could not."""
    for key in (MADE_UP, "fk_short"):
        answer = asked(there.shop.service_urls["payment"], key)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_revoked_key_is_refused_within_seconds(there: Office) -> None:
    """Though it was good a moment ago."""
    host, key = there.shop.service_urls["payment"], there.keys["lost"]
    assert asked(host, key).status_code == 200
    there.revoke("lost")
    refused = lambda: asked(host, key).status_code == 401  # noqa: E731
    eventually(refused, within=REVOKED_WITHIN + 5, what="the refusal")
