"""Orders over REST, with the other modules faked."""

from __future__ import annotations

import functools
import json
import re
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from modules.accounts.contract import EmailVerified
from modules.cart.contract import (
    Cart,
    CouponRefused,
    CurrencyMismatch,
    LineNotSellable,
    QuantityLimit,
)
from modules.inventory.contract import (
    BadQuantity,
    Inventory,
    ReservationClosed,
    ReservationMismatch,
    ReservationState,
    UnknownSku,
)
from modules.notification.contract import (
    Channel,
    Message,
    MessageState,
    Notification,
    SendMessage,
)
from modules.orders.handlers import claim_on_verified
from modules.orders.rest.placing import PLACING_ERRORS
from modules.orders.rest.serializers import CART, ORDER, RETURN
from modules.payment.contract import (
    ActionRequired,
    AmountNotPositive,
    OrderAlreadyPaid,
    Payment,
)
from modules.platform.binding import LocalRoute, routed
from modules.platform.contracts import Actor, ActorKind, ContractError
from modules.platform.databases import atomic
from modules.platform.rest import authentication
from modules.platform.rest.authentication import guest_owner
from modules.shipping.contract import NotDeliverable, Shipping
from tests.modules.orders.conftest import buy
from tests.modules.orders.fakes import BEFORE, World, usd

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-cart-token"
ADA = UUID(int=77)
ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Berlin", "country": "DE"}


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """``staff`` and ``reader`` are tokens of people who work here."""

    def verify(token: str) -> Actor | None:
        scopes = {"staff": {"orders:*"}, "reader": {"orders:read"}, "nobody": set()}
        if token not in scopes:
            return None
        return Actor(kind=ActorKind.STAFF, id=token, scopes=frozenset(scopes[token]), label=token)

    def customer(token: str) -> Actor | None:
        owners = {"ada": frozenset({f"customer:{ADA}"}), "bob": frozenset({"customer:bob"})}
        if token not in owners:
            return None
        return Actor(kind=ActorKind.CUSTOMER, id=token, owners=owners[token], label=token)

    monkeypatch.setattr(authentication, "_verifiers", [verify, customer])


class Shopper:
    """A client with a Cart-Token or an access token."""

    def __init__(self, **headers: str) -> None:
        self.client, self.headers = Client(raise_request_exception=False), headers

    def post(self, path: str, body: Any, *, key: str | None = "auto", **headers: str) -> Any:
        if key == "auto":
            key = str(uuid4())
        if key:
            headers["idempotency-key"] = key
        return self.client.post(
            f"/api/v1/orders{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers | headers,
        )

    def put(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.put(
            f"/api/v1/orders{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers | headers,
        )

    def delete(self, path: str) -> Any:
        return self.client.delete(f"/api/v1/orders{path}", headers=self.headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1/orders{path}", headers=self.headers | headers)


@pytest.fixture
def shopper() -> Shopper:
    return Shopper(**{"cart-token": TOKEN})


@pytest.fixture
def staff() -> Shopper:
    return Shopper(authorization="Bearer staff")


def wish(cart_id: UUID, method: str = "card_ok", **more: Any) -> dict[str, Any]:
    return {
        "cart_id": CART.text(cart_id),
        "email": "ada@example.com",
        "shipping_address": ADDRESS,
        "payment_method": method,
    } | more


def my_cart(world: World, **quantities: int) -> UUID:
    return world.new_cart(owner=guest_owner(TOKEN), **quantities)


def test_placing_answers_201_with_the_confirmed_order(world: World, shopper: Shopper) -> None:
    """The whole order is in the answer, and its address in Location."""
    response = shopper.post("", wish(my_cart(world, apple=2)))
    body = response.json()
    assert response.status_code == 201, body
    assert body["state"] == "confirmed"
    assert body["total"] == {"amount": 2500, "currency": "USD"}
    assert body["number"].startswith("FC-")
    assert response["Location"] == f"/api/v1/orders/{body['id']}"
    assert response["ETag"] == f'"{body["version"]}"'


def test_placing_without_idempotency_key_is_refused(world: World, shopper: Shopper) -> None:
    """400, and nothing is called."""
    response = shopper.post("", wish(my_cart(world)), key=None)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_missing")
    assert world.calls == []


def test_same_key_gives_the_same_answer_byte_for_byte(world: World, shopper: Shopper) -> None:
    """The second answer is a replay of the first."""
    cart_id = my_cart(world)
    first = shopper.post("", wish(cart_id), key="k1")
    second = shopper.post("", wish(cart_id), key="k1")
    assert second.content == first.content
    assert second["Idempotent-Replayed"] == "true"
    assert second["Location"] == first["Location"]


def test_same_cart_with_another_key_gives_the_same_order(world: World, shopper: Shopper) -> None:
    """Completing a cart again answers 200 with the order it became."""
    cart_id = my_cart(world)
    first = shopper.post("", wish(cart_id)).json()
    again = shopper.post("", wish(cart_id))
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert world.accounts[ORDER.parse(first["id"])].charges == 1


def test_declined_payment_is_409_and_the_cart_can_be_ordered_again(
    world: World, shopper: Shopper
) -> None:
    """The order is kept as cancelled with its reason; another card makes another order."""
    cart_id = my_cart(world)
    declined = shopper.post("", wish(cart_id, "card_declined"))
    assert (declined.status_code, declined.json()["code"]) == (409, "payment.declined")
    kept = shopper.client.get(declined["Location"], headers=shopper.headers).json()
    assert (kept["state"], kept["failure"]["code"]) == ("cancelled", "payment.declined")
    assert world.held("apple") == 0
    assert shopper.post("", wish(cart_id)).status_code == 201


def test_short_stock_is_409_and_names_every_shortage(world: World, shopper: Shopper) -> None:
    """Each short line has its own error."""
    response = shopper.post("", wish(my_cart(world, apple=101, pear=200)))
    body = response.json()
    assert (response.status_code, body["code"]) == (409, "inventory.insufficient_stock")
    assert {error["pointer"] for error in body["errors"]} == {"/lines/apple", "/lines/pear"}


def test_somebody_elses_cart_is_404(world: World, shopper: Shopper) -> None:
    """As if it did not exist."""
    response = shopper.post("", wish(world.new_cart(owner="guest:other")))
    assert (response.status_code, response.json()["code"]) == (404, "cart.not_found")


def test_unknown_payment_method_is_422(world: World, shopper: Shopper) -> None:
    """It can never be right, so it is the request that is wrong."""
    response = shopper.post("", wish(my_cart(world), "card_of_wood"))
    assert (response.status_code, response.json()["code"]) == (422, "payment.method_unknown")


def test_slow_payment_is_202_with_a_status_address(world: World, shopper: Shopper) -> None:
    """The order is there, reserved, and goes on in the background."""
    response = shopper.post("", wish(my_cart(world), "card_timeout"))
    assert (response.status_code, response.json()["state"]) == (202, "reserved")
    assert response["Location"].endswith(response.json()["id"])


def test_confirmation_at_the_bank_is_202_with_next_action(world: World, shopper: Shopper) -> None:
    """The shopper is told where to confirm."""
    response = shopper.post("", wish(my_cart(world), "card_requires_action"))
    assert response.status_code == 202
    assert response.json()["next_action"] == "https://bank/3ds"


def test_cart_that_does_not_answer_is_503_and_nothing_is_kept(
    world: World, shopper: Shopper
) -> None:
    """There is no order to look at, so the shopper is to ask again."""
    world.fail("cart.begin_checkout", BEFORE)
    cart_id = my_cart(world)
    response = shopper.post("", wish(cart_id), key="k")
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert shopper.post("", wish(cart_id), key="k").status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"shipping_address": ADDRESS | {"country": "XX"}}, "/shipping_address/country"),
        (
            {"shipping_address": ADDRESS | {"phone": "12345678901234567890"}},
            "/shipping_address/phone",
        ),
        ({"billing_address": ADDRESS | {"country": "ZZ"}}, "/billing_address/country"),
        ({"email": "nobody"}, "/email"),
        ({"cart_id": "cart_no"}, "/cart_id"),
        ({"payment_method": ""}, "/payment_method"),
        ({"extra": 1}, "/extra"),
    ],
)
def test_wrong_field_is_422_and_named(
    world: World, shopper: Shopper, change: dict[str, Any], pointer: str
) -> None:
    """The problem points at the field, and no module is called."""
    response = shopper.post("", wish(my_cart(world)) | change)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert world.calls == []


def test_phone_is_kept_as_e164(world: World, shopper: Shopper) -> None:
    """A national number gets its country's code."""
    address = ADDRESS | {"phone": "030 1234567", "country": "de"}
    body = shopper.post("", wish(my_cart(world), shipping_address=address)).json()
    assert body["shipping_address"]["phone"] == "+49301234567"
    assert body["shipping_address"]["country"] == "DE"


def test_order_is_readable_by_its_owner_and_by_staff_only(
    world: World, shopper: Shopper, staff: Shopper
) -> None:
    """Everybody else gets 404, nobody at all 401."""
    path = "/" + shopper.post("", wish(my_cart(world))).json()["id"]
    assert shopper.get(path).status_code == 200
    assert staff.get(path).status_code == 200
    assert Shopper(**{"cart-token": "another"}).get(path).status_code == 404
    assert Shopper(authorization="Bearer nobody").get(path).status_code == 404
    assert Shopper().get(path).status_code == 401


@pytest.fixture
def ada() -> Shopper:
    return Shopper(authorization="Bearer ada")


def verify_ada() -> None:
    with atomic("orders"):
        claim_on_verified(EmailVerified(customer_id=ADA, email="Ada@example.com"))


def test_guests_order_is_the_customers_once_the_address_is_verified(
    world: World, shopper: Shopper, ada: Shopper
) -> None:
    """Read, listed with the customer's own, cancelled; and the cart's token still opens it."""
    mine = world.new_cart(owner=f"customer:{ADA}")
    own = ada.post("", wish(mine)).json()["id"]
    made = shopper.post("", wish(my_cart(world))).json()["id"]
    other = shopper.post("", wish(my_cart(world), email="eve@example.com")).json()["id"]
    assert ada.get(f"/{made}").status_code == 404
    verify_ada()
    assert [order["id"] for order in ada.get("").json()["data"]] == [made, own]
    assert [order["id"] for order in ada.get("?limit=1&state=confirmed").json()["data"]] == [made]
    assert ada.get(f"/{made}").json()["email"] == "ada@example.com"
    assert ada.get(f"/{made}/timeline").status_code == 200
    assert ada.get(f"/{other}").status_code == 404
    assert Shopper(authorization="Bearer bob").get(f"/{made}").status_code == 404
    assert Shopper(authorization="Bearer bob").get("").json()["data"] == []
    assert ada.post(f"/{made}/cancel", {}).json()["state"] == "cancelled"
    assert shopper.get(f"/{made}").json()["state"] == "cancelled"


def test_list_of_a_customer_costs_one_query_more(
    world: World, ada: Shopper, django_assert_num_queries: Any
) -> None:
    """The customer's addresses, the page's ids, the orders."""
    verify_ada()
    for _ in range(3):
        buy(world.new_cart())
    with django_assert_num_queries(3, using="orders"):
        assert len(ada.get("").json()["data"]) == 3


def test_customer_sees_what_other_modules_have_of_a_claimed_order(
    world: World, shopper: Shopper, ada: Shopper
) -> None:
    """They know the order as its guest's; through the order the customer sees it all the same."""
    made = shopper.post("", wish(my_cart(world))).json()
    verify_ada()
    (payment,) = ada.get(f"/{made['id']}/payments").json()["data"]
    assert (payment["state"], payment["authorized"]) == ("authorized", made["total"])
    assert ada.get(f"/{made['id']}/shipments").json() == {"data": []}
    sent = Message(
        id=uuid4(),
        order_id=ORDER.parse(made["id"]),
        owner=guest_owner(TOKEN),
        template="order_confirmed",
        channel=Channel.EMAIL,
        recipient="ada@example.com",
        subject="Thank you",
        state=MessageState.SENT,
        attempts=1,
        created_at=datetime.now(UTC),
        sent_at=datetime.now(UTC),
    )
    with routed(Notification, LocalRoute(Letters(sent))):
        (message,) = ada.get(f"/{made['id']}/messages").json()["data"]
    assert (message["subject"], message["state"]) == ("Thank you", "sent")
    for part in ("payments", "shipments", "messages"):
        stranger = Shopper(**{"cart-token": "another"})
        assert stranger.get(f"/{made['id']}/{part}").status_code == 404


class Letters:
    """Notification, with one message about one order."""

    def __init__(self, message: Message) -> None:
        self.message = message

    def send(self, command: SendMessage) -> Message:
        return self.message

    def messages(self, *, order_ids: tuple[UUID, ...]) -> tuple[Message, ...]:
        return (self.message,) if self.message.order_id in order_ids else ()


ID = UUID(int=9)
REFUSALS: list[tuple[str, ContractError, int]] = [
    ("cart.begin_checkout", CouponRefused(coupon="TEN", reason="it is used up"), 409),
    ("cart.begin_checkout", QuantityLimit(sku="apple", limit=1), 422),
    ("cart.begin_checkout", LineNotSellable(sku="apple"), 409),
    ("cart.begin_checkout", CurrencyMismatch(sku="apple", currency="USD"), 409),
    ("shipping.quotes", NotDeliverable(country="DE"), 409),
    ("inventory.reserve", UnknownSku(sku="apple"), 404),
    ("inventory.reserve", BadQuantity(sku="apple", quantity=0), 422),
    ("inventory.reserve", ReservationMismatch(order_id=ID), 409),
    ("inventory.reserve", ReservationClosed(order_id=ID, state=ReservationState.RELEASED), 409),
    ("payment.authorize", OrderAlreadyPaid(order_id=ID, payment_id=ID), 409),
    ("payment.authorize", AmountNotPositive(amount=usd(0)), 422),
]


@pytest.mark.parametrize(
    ("call", "error", "status"), REFUSALS, ids=[type(error).__name__ for _, error, _ in REFUSALS]
)
def test_other_modules_refusal_is_a_documented_problem_and_all_is_given_back(
    world: World, shopper: Shopper, call: str, error: ContractError, status: int
) -> None:
    """Its own code and sentence; stock, money and cart are free, and the cart buys again."""
    cart_id = my_cart(world)
    world.fail(call, error)
    response = shopper.post("", wish(cart_id))
    body = response.json()
    assert (response.status_code, body["code"]) == (status, error.code)
    assert response["Content-Type"] == "application/problem+json"
    assert body["detail"] == error.sentence()
    assert body["code"] in documented("/api/v1/orders")[str(status)]
    assert (world.carts[cart_id].locked_by, world.held("apple")) == (None, 0)
    assert all(account.authorized == 0 for account in world.accounts.values())
    assert shopper.post("", wish(cart_id)).status_code == 201


@functools.cache
def documented(path: str) -> dict[str, str]:
    """Status to what the published document says of it, of POST."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    responses = document["paths"][path]["post"]["responses"]
    return {status: response["description"] for status, response in responses.items()}


def test_every_refusal_of_the_modules_that_placing_asks_is_documented() -> None:
    """What their ports say they raise is what POST /orders declares, but for what is retried."""
    asked = (Cart.begin_checkout, Shipping.quotes, Inventory.reserve, Payment.authorize)
    said = {name for call in asked for name in re.findall(r"[A-Z]\w+", call.__doc__ or "")}
    errors = {error.__name__: error for error in all_errors(ContractError)}
    found = {errors[name] for name in said & set(errors)}
    final = {error for error in found if not error.retryable} - {ActionRequired}
    assert final <= set(PLACING_ERRORS)


def all_errors(root: type[ContractError]) -> list[type[ContractError]]:
    return [root, *(each for child in root.__subclasses__() for each in all_errors(child))]


def test_unchanged_order_is_304(world: World, shopper: Shopper) -> None:
    """If-None-Match with the ETag that was read spares the body."""
    made = shopper.post("", wish(my_cart(world)))
    path = "/" + made.json()["id"]
    etag = shopper.get(path)["ETag"]
    assert shopper.get(path, **{"if-none-match": etag}).status_code == 304


def test_list_has_own_orders_newest_first_by_pages(world: World, shopper: Shopper) -> None:
    """Pages follow each other without gaps; other people's orders are not in them."""
    made = [shopper.post("", wish(my_cart(world))).json()["id"] for _ in range(3)]
    buy(world.new_cart())
    first = shopper.get("?limit=2").json()
    second = shopper.get(f"?limit=2&cursor={first['next']}").json()
    assert [o["id"] for o in first["data"] + second["data"]] == made[::-1]
    assert second["next"] is None


def test_staff_list_filters_by_email_state_and_time(world: World, staff: Shopper) -> None:
    """Staff see all orders and find one by its e-mail, state and time."""
    order = buy(world.new_cart()).order
    for query, count in [
        ("email=ADA@example.com", 1),
        ("email=bob@example.com", 0),
        ("state=confirmed", 1),
        ("state=closed", 0),
        ("placed_at__gte=2020-01-01T00:00:00Z", 1),
        ("placed_at__lt=2020-01-01T00:00:00Z", 0),
        (f"number={order.number.lower()}", 1),
    ]:
        assert len(staff.get(f"?{query}").json()["data"]) == count, query


def test_list_costs_the_same_queries_for_any_length(
    world: World, staff: Shopper, django_assert_num_queries: Any
) -> None:
    """Two statements: the page's ids and the orders with their lines."""
    for _ in range(3):
        buy(world.new_cart(apple=1, pear=1))
    with django_assert_num_queries(2, using="orders"):
        assert len(staff.get("").json()["data"]) == 3


def test_forged_cursor_is_422(world: World, staff: Shopper) -> None:
    """A cursor that no page gave is the client's mistake."""
    for cursor in ("W2ZhbHNlLCJhIiwiYiJd", "nonsense", "W2ZhbHNlLDEsMl0"):
        assert staff.get(f"?cursor={cursor}").status_code == 422, cursor


def test_timeline_tells_what_happened(world: World, shopper: Shopper) -> None:
    """Oldest first."""
    path = "/" + shopper.post("", wish(my_cart(world))).json()["id"]
    kinds = [entry["kind"] for entry in shopper.get(f"{path}/timeline").json()["data"]]
    assert kinds == ["placed", "reserved", "authorized", "confirmed"]


def test_cancel_gives_everything_back(world: World, shopper: Shopper) -> None:
    """200 with the cancelled order; stock and money are free."""
    made = shopper.post("", wish(my_cart(world))).json()
    response = shopper.post(f"/{made['id']}/cancel", {"reason": "changed my mind"})
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert world.held("apple") == 0
    assert world.standing(ORDER.parse(made["id"])) == 0


def test_cancel_with_a_stale_etag_is_412(world: World, shopper: Shopper) -> None:
    """Somebody changed the order since it was read."""
    made = shopper.post("", wish(my_cart(world))).json()
    response = shopper.post(f"/{made['id']}/cancel", {}, **{"if-match": '"1"'})
    assert (response.status_code, response.json()["code"]) == (412, "stale_version")


def test_cancelling_a_dispatched_order_is_409(world: World, shopper: Shopper) -> None:
    """It stands as it was."""
    made = shopper.post("", wish(my_cart(world))).json()
    world.dispatched.add(ORDER.parse(made["id"]))
    response = shopper.post(f"/{made['id']}/cancel", {})
    assert (response.status_code, response.json()["code"]) == (409, "orders.not_cancellable")
    assert shopper.get(f"/{made['id']}").json()["state"] == "confirmed"


def test_reader_may_not_cancel(world: World, shopper: Shopper) -> None:
    """Reading is not writing."""
    made = shopper.post("", wish(my_cart(world))).json()
    reader = Shopper(authorization="Bearer reader")
    assert reader.post(f"/{made['id']}/cancel", {}).status_code == 404


def test_fifty_requests_with_one_key_make_one_order(world: World) -> None:
    """All at once: one order, one charge; each answer is the order or 409 while it runs."""
    cart_id = my_cart(world)
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        try:
            response = Shopper(**{"cart-token": TOKEN}).post("", wish(cart_id), key="one")
            answers.append((response.status_code, response.content))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {content for status, content in answers if status == 201}
    assert {status for status, _ in answers} <= {201, 409}
    assert len(made) == 1
    assert sum(account.charges for account in world.accounts.values()) == 1
    last = Shopper(**{"cart-token": TOKEN}).post("", wish(cart_id), key="one")
    assert {last.content} == made


DRAFT = {
    "email": "bob@example.com",
    "currency": "USD",
    "lines": [{"sku": "apple", "name": "Apple", "quantity": 2, "unit_price": 900}],
    "shipping_address": ADDRESS,
    "shipping": 300,
}


def test_draft_is_made_changed_and_placed_by_staff(world: World, staff: Shopper) -> None:
    """A draft holds nothing; placing it reserves, charges and confirms."""
    made = staff.post("/drafts", DRAFT)
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    assert world.calls == []
    path = f"/drafts/{made.json()['id']}"
    lines = [{"sku": "pear", "name": "Pear", "quantity": 1, "unit_price": 700}]
    changed = staff.put(path, DRAFT | {"lines": lines}, **{"if-match": made["ETag"]})
    assert changed.json()["total"]["amount"] == 1000
    placed = staff.post(f"{path}/place", {"payment_method": "card_ok"})
    assert (placed.status_code, placed.json()["state"]) == (201, "confirmed"), placed.json()
    assert world.held("pear") == 1


def test_draft_cannot_be_changed_once_placed(world: World, staff: Shopper) -> None:
    """It is an order then."""
    path = f"/drafts/{staff.post('/drafts', DRAFT).json()['id']}"
    assert staff.put(path, DRAFT).status_code == 428
    assert staff.put(path, DRAFT, **{"if-match": '"99"'}).status_code == 412
    staff.post(f"{path}/place", {"payment_method": "card_ok"})
    assert staff.put(path, DRAFT, **{"if-match": "*"}).status_code == 409
    assert staff.delete(path).status_code == 409


def test_discarded_draft_is_cancelled(world: World, staff: Shopper) -> None:
    """204, and nothing was ever held."""
    order_id = staff.post("/drafts", DRAFT).json()["id"]
    assert staff.delete(f"/drafts/{order_id}").status_code == 204
    assert staff.get(f"/{order_id}").json()["state"] == "cancelled"


def test_drafts_are_for_staff(world: World, shopper: Shopper) -> None:
    """A shopper's token is not enough."""
    assert shopper.post("/drafts", DRAFT).status_code == 401


def test_return_is_announced_received_and_refunded(
    world: World, shopper: Shopper, staff: Shopper
) -> None:
    """The shopper announces, staff receive, money and stock go back."""
    from tests.modules.orders.test_returns import deliver

    order = deliver(world, my_cart(world, apple=2))
    path = f"/{ORDER.text(order.id)}/returns"
    lines = [{"sku": "apple", "quantity": 1}]
    asked = shopper.post(path, {"lines": lines, "reason": "too sour"})
    assert (asked.status_code, asked.json()["state"]) == (201, "requested")
    received = staff.post(f"{path}/{asked.json()['id']}/receive", {})
    assert (received.json()["state"], received.json()["amount"]["amount"]) == ("refunded", 1000)
    assert world.restocked["apple"] == 1
    assert len(shopper.get(path).json()["data"]) == 1
    unknown = staff.post(f"{path}/{RETURN.text(uuid4())}/receive", {})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "orders.return_not_found")
