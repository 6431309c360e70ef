"""The addresses of orders, under ``/api/v1/orders``."""

from __future__ import annotations

from django.urls import path

from modules.orders.rest.drafts import DraftsView, DraftView, PlaceDraftView
from modules.orders.rest.elsewhere import (
    OrderMessagesView,
    OrderPaymentsView,
    OrderShipmentsView,
)
from modules.orders.rest.returns import ReceiveReturnView, RejectReturnView, ReturnsView
from modules.orders.rest.views import CancelView, OrdersView, OrderView, TimelineView

urlpatterns = [
    path("", OrdersView.as_view()),
    path("/drafts", DraftsView.as_view()),
    path("/drafts/<ord:order_id>", DraftView.as_view()),
    path("/drafts/<ord:order_id>/place", PlaceDraftView.as_view()),
    path("/<ord:order_id>", OrderView.as_view()),
    path("/<ord:order_id>/timeline", TimelineView.as_view()),
    path("/<ord:order_id>/payments", OrderPaymentsView.as_view()),
    path("/<ord:order_id>/shipments", OrderShipmentsView.as_view()),
    path("/<ord:order_id>/messages", OrderMessagesView.as_view()),
    path("/<ord:order_id>/cancel", CancelView.as_view()),
    path("/<ord:order_id>/returns", ReturnsView.as_view()),
    path("/<ord:order_id>/returns/<ret:return_id>/receive", ReceiveReturnView.as_view()),
    path("/<ord:order_id>/returns/<ret:return_id>/reject", RejectReturnView.as_view()),
]
