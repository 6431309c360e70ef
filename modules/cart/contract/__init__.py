"""All that other modules may import of cart."""

from modules.cart.contract.commands import BeginCheckout, CompleteCheckout, ReopenCart
from modules.cart.contract.errors import (
    CartEmpty,
    CartError,
    CartLocked,
    CartNotFound,
    CouponCodeTaken,
    CouponInvalid,
    CouponNotFound,
    CouponRefused,
    CurrencyMismatch,
    LineNotFound,
    LineNotSellable,
    QuantityLimit,
    TooManyLines,
)
from modules.cart.contract.events import CartCheckedOut, CartMerged
from modules.cart.contract.port import Cart
from modules.cart.contract.types import CartLine, CartSnapshot

__all__ = [
    "BeginCheckout",
    "Cart",
    "CartCheckedOut",
    "CartEmpty",
    "CartError",
    "CartLine",
    "CartLocked",
    "CartMerged",
    "CartNotFound",
    "CartSnapshot",
    "CompleteCheckout",
    "CouponCodeTaken",
    "CouponInvalid",
    "CouponNotFound",
    "CouponRefused",
    "CurrencyMismatch",
    "LineNotFound",
    "LineNotSellable",
    "QuantityLimit",
    "ReopenCart",
    "TooManyLines",
]
