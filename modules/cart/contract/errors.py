"""Errors of carts.

CartError
├── CartNotFound          NotFound
├── CartEmpty             Conflict
├── CartLocked            Conflict     it is being ordered, or was
├── LineNotSellable       Conflict
├── LineNotFound          NotFound
├── QuantityLimit         Invalid
├── TooManyLines          Invalid
├── CouponRefused         Conflict
├── CouponNotFound        NotFound
├── CouponCodeTaken       Conflict
├── CouponInvalid         Invalid
└── CurrencyMismatch      Conflict     the cart is priced in another currency
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Conflict, ContractError, Invalid, NotFound


class CartError(ContractError):
    """Root of the module's errors."""

    code = "cart.error"


@dataclass(kw_only=True, eq=False)
class CartNotFound(CartError, NotFound):
    """No such cart, or it is somebody else's."""

    code = "cart.not_found"
    cart_id: UUID

    def sentence(self) -> str:
        return "There is no such cart, or it belongs to somebody else."


@dataclass(kw_only=True, eq=False)
class CartEmpty(CartError, Conflict):
    """Nothing to order."""

    code = "cart.empty"
    cart_id: UUID

    def sentence(self) -> str:
        return "The cart is empty; add a line first."


@dataclass(kw_only=True, eq=False)
class CartLocked(CartError, Conflict):
    """The cart is being ordered, or already was; ``order_id`` says by which order."""

    code = "cart.locked"
    cart_id: UUID
    order_id: UUID

    def sentence(self) -> str:
        return f"The cart belongs to order {self.order_id} and cannot change."


@dataclass(kw_only=True, eq=False)
class LineNotSellable(CartError, Conflict):
    """The SKU is unknown or not for sale."""

    code = "cart.line_not_sellable"
    sku: str

    def sentence(self) -> str:
        return f"SKU {self.sku} is not for sale."


@dataclass(kw_only=True, eq=False)
class LineNotFound(CartError, NotFound):
    """The cart has no such line."""

    code = "cart.line_not_found"
    sku: str

    def sentence(self) -> str:
        return f"The cart has no line for SKU {self.sku}."


@dataclass(kw_only=True, eq=False)
class QuantityLimit(CartError, Invalid):
    """More than one order may have of this SKU."""

    code = "cart.quantity_limit"
    sku: str
    limit: int

    def sentence(self) -> str:
        return f"An order may have at most {self.limit} of SKU {self.sku}."


@dataclass(kw_only=True, eq=False)
class TooManyLines(CartError, Invalid):
    """The cart has as many lines as it may."""

    code = "cart.too_many_lines"
    limit: int

    def sentence(self) -> str:
        return f"A cart may have at most {self.limit} lines."


@dataclass(kw_only=True, eq=False)
class CouponRefused(CartError, Conflict):
    """The coupon is unknown, expired, used up or does not apply."""

    code = "cart.coupon_refused"
    coupon: str
    reason: str

    def sentence(self) -> str:
        return f"Coupon {self.coupon} was refused: {self.reason}."


@dataclass(kw_only=True, eq=False)
class CouponNotFound(CartError, NotFound):
    """The cart, or the shop, has no such coupon."""

    code = "cart.coupon_not_found"
    coupon: str

    def sentence(self) -> str:
        return f"There is no coupon {self.coupon}."


@dataclass(kw_only=True, eq=False)
class CouponCodeTaken(CartError, Conflict):
    """Another coupon has the code."""

    code = "cart.coupon_code_taken"
    coupon: str

    def sentence(self) -> str:
        return f"There is a coupon {self.coupon} already."


class CouponInvalid(CartError, Invalid):
    """The coupon's numbers contradict each other."""

    code = "cart.coupon_invalid"

    def sentence(self) -> str:
        return (
            "A percent coupon has basis_points from 1 to 10000 and no amount; a fixed one has "
            "an amount and a currency; a limit is not below what is used already; times are "
            "in the years 2000 to 9000."
        )


@dataclass(kw_only=True, eq=False)
class CurrencyMismatch(CartError, Conflict):
    """All lines of a cart are priced in one currency."""

    code = "cart.currency_mismatch"
    sku: str
    currency: str

    def sentence(self) -> str:
        return f"SKU {self.sku} is not priced in {self.currency}, as the cart's lines are."
