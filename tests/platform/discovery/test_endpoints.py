"""The registry over HTTP: who may write and read, what is refused and how that is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modules.platform.discovery import registry
from modules.platform.discovery.access import Closed, install_gate
from tests.platform.discovery.serving import FINGERPRINT, PAYMENT, incompatible, said

pytestmark = pytest.mark.django_db
BODY = {"module": "payment", "url": "http://10.0.0.7:8101", "role": "own"}
INSTANCE = "/registry/instances/payment-1"


class Service:
    """A client that shows a service's token."""

    def __init__(self, issuer: str = "payment") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {issuer}"} if issuer else {}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = {"data": b"" if body is None else body, "content_type": "application/json"}
        if method == "get":
            return self.client.get(path, headers=self.headers | headers)
        return getattr(self.client, method)(path, headers=self.headers | headers, **given)


payment = Service()


def test_registering_answers_with_the_rhythm() -> None:
    """201 for a new instance, 200 for one that says something else."""
    first = payment.send("put", INSTANCE, BODY)
    again = payment.send("put", INSTANCE, BODY | {"version": "2"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"ttl_seconds": 10.0, "heartbeat_seconds": 3.0}
    assert registry.entry("payment-1").version == "2"


def test_listing_has_what_callers_and_the_front_door_need() -> None:
    """Address and url, role, capacity; load is for people, and would change each answer."""
    payment.send("put", INSTANCE, BODY | {"capacity": 5, "later": "than this registry"})
    payment.send("post", f"{INSTANCE}/heartbeat", {"in_flight": 4})

    answer = payment.send("get", "/registry/instances?module=payment")

    assert answer.json() == {
        "instances": [
            {
                "id": "payment-1",
                "module": "payment",
                "address": "10.0.0.7:8101",
                "url": "http://10.0.0.7:8101",
                "role": "own",
                "version": "",
                "contract": "",
                "capacity": 5,
                "grpc_url": "",
            }
        ]
    }
    assert payment.send("get", "/registry/instances?module=orders").json() == {"instances": []}
    assert len(payment.send("get", "/registry/instances").json()["instances"]) == 1


def test_unchanged_list_is_answered_with_304() -> None:
    """Heartbeats change nothing; a registration does."""
    payment.send("put", INSTANCE, BODY)
    etag = payment.send("get", "/registry/instances")["ETag"]
    payment.send("post", f"{INSTANCE}/heartbeat", {"in_flight": 9})

    unchanged = payment.send("get", "/registry/instances", **{"If-None-Match": etag})
    payment.send("put", "/registry/instances/payment-2", BODY)
    changed = payment.send("get", "/registry/instances", **{"If-None-Match": etag})

    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    assert changed.status_code == 200


def test_heartbeat_and_goodbye() -> None:
    """Both need a registration; the body of a heartbeat may be left out."""
    assert payment.send("post", f"{INSTANCE}/heartbeat").status_code == 404
    payment.send("put", INSTANCE, BODY)

    assert payment.send("post", f"{INSTANCE}/heartbeat").json() == {"listed": True}
    registry.drop("payment-1", reason="test")
    assert payment.send("post", f"{INSTANCE}/heartbeat", {}).json() == {"listed": False}
    assert payment.send("delete", INSTANCE).status_code == 204
    unknown = payment.send("delete", INSTANCE)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "discovery.instance_unknown")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"module": "Payment"}, "/module"),
        ({"module": None}, "/module"),
        ({"url": "ftp://10.0.0.7"}, "/url"),
        ({"url": "http://10.0.0.7:8101/path"}, "/url"),
        ({"url": "http://user:secret@10.0.0.7"}, "/url"),
        ({"url": "http://10.0.0.7:99999"}, "/url"),
        ({"url": "http://10.0.0.7:0"}, "/url"),
        ({"url": "http://10.0.0.7\n"}, "/url"),
        ({"url": f"http://[{'1:' * 60}1]"}, "/url"),
        ({"role": "both"}, "/role"),
        ({"capacity": 0}, "/capacity"),
        ({"capacity": 101}, "/capacity"),
        ({"capacity": "8"}, "/capacity"),
        ({"version": "x" * 201}, "/version"),
        ({"contract": "not a fingerprint"}, "/contract"),
        ({"contract": "a" * 32}, "/contract"),
    ],
)
def test_bad_announcement_names_the_field(change: dict[str, Any], pointer: str) -> None:
    """As a problem, and nothing is stored."""
    answer = payment.send("put", INSTANCE, BODY | change)

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert registry.entries() == ()


@pytest.mark.parametrize("name", ["module", "url", "role"])
def test_missing_member_is_named(name: str) -> None:
    """These three have no default."""
    answer = payment.send("put", INSTANCE, {key: BODY[key] for key in BODY if key != name})

    assert answer.json()["errors"][0] == {
        "pointer": f"/{name}",
        "code": "missing",
        "detail": "is required",
    }


@pytest.mark.parametrize("id", ["with space", "ü", "a" * 129, "a%0A"])
def test_id_that_is_none(id: str) -> None:
    """It becomes part of addresses and metrics."""
    answer = payment.send("put", f"/registry/instances/{id}", BODY)

    assert answer.status_code in {404, 422}
    assert registry.entries() == ()


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("[]", 422), ('{"in_flight": -1}', 422), ("x" * 20_000, 413)]
)
def test_bad_heartbeat(body: str, status: int) -> None:
    """No JSON, no object, no count, too much."""
    payment.send("put", INSTANCE, BODY)
    headers = payment.headers
    answer = payment.client.post(
        f"{INSTANCE}/heartbeat", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["module=%00", "module=Payment", "module="])
def test_listing_of_what_is_no_module(query: str) -> None:
    """Named, rather than answered with nobody."""
    answer = payment.send("get", f"/registry/instances?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "query/module"


@pytest.mark.parametrize("fingerprint", ["%00", "a" * 32, "..", "%20"])
def test_contract_that_nobody_announced(fingerprint: str) -> None:
    """404, whatever the address says."""
    assert payment.send("get", f"/registry/contracts/{fingerprint}").status_code == 404


def test_method_that_is_not_known() -> None:
    """405 with those that are."""
    answer = payment.send("post", INSTANCE, BODY)
    assert (answer.status_code, answer["Allow"]) == (405, "DELETE, PUT")


WRITES = [
    ("put", INSTANCE, BODY),
    ("post", f"{INSTANCE}/heartbeat", {}),
    ("delete", INSTANCE, None),
    ("put", f"/registry/contracts/{FINGERPRINT}", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_writers_need_a_token(method: str, path: str, body: Any) -> None:
    """However near they are."""
    registry.register("payment-1", said(), issuer="payment")

    answer = Service("").send(method, path, body)

    assert answer.status_code == 401
    assert [one.id for one in registry.live()] == ["payment-1"]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_host_without_a_gate_lets_nobody_write(method: str, path: str, body: Any) -> None:
    """The default refuses, also those with a token."""
    install_gate(Closed())

    assert payment.send(method, path, body).status_code == 401


def test_service_may_announce_its_own_module_only(settings: Any) -> None:
    """Else one stolen key would get everybody's calls; the settings may grant more."""
    refused = Service("notification").send("put", INSTANCE, BODY)
    assert refused.status_code == 403
    assert "notification may not announce instances of payment" in refused.json()["detail"]

    settings.REGISTRY_ANNOUNCERS = {"payment": ["blue-green"]}
    assert Service("blue-green").send("put", INSTANCE, BODY).status_code == 201


def test_taken_id_is_a_conflict(settings: Any) -> None:
    """The instance that has it stays."""
    settings.REGISTRY_ANNOUNCERS = {"payment": ["other"]}
    payment.send("put", INSTANCE, BODY)

    assert Service("other").send("put", INSTANCE, BODY).status_code == 409


def test_readers_are_trusted_networks_or_have_a_token(settings: Any) -> None:
    """The front door's own network reads; a client behind it is not of that network."""
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    path = "/registry/instances"
    assert Client().get(path).status_code == 200
    assert Client().get(path, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert Client(REMOTE_ADDR="203.0.113.9").get(path).status_code == 401

    settings.REGISTRY_READERS = ["203.0.113.0/24"]
    assert Client(REMOTE_ADDR="203.0.113.9").get(path).status_code == 200
    assert Client().get(path).status_code == 401
    assert payment.send("get", path).status_code == 200


def _put_contract(fingerprint: str, text: str, issuer: str = "payment") -> Any:
    return Client().put(
        f"/registry/contracts/{fingerprint}",
        text,
        content_type="application/json",
        headers={"Authorization": f"Bearer {issuer}"},
    )


def test_contract_is_kept_under_its_fingerprint() -> None:
    """Then an instance may name it, and a caller may read it."""
    assert payment.send("get", f"/registry/contracts/{FINGERPRINT}").status_code == 404
    assert _put_contract(FINGERPRINT, PAYMENT).status_code == 204

    assert payment.send("put", INSTANCE, BODY | {"contract": FINGERPRINT}).status_code == 201
    answer = payment.send("get", f"/registry/contracts/{FINGERPRINT}")
    assert answer.content.decode() == PAYMENT


@pytest.mark.parametrize("text", ["{", "[]", '{"module": 7}', PAYMENT.replace("methods", "m")])
def test_contract_that_is_none(text: str) -> None:
    """What cannot be compared is not kept."""
    answer = _put_contract("a" * 32, text)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_schema")


def test_contract_under_a_wrong_fingerprint() -> None:
    """The registry reckons it itself: nobody slips a contract under another's fingerprint."""
    answer = _put_contract(FINGERPRINT, incompatible()[1])

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "path/fingerprint"


def test_contract_of_another_module() -> None:
    """A service announces its own."""
    assert _put_contract(FINGERPRINT, PAYMENT, "notification").status_code == 403
    assert registry.contract(FINGERPRINT) is None
