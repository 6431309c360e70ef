"""Payment's part of the API."""

from __future__ import annotations

from uuid import uuid4

import pytest

from modules.payment.contract import Declined
from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest import authentication
from modules.platform.rest.authentication import guest_owner
from modules.platform.rest.identifiers import ids
from tests.modules.payment.records import payment

pytestmark = pytest.mark.django_db(transaction=True)

ACTORS = {
    "ann": Actor(kind=ActorKind.CUSTOMER, id="1", owners=frozenset({"customer:1"})),
    "bob": Actor(kind=ActorKind.CUSTOMER, id="2", owners=frozenset({"customer:2"})),
    "clerk": Actor(kind=ActorKind.STAFF, id="3", scopes=frozenset({"payment:read"})),
    "chief": Actor(kind=ActorKind.STAFF, id="4", scopes=frozenset({"payment:*"})),
}


@pytest.fixture(autouse=True)
def tokens(monkeypatch):
    """Access tokens that are just names."""
    monkeypatch.setattr(authentication, "_verifiers", [ACTORS.get])


@pytest.fixture
def call(api):
    """``call(method, path, body, who=..., key=...)`` under /api/v1/payment."""

    def send(method: str, path: str, body=None, *, who: str = "", key: str = "", **headers):
        if who:
            headers["Authorization"] = f"Bearer {who}"
        if key:
            headers["Idempotency-Key"] = key
        return getattr(api, method)(
            f"/api/v1/payment{path}",
            **({} if body is None else {"data": body, "content_type": "application/json"}),
            headers=headers,
        )

    return send


@pytest.fixture
def paid(service, authorize):
    return service.authorize(authorize())


@pytest.fixture
def taken(service, paid, capture):
    return service.capture(capture())


def address(record) -> str:
    return f"/payments/{ids('pay').text(record.id)}"


def order(order_id) -> str:
    return ids("ord").text(order_id)


def test_the_owner_sees_the_orders_payments(call, paid, order_id):
    """The list shows state and totals, with prefixed ids."""
    answer = call("get", f"/payments?order_id={order(order_id)}", who="ann")
    (body,) = answer.json()["data"]
    assert answer.status_code == 200
    assert body["id"].startswith("pay_")
    assert body["order_id"] == order(order_id)
    assert (body["state"], body["authorized"]) == (
        "authorized",
        {"amount": 10_000, "currency": "EUR"},
    )
    assert (body["decline_code"], body["next_action"], body["refunds"]) == (None, None, [])


def test_staff_see_everybodys_payments(call, paid, order_id):
    """The scope payment:read is enough."""
    answer = call("get", f"/payments?order_id={order(order_id)}", who="clerk")
    assert len(answer.json()["data"]) == 1


def test_a_guest_sees_the_payments_of_the_cart(call, service, authorize, order_id):
    """Whoever holds the Cart-Token owns what was bought with it."""
    service.authorize(authorize(owner=guest_owner("token-1")))
    path = f"/payments?order_id={order(order_id)}"
    mine = call("get", path, **{"Cart-Token": "token-1"})
    other = call("get", path, **{"Cart-Token": "token-2"})
    assert (len(mine.json()["data"]), len(other.json()["data"])) == (1, 0)


def test_others_see_nothing(call, paid, order_id):
    """Another customer's list is empty and the payment itself is not found."""
    assert call("get", f"/payments?order_id={order(order_id)}", who="bob").json()["data"] == []
    assert call("get", address(paid), who="bob").status_code == 404
    assert call("get", address(paid)).status_code == 401


@pytest.mark.parametrize("query", ["", "?order_id=", "?order_id=ord_x", "?order_id=pay_0&limit=0"])
def test_the_list_wants_an_order(call, query):
    """Anything but an order's id is pointed at."""
    answer = call("get", f"/payments{query}", who="ann")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_the_list_is_paged(call, service, authorize, order_id):
    """An order with many declined tries has many payments; cursors walk through them."""
    for number in range(3):
        with pytest.raises(Declined):
            service.authorize(authorize("card_declined", idempotency_key=f"k{number}"))
    path = f"/payments?order_id={order(order_id)}&limit=2"
    first = call("get", path, who="ann").json()
    second = call("get", f"{path}&cursor={first['next']}", who="ann").json()
    assert (len(first["data"]), len(second["data"]), second["next"]) == (2, 1, None)


def test_the_list_costs_the_same_for_any_number(
    call, service, authorize, order_id, django_assert_num_queries
):
    """One query for the payments and one for their refunds."""
    for number in range(4):
        with pytest.raises(Declined):
            service.authorize(authorize("card_declined", idempotency_key=f"k{number}"))
    with django_assert_num_queries(2, using="payment"):
        call("get", f"/payments?order_id={order(order_id)}", who="ann")


def test_a_payment_has_an_etag(call, paid):
    """Who has the present version need not get it again."""
    first = call("get", address(paid), who="ann")
    again = call("get", address(paid), who="ann", **{"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_staff_refund(call, taken, order_id):
    """A part of the capture goes back; the answer is the refund."""
    body = {
        "order_id": order(order_id),
        "amount": {"amount": 2_500, "currency": "EUR"},
        "reason": "damaged",
    }
    answer = call("post", "/refunds", body, who="chief", key="k1")
    assert answer.status_code == 201
    refund = answer.json()
    assert refund["id"].startswith("ref_")
    assert (refund["state"], refund["amount"]["amount"]) == ("succeeded", 2_500)
    shown = call("get", address(taken), who="ann").json()
    assert shown["refunds"] == [refund]
    assert shown["state"] == "partially_refunded"


def test_a_refund_with_the_same_key_is_replayed(call, standin, taken, order_id):
    """Byte for byte, and no money moves."""
    body = {"order_id": order(order_id), "reason": "damaged"}
    first = call("post", "/refunds", body, who="chief", key="k1")
    again = call("post", "/refunds", body, who="chief", key="k1")
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert len(standin.operations(order_id, "refund")) == 1


def test_a_refund_needs_a_key_and_the_scope(call, taken, order_id):
    """400 without a key; 403 and 401 without the scope."""
    body = {"order_id": order(order_id), "reason": "damaged"}
    assert call("post", "/refunds", body, who="chief").status_code == 400
    assert call("post", "/refunds", body, who="clerk", key="k").status_code == 403
    assert call("post", "/refunds", body, key="k").status_code == 401


def test_a_refund_beyond_the_capture_is_refused(call, taken, order_id):
    """The problem's code is stable."""
    body = {
        "order_id": order(order_id),
        "amount": {"amount": 10_001, "currency": "EUR"},
        "reason": "damaged",
    }
    answer = call("post", "/refunds", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment.refund_exceeds_capture")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": {"amount": 0, "currency": "EUR"}},
        {"amount": {"amount": 10**30, "currency": "EUR"}},
        {"amount": {"amount": 1, "currency": "euro"}},
        {"amount": {"amount": 1, "currency": "EUR", "extra": 1}},
        {"reason": ""},
        {"reason": "x" * 501},
        {"order_id": "ord_1"},
        {"surprise": True},
    ],
)
def test_a_wrong_refund_is_pointed_at(call, wrong):
    """Nothing that could overflow the database gets past the edge."""
    body = {"order_id": order(uuid4()), "reason": "damaged"} | wrong
    answer = call("post", "/refunds", body, who="chief", key=uuid4().hex)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"]


def test_a_refund_of_another_currency_is_refused(call, taken, order_id):
    """422 payment.currency_mismatch."""
    body = {
        "order_id": order(order_id),
        "amount": {"amount": 1, "currency": "USD"},
        "reason": "damaged",
    }
    answer = call("post", "/refunds", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "payment.currency_mismatch")


def test_a_refund_of_an_unknown_order_is_not_found(call, standin):
    """404 payment.not_found."""
    body = {"order_id": order(uuid4()), "reason": "damaged"}
    answer = call("post", "/refunds", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["code"]) == (404, "payment.not_found")


def test_an_unknown_outcome_can_be_asked_for_again(call, standin, taken, order_id):
    """503 with Retry-After; the same key then gives the refund, made once."""
    standin.faults("refund", "error_after")
    body = {"order_id": order(order_id), "reason": "damaged"}
    first = call("post", "/refunds", body, who="chief", key="k")
    assert (first.status_code, first.json()["code"]) == (503, "payment.outcome_unknown")
    assert first["Retry-After"]
    assert call("post", "/refunds", body, who="chief", key="k").status_code == 201
    assert len(standin.operations(order_id, "refund")) == 1


def test_staff_capture_a_part(call, paid):
    """The answer is the payment as it is now."""
    body = {"amount": {"amount": 4_000, "currency": "EUR"}}
    answer = call("post", f"{address(paid)}/capture", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["state"]) == (200, "partially_captured")
    assert call("post", f"{address(paid)}/capture", {}, who="clerk", key="k").status_code == 403


def test_staff_void(call, paid, taken, order_id):
    """What is captured cannot be voided; the problem says so."""
    answer = call("post", f"{address(paid)}/void", {"reason": "fraud"}, who="chief", key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment.not_voidable")


def test_staff_void_an_authorization(call, paid, order_id):
    """What is only held is given up."""
    answer = call("post", f"{address(paid)}/void", {"reason": "fraud"}, who="chief", key="k")
    assert (answer.status_code, answer.json()["state"]) == (200, "voided")
    assert payment(order_id).reason == "fraud"


@pytest.mark.parametrize("act", ["capture", "void"])
def test_an_unknown_payment_is_not_found(call, act):
    """404 for a well-formed id of nothing."""
    body = {"reason": "fraud"} if act == "void" else {}
    path = f"/payments/{ids('pay').text(uuid4())}/{act}"
    assert call("post", path, body, who="chief", key="k").status_code == 404


@pytest.mark.parametrize("act", ["capture", "void"])
def test_an_act_on_a_payment_leaves_the_one_beside_it(
    act, call, standin, declined, paid, service, order_id
):
    """The declined payment is named; the order's authorized one is not touched in its stead."""
    body = {"reason": "fraud"} if act == "void" else {}
    answer = call("post", f"{address(declined)}/{act}", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment.not_standing")
    assert service.payments(order_ids=(order_id,)) == (declined, paid)
    assert standin.operations(order_id, act) == []


@pytest.mark.parametrize(("act", "state"), [("capture", "captured"), ("void", "voided")])
def test_the_standing_payment_is_acted_on(act, state, call, declined, paid):
    """A declined try beside it is in nobody's way."""
    body = {"reason": "fraud"} if act == "void" else {}
    answer = call("post", f"{address(paid)}/{act}", body, who="chief", key="k")
    assert (answer.status_code, answer.json()["state"]) == (200, state)
