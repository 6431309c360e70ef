"""Each host that ships starts alone: its own servers, its own database, its own doors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from modules.orders.contract import OrderFailed
from modules.platform.keys import KeyRing
from tests import plain
from tests.extracted.alone import Alone, running_alone
from tests.waiting import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

LISTS = {
    "payment": f"/api/v1/payment/payments?order_id=ord_{'0' * 26}",
    "notification": "/api/v1/notification/messages",
}
MODELS = {"payment": "payment/payment", "notification": "notification/templaterow"}
CALLS = {"payment": "/rpc/payment/authorize", "notification": "/rpc/notification/send"}


@pytest.fixture(scope="module", params=["payment", "notification"])
def host(request: Any) -> Iterator[Alone]:
    with running_alone(request.param) as alone:
        yield alone


def test_it_says_where_it_is(host: Alone) -> None:
    """The API, the documentation, and a link into the admin."""
    for path in (f"/api/v1/{host.module}", "/api/v1/docs", "/admin/login/?token="):
        assert f"http://localhost:{host.env['WEB_PORT']}{path}" in host.said()


def test_it_lives_and_is_ready(host: Alone) -> None:
    """Both probes, and metrics of its own."""
    assert host.http.get("/livez").status_code == 200
    assert host.http.get("/readyz").json() == {"ready": True, "waiting_for": {}}
    assert "ficus_requests_total" in host.http.get("/metrics").text


def test_it_migrates_into_its_own_database(host: Alone) -> None:
    """The module's schema with the bus's tables, and Django's own in ``host``; nobody else's."""
    rows = host.query(
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    tables = {schema: {name for one, name in rows if one == schema} for schema, _ in rows}
    assert set(tables) == {"host", host.module}
    assert {"auth_permission", "django_session", "operators_operator"} <= tables["host"]
    assert not any(name.startswith(("bus_", "saga", "rest_")) for name in tables["host"])
    assert any(name.startswith("bus_") for name in tables[host.module])
    assert any(name.startswith(f"{host.module}_") for name in tables[host.module])


def test_rest_answers_who_has_a_token_of_the_shop(host: Alone) -> None:
    """The list, to a token that a key in the published set has signed."""
    answer = host.http.get(LISTS[host.module], headers=host.token())
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["data"], list)


def test_rest_refuses_who_has_none(host: Alone) -> None:
    """401 with the same problem as the monolith's."""
    _refused(host.http.get(LISTS[host.module]))


def test_rest_refuses_what_the_shop_did_not_sign(host: Alone, tmp_path: Path) -> None:
    """A stranger's key, under its own name and under the shop's."""
    stranger = KeyRing(tmp_path).signing()
    _refused(host.http.get(LISTS[host.module], headers=host.token(stranger)))
    forged = type(stranger)(
        kid=host.key.kid,
        private=stranger.private,
        public=stranger.public,
        x=stranger.x,
        made_at=stranger.made_at,
    )
    _refused(host.http.get(LISTS[host.module], headers=host.token(forged)))


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"exp": datetime.now(UTC) - timedelta(minutes=1)}, "expired"),
        ({"iss": "http://elsewhere.test"}, "not valid"),
        ({"aud": "ficus-operator:payment"}, "not valid"),
        ({"kind": "king"}, "not valid"),
    ],
)
def test_rest_refuses_what_is_not_meant_for_it(
    host: Alone, claims: dict[str, Any], detail: str
) -> None:
    """Expired, of another issuer, for another audience, or saying what cannot be."""
    answer = host.http.get(LISTS[host.module], headers=host.token(**claims))
    _refused(answer)
    assert detail in answer.json()["detail"]


def test_calls_are_refused_to_strangers(host: Alone) -> None:
    """The addresses of calls are there, and answer nobody who is not trusted."""
    assert host.http.post(CALLS[host.module], json={}).status_code == 401
    assert "keys" in host.http.get("/rpc/keys").json()


def test_its_worker_hears_other_modules(host: Alone) -> None:
    """A batch from orders is handled in the module's own schema, and its cursor stands there."""
    host.deliver("orders", order_failed())
    seen = "SELECT pos FROM bus_cursor WHERE source = 'orders' AND part = 0"
    eventually(lambda: host.query(seen) == [(1,)], what="the cursor's step")
    assert host.query("SELECT count(*) FROM bus_parked") == [(0,)]


def test_only_its_own_module_is_there(host: Alone) -> None:
    """No address of another module, and none of it in the OpenAPI document."""
    assert host.http.get("/api/v1/orders", headers=host.token()).status_code == 404
    accept = {"Accept": "application/vnd.oai.openapi+json"}
    document = host.http.get("/api/v1/schema", headers=accept).json()
    modules = {path.split("/")[3] for path in document["paths"]}
    assert modules - {"problems"} == {host.module}


def test_admin_lists_what_an_operator_may_see(host: Alone) -> None:
    """One with a permission sees that model's page and no other; the page renders."""
    app, model = MODELS[host.module].split("/")
    link = host.link("--label", "viewer@example.com", "--permission", f"{app}.view_{model}")
    with _visitor(host) as visitor:
        index = visitor.get(link, follow_redirects=True)
        assert index.status_code == 200
        pages = set(re.findall(r'href="/admin/([a-z]+/[a-z]+)/"', index.text))
        assert pages == {MODELS[host.module]}
        assert visitor.get(f"/admin/{MODELS[host.module]}/").status_code == 200
        assert visitor.get("/admin/messaging/outboxevent/").status_code == 403


def test_admin_shows_everything_to_who_may_do_everything(host: Alone) -> None:
    """Every page of the index renders."""
    with _visitor(host) as visitor:
        index = visitor.get(host.link("--label", "operator"), follow_redirects=True)
        pages = set(re.findall(r'href="(/admin/[a-z]+/[a-z]+/)"', index.text))
        assert f"/admin/{MODELS[host.module]}/" in pages
        assert "/admin/operators/operator/" in pages
        assert {visitor.get(page).status_code for page in pages} == {200}


def test_a_link_opens_once(host: Alone) -> None:
    """Whoever read it along the way comes too late."""
    link = host.link("--label", "once")
    with _visitor(host) as first, _visitor(host) as second:
        assert first.get(link).status_code == 302
        answer = second.get(link)
        assert (answer.status_code, dict(second.cookies)) == (403, {})
        assert "used before" in answer.text


def test_a_link_leads_nowhere_else(host: Alone) -> None:
    """``next`` is an address of this host, or it is not followed."""
    with _visitor(host) as visitor:
        answer = visitor.get(f"{host.link('--label', 'next')}&next=https://evil.test/")
        assert answer.headers["Location"] == "/admin/"


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "e30.e30.e30"])
def test_no_other_token_opens_the_admin(host: Alone, token: str) -> None:
    """Neither nonsense nor an access token, though the shop has signed that."""
    access = host.token()["Authorization"].removeprefix("Bearer ")
    for text in (token, access):
        assert host.http.get(f"/admin/login/?token={text}").status_code == 403
    assert host.http.get("/admin/", follow_redirects=False).status_code == 302


def test_without_a_token_the_admin_says_where_to_go(host: Alone) -> None:
    """There is no password to ask for: the shop's admin is named."""
    answer = host.http.get("/admin/login/")
    assert (answer.status_code, "password" in answer.text) == (200, False)
    assert "http://shop.test/admin/" in answer.text


def test_a_session_ends_when_the_pass_does(host: Alone) -> None:
    """From one request to the next: nothing is permitted that the pass does not permit."""
    with _visitor(host) as visitor:
        visitor.get(host.link("--label", "leaving"), follow_redirects=True)
        assert visitor.get("/admin/").status_code == 200
        ended = host.query(
            "UPDATE host.operators_operator SET permitted_until = now() - interval '1 s' "
            "WHERE label = 'leaving' RETURNING label"
        )
        assert ended == [("leaving",)]
        answer = visitor.get("/admin/")
        assert (answer.status_code, "/admin/login/" in answer.headers["Location"]) == (302, True)


def order_failed() -> OrderFailed:
    """An order that nobody here has heard of."""
    return OrderFailed(
        order_id=uuid4(),
        number="F-1",
        owner="guest:1",
        email="somebody@example.com",
        locale="en",
        failure_code="card_declined",
    )


def _visitor(host: Alone) -> httpx.Client:
    return plain.client(base_url=host.http.base_url, timeout=20)


def _refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
