"""The modules that orders calls, as stateful fakes whose answers can fail, get lost or refuse.

``world.fail("payment.authorize", LOST)`` makes the next call of that name fail that way.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import Enum
from threading import RLock
from typing import Any
from uuid import UUID, uuid4

from modules.cart.contract import (
    BeginCheckout,
    Cart,
    CartEmpty,
    CartLine,
    CartLocked,
    CartNotFound,
    CartSnapshot,
    CompleteCheckout,
    ReopenCart,
)
from modules.inventory.contract import (
    AllocateStock,
    Availability,
    InsufficientStock,
    Inventory,
    ReleaseStock,
    Reservation,
    ReservationClosed,
    ReservationNotFound,
    ReservationState,
    ReserveStock,
    RestockReturn,
    SetStock,
    Shortage,
    StockLine,
)
from modules.payment.contract import (
    ActionRequired,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    Declined,
    NotCapturable,
    OutcomeUnknown,
    Payment,
    PaymentMethodUnknown,
    PaymentNotFound,
    PaymentRecord,
    PaymentState,
    Refund,
    RefundExceedsCapture,
    RefundPayment,
    RefundState,
)
from modules.platform.binding import LocalRoute, Route, routed
from modules.platform.contracts import ContractError, Money, PostalAddress, Unavailable
from modules.shipping.contract import (
    AlreadyDispatched,
    CancelShipments,
    NotDeliverable,
    Parcel,
    Shipment,
    Shipping,
    ShippingQuote,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USD = "USD"


class Fault(Enum):
    """How a call fails: before it does anything, after it, or by a bug."""

    BEFORE = "before"
    LOST = "lost"
    BUG = "bug"


BEFORE, LOST, BUG = Fault.BEFORE, Fault.LOST, Fault.BUG


def usd(amount: int) -> Money:
    return Money(amount=amount, currency=USD)


@dataclass
class Basket:
    """A cart of the fake."""

    owner: str
    lines: tuple[CartLine, ...]
    locked_by: UUID | None = None
    completed: bool = False


@dataclass
class Account:
    """What one order paid, in minor units."""

    id: UUID = field(default_factory=uuid4)
    method: str = ""
    amount: int = 0
    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    charges: int = 0
    charged_by: set[str] = field(default_factory=set)  # idempotency keys
    state: PaymentState = PaymentState.CREATED


@dataclass
class Hold:
    """What one order holds."""

    lines: dict[str, int]
    expires_at: datetime
    state: ReservationState = ReservationState.HELD


class World:
    """Cart, inventory, payment and shipping as one small world with invariants."""

    def __init__(self, stock: dict[str, int] | None = None) -> None:
        self.stock = dict(stock or {"apple": 100, "pear": 100})
        self.carts: dict[UUID, Basket] = {}
        self.holds: dict[UUID, Hold] = {}
        self.accounts: dict[UUID, Account] = {}
        self.dispatched: set[UUID] = set()
        self.stopped: dict[UUID, list[str]] = defaultdict(list)
        self.restocked: dict[str, int] = defaultdict(int)
        self.faults: dict[str, deque[Fault | ContractError]] = defaultdict(deque)
        self.always: dict[str, Fault | ContractError] = {}
        self.calls: list[tuple[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.undeliverable = False
        self.postage = 500
        self.lock = RLock()

    def fail(self, call: str, *faults: Fault | ContractError) -> None:
        """The next calls of that name fail so, one after the other."""
        self.faults[call].extend(faults)

    def new_cart(self, owner: str = "guest:me", price: int = 1000, **quantities: int) -> UUID:
        """A cart with so many of each SKU at ``price`` each."""
        cart_id = uuid4()
        lines = tuple(
            cart_line(sku, count, price) for sku, count in (quantities or {"apple": 2}).items()
        )
        self.carts[cart_id] = Basket(owner=owner, lines=lines)
        return cart_id

    def held(self, sku: str) -> int:
        """How many are held or allocated for orders."""
        states = (ReservationState.HELD, ReservationState.ALLOCATED)
        return sum(h.lines.get(sku, 0) for h in self.holds.values() if h.state in states)

    def standing(self, order_id: UUID) -> int:
        """The money that is set aside or taken for the order and not given back."""
        account = self.accounts.get(order_id)
        return 0 if account is None else account.authorized + account.captured - account.refunded

    def do(self, name: str, key: str, effect: Any) -> Any:
        """Carry out ``effect`` once per key, unless a fault says otherwise."""
        with self.lock:
            self.calls.append((name, key))
            fault = self.faults[name].popleft() if self.faults[name] else self.always.get(name)
            if isinstance(fault, ContractError):
                raise fault
            if fault is BEFORE:
                raise Unavailable()
            if fault is BUG:
                raise RuntimeError(f"a bug in {name}")
            if key not in self.answers:
                self.answers[key] = effect()
            if fault is LOST:
                raise Unavailable()
            return self.answers[key]

    @contextmanager
    def bound(self, route: Any = LocalRoute) -> Iterator[World]:
        """Answer the four ports from here for a while."""
        fakes: list[tuple[type, object]] = [
            (Cart, FakeCart(self)),
            (Inventory, FakeInventory(self)),
            (Payment, FakePayment(self)),
            (Shipping, FakeShipping(self)),
        ]
        with ExitStack() as stack:
            for port, fake in fakes:
                way: Route = route(fake)
                stack.enter_context(routed(port, way))
            yield self


def cart_line(sku: str, quantity: int, price: int) -> CartLine:
    return CartLine(
        sku=sku,
        product_id=UUID(int=7),
        name=f"A {sku}",
        quantity=quantity,
        unit_price=usd(price),
        discount=usd(0),
        total=usd(price * quantity),
        tax=usd(price * quantity // 10),
        tax_basis_points=1000,
        weight_grams=250,
    )


class FakeCart:
    def __init__(self, world: World) -> None:
        self.world = world

    def begin_checkout(self, command: BeginCheckout) -> CartSnapshot:
        return self.world.do(
            "cart.begin_checkout", command.idempotency_key, lambda: self._begin(command)
        )

    def _begin(self, command: BeginCheckout) -> CartSnapshot:
        basket = self.world.carts.get(command.cart_id)
        if basket is None or basket.owner not in command.owners:
            raise CartNotFound(cart_id=command.cart_id)
        if basket.locked_by not in (None, command.order_id):
            raise CartLocked(cart_id=command.cart_id, order_id=basket.locked_by)
        if not basket.lines:
            raise CartEmpty(cart_id=command.cart_id)
        basket.locked_by = command.order_id
        total = sum((line.total for line in basket.lines), usd(0))
        return CartSnapshot(
            id=command.cart_id,
            owner=basket.owner,
            currency=USD,
            lines=basket.lines,
            coupons=(),
            subtotal=total,
            discount=usd(0),
            total=total,
            tax=sum((line.tax for line in basket.lines), usd(0)),
        )

    def complete_checkout(self, command: CompleteCheckout) -> None:
        def effect() -> None:
            basket = self.world.carts[command.cart_id]
            if basket.locked_by != command.order_id:
                raise CartLocked(cart_id=command.cart_id, order_id=command.order_id)
            basket.completed = True

        self.world.do("cart.complete_checkout", command.idempotency_key, effect)

    def reopen(self, command: ReopenCart) -> None:
        def effect() -> None:
            basket = self.world.carts.get(command.cart_id)
            if basket and basket.locked_by == command.order_id and not basket.completed:
                basket.locked_by = None

        self.world.do("cart.reopen", command.idempotency_key, effect)


class FakeInventory:
    def __init__(self, world: World) -> None:
        self.world = world

    def availability(self, *, skus: tuple[str, ...]) -> tuple[Availability, ...]:
        return ()

    def reserve(self, command: ReserveStock) -> Reservation:
        return self.world.do(
            "inventory.reserve", command.idempotency_key, lambda: self._reserve(command)
        )

    def _require_free(self, lines: tuple[StockLine, ...]) -> None:
        world = self.world
        shortages = tuple(
            Shortage(sku=line.sku, requested=line.quantity, available=free)
            for line in lines
            if (free := world.stock.get(line.sku, 0) - world.held(line.sku)) < line.quantity
        )
        if shortages:
            raise InsufficientStock(shortages=shortages)

    def _reserve(self, command: ReserveStock) -> Reservation:
        self._require_free(command.lines)
        lines = {line.sku: line.quantity for line in command.lines}
        self.world.holds[command.order_id] = Hold(lines=lines, expires_at=command.expires_at)
        return self.reservation(order_id=command.order_id)

    def allocate(self, command: AllocateStock) -> Reservation:
        hold = self.world.holds.get(command.order_id)
        if hold is None:
            raise ReservationNotFound(order_id=command.order_id)
        if hold.state is ReservationState.RELEASED:
            raise ReservationClosed(order_id=command.order_id, state=hold.state)
        if hold.state is ReservationState.EXPIRED:
            self._require_free(command.lines)
        hold.state = ReservationState.ALLOCATED
        return self.reservation(order_id=command.order_id)

    def release(self, command: ReleaseStock) -> None:
        self.world.do("inventory.release", command.idempotency_key, lambda: self._release(command))

    def _release(self, command: ReleaseStock) -> None:
        hold = self.world.holds.get(command.order_id)
        if hold is None:
            return
        if hold.state is ReservationState.DISPATCHED:
            raise ReservationClosed(order_id=command.order_id, state=hold.state)
        for line in command.lines:
            hold.lines[line.sku] = max(hold.lines.get(line.sku, 0) - line.quantity, 0)
        if not command.lines:
            hold.state = ReservationState.RELEASED

    def restock(self, command: RestockReturn) -> None:
        def effect() -> None:
            for line in command.lines:
                self.world.restocked[line.sku] += line.quantity

        self.world.do("inventory.restock", command.idempotency_key, effect)

    def set_stock(self, command: SetStock) -> int:
        return 0

    def reservation(self, *, order_id: UUID) -> Reservation:
        hold = self.world.holds.get(order_id)
        if hold is None:
            raise ReservationNotFound(order_id=order_id)
        lines = tuple(StockLine(sku=sku, quantity=n) for sku, n in hold.lines.items())
        return Reservation(
            id=order_id,
            order_id=order_id,
            state=hold.state,
            lines=lines,
            expires_at=hold.expires_at,
        )


class FakePayment:
    """Knows card_ok, card_declined, card_timeout, card_requires_action."""

    def __init__(self, world: World) -> None:
        self.world = world

    def authorize(self, command: AuthorizePayment) -> PaymentRecord:
        return self.world.do(
            "payment.authorize", command.idempotency_key, lambda: self._authorize(command)
        )

    def _authorize(self, command: AuthorizePayment) -> PaymentRecord:
        known = command.order_id in self.world.accounts
        account = self.world.accounts.setdefault(command.order_id, Account())
        account.method, account.amount = command.method, command.amount.amount
        match command.method:
            case "card_declined":
                account.state = PaymentState.DECLINED
                raise Declined(order_id=command.order_id, decline_code="card_declined")
            case "card_requires_action":
                account.state = PaymentState.REQUIRES_ACTION
                raise ActionRequired(order_id=command.order_id, next_action="https://bank/3ds")
            case "card_timeout" if not known:
                self._charge(account, command.idempotency_key)
                raise OutcomeUnknown(order_id=command.order_id)
            case "card_ok" | "card_timeout":
                self._charge(account, command.idempotency_key)
                return record(command.order_id, account)
            case _:
                raise PaymentMethodUnknown(method=command.method)

    def _charge(self, account: Account, key: str) -> None:
        if key in account.charged_by:
            return
        account.charged_by.add(key)
        account.authorized, account.state = account.amount, PaymentState.AUTHORIZED
        account.charges += 1

    def capture(self, command: CapturePayment) -> PaymentRecord:
        return self.world.do(
            "payment.capture", command.idempotency_key, lambda: self._capture(command.order_id)
        )

    def _capture(self, order_id: UUID) -> PaymentRecord:
        account = self.world.accounts.get(order_id)
        if account is None:
            raise PaymentNotFound(order_id=order_id)
        if account.state is not PaymentState.AUTHORIZED:
            raise NotCapturable(order_id=order_id, state=account.state)
        account.captured, account.authorized = account.authorized, 0
        account.state = PaymentState.CAPTURED
        return record(order_id, account)

    def cancel(self, command: CancelPayment) -> None:
        self.world.do(
            "payment.cancel", command.idempotency_key, lambda: self._cancel(command.order_id)
        )

    def _cancel(self, order_id: UUID) -> None:
        # Remembered even without a payment: an authorization that lands later is refused.
        account = self.world.accounts.get(order_id)
        if account is None:
            return
        if account.captured:
            account.refunded, account.state = account.captured, PaymentState.REFUNDED
        else:
            account.authorized, account.state = 0, PaymentState.VOIDED

    def refund(self, command: RefundPayment) -> Refund:
        return self.world.do(
            "payment.refund", command.idempotency_key, lambda: self._refund(command)
        )

    def _refund(self, command: RefundPayment) -> Refund:
        account = self.world.accounts.get(command.order_id)
        if account is None:
            raise PaymentNotFound(order_id=command.order_id)
        left = account.captured - account.refunded
        amount = command.amount or usd(left)
        if amount.amount > left:
            raise RefundExceedsCapture(requested=amount, refundable=usd(left))
        account.refunded += amount.amount
        return Refund(
            id=uuid4(),
            payment_id=account.id,
            order_id=command.order_id,
            state=RefundState.SUCCEEDED,
            amount=amount,
            reason=command.reason,
            created_at=NOW,
        )

    def payments(self, *, order_ids: tuple[UUID, ...]) -> tuple[PaymentRecord, ...]:
        accounts = self.world.accounts
        return tuple(record(each, accounts[each]) for each in order_ids if each in accounts)


def record(order_id: UUID, account: Account) -> PaymentRecord:
    return PaymentRecord(
        id=account.id,
        order_id=order_id,
        owner="guest:me",
        provider="standin",
        method=account.method,
        state=account.state,
        amount=usd(account.amount),
        authorized=usd(account.authorized),
        captured=usd(account.captured),
        refunded=usd(account.refunded),
        decline_code="",
        next_action="",
        created_at=NOW,
        version=1,
    )


class FakeShipping:
    def __init__(self, world: World) -> None:
        self.world = world

    def quotes(self, *, address: PostalAddress, parcel: Parcel) -> tuple[ShippingQuote, ...]:
        if self.world.undeliverable:
            raise NotDeliverable(country=address.country)

        def quote(method: str, price: int) -> ShippingQuote:
            return ShippingQuote(
                method=method,
                name=method.title(),
                price=usd(price),
                tax_basis_points=0,
                earliest=date(2026, 1, 3),
                latest=date(2026, 1, 5),
            )

        offered = (quote("standard", self.world.postage), quote("express", 1500))
        return self.world.do("shipping.quotes", str(uuid4()), lambda: offered)

    def cancel(self, command: CancelShipments) -> None:
        def effect() -> None:
            if command.order_id in self.world.dispatched:
                raise AlreadyDispatched(order_id=command.order_id)
            self.world.stopped[command.order_id] += [line.sku for line in command.lines] or ["*"]

        self.world.do("shipping.cancel", command.idempotency_key, effect)

    def shipments(self, *, order_ids: tuple[UUID, ...]) -> tuple[Shipment, ...]:
        return ()


ADDRESS = PostalAddress(
    name="Ada", line1="1 Main St", city="Berlin", country="DE", postal_code="10115"
)


def elsewhere(country: str) -> PostalAddress:
    return replace(ADDRESS, country=country)
