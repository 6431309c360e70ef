"""The stand-in itself: a provider that tests may trust."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from uuid import uuid4

import httpx
import pytest

from tests.standin import StandIn

SECRET_NAME = "STANDIN_WEBHOOK_SECRET"
CARD = {"amount": 100, "currency": "EUR", "method": "card_ok", "order_id": "o1"}


@pytest.fixture
def own(tmp_path):
    """A stand-in of this test's own."""
    with StandIn.started(tmp_path) as standin:
        yield standin


def charge(standin, key: str = "", **given):
    return standin.ask("POST", "/v1/charges", CARD | given, Idempotency_Key=key or uuid4().hex)


def refused(status: int):
    return pytest.raises(httpx.HTTPStatusError, match=f"'{status} ")


def test_a_kill_loses_nothing(own):
    """Everything answered before a SIGKILL is there after it, keys included."""
    made = charge(own, "k1")
    own.ask("POST", f"/v1/charges/{made['id']}/capture", {"amount": 40}, Idempotency_Key="k2")
    before = own.ledger()
    own.kill()
    own.start()
    assert own.ledger() == before
    assert charge(own, "k1") == made


def test_a_torn_line_is_cut(own):
    """A crash in the middle of a write leaves the lines before it."""
    charge(own)
    before = own.ledger()
    own.kill()
    with own.state.open("ab") as state:
        state.write(b'{"kind":"act","char')
    own.start()
    assert own.ledger() == before
    charge(own)
    own.kill()
    own.start()
    assert len(own.ledger()["charges"]) == 2


def test_a_key_is_answered_the_same(own):
    """One key, one charge; another body under it is refused; a decline is repeated too."""
    assert charge(own, "k") == charge(own, "k")
    with refused(422):
        charge(own, "k", amount=200)
    for _ in range(2):
        with refused(402):
            charge(own, "d", method="card_declined")
    assert [c["status"] for c in own.ledger()["charges"]] == ["authorized", "declined"]


def test_a_key_is_required(own):
    """A request that moves money needs one."""
    with refused(400):
        own.ask("POST", "/v1/charges", CARD)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"amount": 0}, 400), ({"amount": "1"}, 400), ({"currency": 1}, 400), ({"method": "x"}, 400)],
)
def test_wrong_charges_are_refused(own, wrong, status):
    """What is no request for money is refused."""
    with refused(status):
        charge(own, **wrong)


def test_limits_are_kept(own):
    """It never captures more than it authorized, nor refunds more than it captured."""
    made = charge(own)

    def act(verb: str, amount: int):
        path = f"/v1/charges/{made['id']}/{verb}"
        return own.ask("POST", path, {"amount": amount}, Idempotency_Key=uuid4().hex)

    with refused(409):
        act("capture", 101)
    act("capture", 60)
    with refused(409):
        act("refunds", 61)
    act("refunds", 60)
    with refused(409):
        act("refunds", 1)


def test_a_held_answer_ends_in_a_reset(own):
    """The charge stands; the client's connection breaks."""
    own.faults("authorize", "hold", seconds=0.2)
    with pytest.raises(httpx.TransportError):
        charge(own)
    assert len(own.ledger()["charges"]) == 1


def test_a_dropped_call_does_nothing(own):
    """The connection breaks and no charge stands."""
    own.faults("authorize", "drop")
    with pytest.raises(httpx.TransportError):
        charge(own)
    assert own.ledger()["charges"] == []


def test_faults_end(own):
    """A fault strikes as often as it was planned."""
    own.faults("authorize", "unavailable", times=2)
    for _ in range(2):
        with refused(503):
            charge(own)
    assert charge(own)["status"] == "authorized"


@pytest.mark.parametrize("wrong", [{"operation": "pray"}, {"kind": "odd"}, {"surprise": 1}])
def test_unknown_faults_are_refused(own, wrong):
    """A misspelt fault must not make a test pass."""
    planned = {"operation": "capture", "kind": "hold"} | wrong
    with refused(400):
        own.ask("POST", "/faults", planned)


def test_the_confirm_page_is_for_people(own):
    """A form that says what is paid, and then that it is paid."""
    made = charge(own, method="card_requires_action")
    page = own.page(made["next_action"])
    assert "<form" in page
    own.confirm(made["next_action"])
    assert "authorized" in own.page(made["next_action"])


def test_the_list_is_paged(own):
    """Oldest first, by the last one seen."""
    made = [charge(own)["id"] for _ in range(3)]
    first = own.ask("GET", "/v1/charges?limit=2")
    rest = own.ask("GET", f"/v1/charges?limit=2&after={made[1]}")
    assert [c["id"] for c in first["data"] + rest["data"]] == made
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_it_speaks_http(own):
    """Two requests in one packet get two answers; garbage ends the connection."""
    port = int(own.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.sendall(b"GET /livez HTTP/1.1\r\n\r\nGET /livez HTTP/1.1\r\n\r\n")
    received = b""
    while received.count(b"\r\n\r\n") < 2:
        received += connection.sock.recv(1000)
    assert received.count(b"200 OK") == 2
    connection.sock.sendall(b"garbage\r\n\r\n")
    assert connection.sock.recv(1000) == b""
    connection.close()


def test_unknown_addresses_are_json_too(own):
    """No page, a code."""
    with pytest.raises(httpx.HTTPStatusError) as caught:
        own.ask("GET", "/nothing")
    assert caught.value.response.json()["error"]["code"] == "not_found"


def test_webhooks_without_a_secret_are_refused(tmp_path):
    """It says what to set, and does not start to send what nobody could believe."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "modules.payment.standin", "--state", str(tmp_path / "state")),
            *("--port", "0", "--webhook-url", "http://127.0.0.1:9/hook"),
        ],
        env={name: value for name, value in os.environ.items() if name != SECRET_NAME},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 2
    assert SECRET_NAME in ran.stderr.splitlines()[-1]
