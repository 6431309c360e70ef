"""Addresses under ``/api/v1/cart``."""

from django.urls import path

from modules.cart.rest import answers  # noqa: F401  registers the ids' path converters
from modules.cart.rest.carts import (
    CartCouponsView,
    CartCouponView,
    CartsView,
    CartView,
    ClaimView,
    LinesView,
    LineView,
)
from modules.cart.rest.coupons import CouponsView, CouponView

urlpatterns = [
    path("", CartsView.as_view()),
    path("/coupons", CouponsView.as_view()),
    path("/coupons/<str:code>", CouponView.as_view()),
    path("/<cart:cart_id>", CartView.as_view()),
    path("/<cart:cart_id>/claim", ClaimView.as_view()),
    path("/<cart:cart_id>/lines", LinesView.as_view()),
    path("/<cart:cart_id>/lines/<str:sku>", LineView.as_view()),
    path("/<cart:cart_id>/coupons", CartCouponsView.as_view()),
    path("/<cart:cart_id>/coupons/<str:code>", CartCouponView.as_view()),
]
