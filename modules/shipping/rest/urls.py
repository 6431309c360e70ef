"""Shipping's addresses, below ``/api/v1/shipping``."""

from __future__ import annotations

from django.urls import path

from modules.platform.rest.identifiers import ids
from modules.shipping.rest import tariff, views

ids("shp")

urlpatterns = [
    path("/quotes", views.QuotesView.as_view()),
    path("/shipments", views.ShipmentsView.as_view()),
    path("/shipments/<shp:shipment_id>", views.ShipmentView.as_view()),
    path("/shipments/<shp:shipment_id>/dispatch", views.DispatchView.as_view()),
    path("/shipments/<shp:shipment_id>/deliver", views.DeliverView.as_view()),
    path("/shipments/<shp:shipment_id>/split", views.SplitView.as_view()),
    path("/shipments/<shp:shipment_id>/cancel", views.CancelView.as_view()),
    path("/pick-list", views.PickListView.as_view()),
    path("/zones", tariff.ZonesView.as_view()),
    path("/zones/<slug:code>", tariff.ZoneView.as_view()),
    path("/carriers", tariff.CarriersView.as_view()),
    path("/methods", tariff.MethodsView.as_view()),
    path("/methods/<slug:code>", tariff.MethodView.as_view()),
    path("/rates", tariff.RatesView.as_view()),
    path(
        "/rates/<slug:zone>/<slug:method>/<slug:currency>",
        tariff.RateView.as_view(),
    ),
]
