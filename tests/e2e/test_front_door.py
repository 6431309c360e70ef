"""What the front door adds to the running shop: limits, refusals, addresses, logs that join."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests import plain
from tests.e2e.running import RunningShop
from tests.e2e.shopper import Shopper, expect
from tests.e2e.staff import EMAIL, PASSWORD, Staff, sign_in
from tests.waiting import eventually

JSON = {"Content-Type": "application/json"}
SIGN_IN_LIMIT = 30  # a minute, as the shop is configured by default


@pytest.fixture(scope="module")
def staff(shop: RunningShop) -> Staff:
    """An operator of the shop."""
    return Staff(shop)


@contextmanager
def somebody_at(shop: RunningShop, address: str, **headers: str) -> Iterator[httpx.Client]:
    """A client with another address of this machine."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=shop.base, transport=transport, headers=headers) as http:
        yield http


def access_log(shop: RunningShop, request_id: str) -> dict[str, Any]:
    """What the front door wrote of a request."""

    def find() -> dict[str, Any] | None:
        lines = (shop.home / "proxy" / "access.log").read_text().splitlines()
        found = [json.loads(line) for line in lines if request_id in line]
        return found[0] if found else None

    return dict(eventually(find, within=5, what=f"the access log's line of {request_id}"))


def test_limits_are_told(shop: RunningShop, shopper: Shopper) -> None:
    """An answer says which limits hold and what is left of them."""
    shopper.take_cart()
    answer = shop.http.get("/api/v1/cart", headers=shopper.headers)
    assert answer.headers["RateLimit-Policy"] == '"identity";q=100000;w=60, "address";q=500000;w=60'
    told = answer.headers["RateLimit"]
    assert told.startswith('"identity";r=99999;t=')
    assert '"address";r=' in told


def test_too_many_sign_ins_from_one_address(shop: RunningShop, staff: Staff) -> None:
    """Passwords cannot be tried without end; who is elsewhere does not notice."""
    attempts = SIGN_IN_LIMIT + 10  # some come back while we try
    with somebody_at(shop, "127.0.0.2") as http:
        answers = [http.post("/api/v1/accounts/token", json={}) for _ in range(attempts)]
    refused = answers[-1]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert {answer.status_code for answer in answers[:SIGN_IN_LIMIT]} == {422}
    assert sign_in(shop.http, EMAIL, PASSWORD)


def test_clients_address_is_the_one_that_the_front_door_saw(
    shop: RunningShop, staff: Staff
) -> None:
    """Not the front door's, and not the one that the client made up."""
    with somebody_at(shop, "127.0.0.3", **{"X-Forwarded-For": "203.0.113.9"}) as http:
        headers = sign_in(http, EMAIL, PASSWORD)
        sessions = expect(http.get("/api/v1/accounts/me/sessions", headers=headers), 200)["data"]
    addresses = {session["ip_address"] for session in sessions}
    assert "127.0.0.3" in addresses
    assert "203.0.113.9" not in addresses


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unauthenticated"),
        ({"Authorization": "Bearer e30.e30.e30"}, "unauthenticated"),
    ],
)
def test_monolith_does_not_see_who_has_no_credentials(
    shop: RunningShop, headers: dict[str, str], code: str
) -> None:
    """401 comes from the front door, as the same problem that the shop would answer."""
    answer = shop.http.get("/api/v1/orders", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert access_log(shop, answer.headers["X-Request-Id"])["side"] == "answer"


def test_api_key_opens_both_ways(shop: RunningShop, staff: Staff) -> None:
    """As Api-Key and as bearer token; a made-up one is refused by the monolith."""
    wanted = {"label": "door", "scopes": ["inventory:read"]}
    key = staff.act("/accounts/api-keys", wanted, status=201)["key"]
    for good in ({"Api-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert shop.http.get("/api/v1/inventory/stock", headers=good).status_code == 200
    made_up = {"Api-Key": "fk_made_up"}
    answer = shop.http.get("/api/v1/inventory/stock", headers=made_up)
    assert answer.status_code == 401
    assert access_log(shop, answer.headers["X-Request-Id"])["side"] == "monolith"


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/rpc/payment", "/-/ready", "/nothing"])
def test_what_is_not_for_the_public_is_not_there(shop: RunningShop, path: str) -> None:
    """The monolith's probes and metrics, and calls between hosts, are a 404 from outside."""
    answer = shop.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.fixture(params=["front door", "web"])
def entrance(request: pytest.FixtureRequest, shop: RunningShop) -> Iterator[httpx.Client]:
    """The shop through the front door, and past it."""
    with plain.client(base_url=shop.base if request.param == "front door" else shop.web) as http:
        yield http


def pieces(text: str, size: int = 7) -> Iterator[bytes]:
    """A body that httpx sends chunked."""
    data = text.encode()
    for at in range(0, len(data), size):
        yield data[at : at + size]


def add_chunked(http: httpx.Client, body: Iterator[bytes]) -> httpx.Response:
    """A cart's new line, sent chunked."""
    shopper = Shopper(http)
    shopper.take_cart()
    url = f"/api/v1/cart/{shopper.cart['id']}/lines"
    answer = http.post(url, content=body, headers=shopper.headers | JSON)
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    return answer


def test_chunked_json_is_understood(entrance: httpx.Client) -> None:
    """An order of a client that streams its body is the order of any other."""
    answer = add_chunked(entrance, pieces(json.dumps({"sku": "E2E-1", "quantity": 3})))
    assert answer.status_code == 201, answer.text
    (line,) = answer.json()["lines"]
    assert (line["sku"], line["quantity"]) == ("E2E-1", 3)


@pytest.mark.parametrize("text", ['{"sku": "E2E-1", "quan', "", "no JSON"])
def test_chunked_body_that_is_not_json_is_malformed(entrance: httpx.Client, text: str) -> None:
    """The connection is good for the next request."""
    answer = add_chunked(entrance, pieces(text))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert entrance.get("/api/v1/problems").status_code == 200


def test_broken_chunks_are_malformed(shop: RunningShop) -> None:
    """Past the front door, which refuses them itself: nothing of them is taken."""
    head = (
        "POST /api/v1/accounts/token/refresh HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    )
    request = head + 'Transfer-Encoding: chunked\r\n\r\nnine\r\n{"a": "b"\r\n0\r\n\r\n'
    with socket.create_connection(("127.0.0.1", shop.ports["WEB"]), timeout=30) as client:
        client.sendall(request.encode())
        with client.makefile("rb") as answer:
            said = answer.read()
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'"malformed_body"' in said


def test_operation_without_a_body_sees_a_chunked_one(entrance: httpx.Client) -> None:
    """And refuses it as one with a length."""
    answer = entrance.post("/api/v1/cart", content=pieces("no JSON"), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


def test_chunked_body_that_is_too_large(entrance: httpx.Client) -> None:
    """Nobody knows it before it has come; it is refused as one that says so."""
    answer = add_chunked(entrance, pieces("x" * 5_000_001, size=65_536))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_csv_without_a_length_is_refused(entrance: httpx.Client, staff: Staff) -> None:
    """Had it broken off, what came of it would have been imported. With a length it is."""
    rows = [f"CHUNK-{number},Chunk {number},Food > Bits,1.50,USD" for number in range(300)]
    text = "\n".join(["sku,name,category,price,currency", *rows, ""])
    headers = staff.headers | {"Content-Type": "text/csv"}
    url = "/api/v1/catalog/imports?dry_run=true"
    answer = entrance.post(url, content=pieces(text, size=999), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
    report = expect(entrance.post(url, content=text, headers=headers, timeout=60), 200)
    assert (report["created"], report["errors"]) == (300, [])


@pytest.mark.parametrize("door", ["PROXY", "WEB"])
def test_csv_that_breaks_off_is_not_imported(shop: RunningShop, staff: Staff, door: str) -> None:
    """Not even what has come of it, though its last row is whole."""
    rows = [f"CUT-{door}-{number},Cut {number},Food > Bits,1.50,USD" for number in range(20)]
    text = "\n".join(["sku,name,category,price,currency", *rows, ""])
    head = (
        f"POST /api/v1/catalog/imports HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        f"Authorization: {staff.headers['Authorization']}\r\nContent-Length: {2 * len(text)}\r\n"
    )
    before = _refused_imports(shop)
    with socket.create_connection(("127.0.0.1", shop.ports[door]), timeout=30) as client:
        client.sendall(f"{head}\r\n{text}".encode())
        time.sleep(0.3)  # it has come to the shop, which waits for the rest
    if door == "WEB":
        eventually(lambda: _refused_imports(shop) > before, within=10, what="the refusal")
    found = shop.http.get("/api/v1/catalog/products", params={"q": f"CUT-{door}-1"})
    assert f"CUT-{door}" not in found.text


def _refused_imports(shop: RunningShop) -> int:
    return sum(
        "path=/api/v1/catalog/imports" in line and "status=400" in line
        for line in (shop.home / "web.log").read_text().splitlines()
    )


def test_services_understand_chunked_bodies(shop: RunningShop, staff: Staff) -> None:
    """A host of a module as the monolith."""
    wanted = json.dumps({"marketing": False})
    with plain.client(base_url=shop.service_urls["notification"]) as http:
        url, headers = "/api/v1/notification/preferences", staff.headers | JSON
        answer = http.put(url, content=pieces(wanted), headers=headers)
    assert expect(answer, 200)["marketing"] is False


def test_log_lines_of_door_and_monolith_join(shop: RunningShop) -> None:
    """The same request id and the same trace on both sides, and in the answer."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    answer = shop.http.get("/api/v1/catalog/brands", headers={"traceparent": parent})
    request_id = answer.headers["X-Request-Id"]
    assert request_id.startswith(trace)
    line = access_log(shop, request_id)
    assert (line["trace_id"], line["status"], line["route"]) == (trace, 200, "catalog-open")
    eventually(
        lambda: any(
            "request.served" in said and f"request_id={request_id}" in said
            for said in (shop.home / "web.log").read_text().splitlines()
        ),
        within=5,
        what="the monolith's line of the same request",
    )


def test_stopping_the_front_door_waits_for_what_is_under_way(
    shop: RunningShop, shopper: Shopper
) -> None:
    """SIGTERM while a slow card is charged: the shopper still gets the answer."""
    shopper.take_cart()
    shopper.add("E2E-3")
    answers: list[httpx.Response] = []
    ordering = threading.Thread(target=lambda: answers.append(shopper.order("card_slow")))
    ordering.start()
    try:
        eventually(lambda: _is_ordering(shop, shopper.email), what="the order's beginning")
        shop.stop("proxy")
        ordering.join(20)
    finally:
        shop.start("proxy")
        shop.wait_ready()
    (answer,) = answers
    assert answer.status_code in (201, 202), answer.text


def _is_ordering(shop: RunningShop, email: str) -> bool:
    return bool(shop.query("SELECT 1 FROM orders.orders_order WHERE email = %s", email))
