"""Inventory's addresses, below ``/api/v1/inventory``."""

from __future__ import annotations

from django.urls import path

from modules.inventory.rest import stock, views
from modules.platform.rest.identifiers import ids

ids("ord")

urlpatterns = [
    path("/stock", stock.StockListView.as_view()),
    path("/stock/<str:sku>", stock.StockItemView.as_view()),
    path("/availability", stock.AvailabilityView.as_view()),
    path("/adjustments", stock.AdjustmentsView.as_view()),
    path("/transfers", stock.TransfersView.as_view()),
    path("/stocktakes", stock.StocktakesView.as_view()),
    path("/warehouses", views.WarehousesView.as_view()),
    path("/warehouses/<slug:code>", views.WarehouseView.as_view()),
    path("/movements", views.MovementsView.as_view()),
    path("/reservations/<ord:order_id>", views.ReservationView.as_view()),
    path("/reservations/<ord:order_id>/release", views.ReleaseView.as_view()),
]
