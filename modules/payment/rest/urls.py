"""Addresses under ``/api/v1/payment``."""

from __future__ import annotations

from django.urls import path

from modules.payment.rest import views

urlpatterns = [
    path("/payments", views.PaymentsView.as_view()),
    path("/payments/<pay:payment_id>", views.PaymentView.as_view()),
    path("/payments/<pay:payment_id>/capture", views.CaptureView.as_view()),
    path("/payments/<pay:payment_id>/void", views.VoidView.as_view()),
    path("/refunds", views.RefundsView.as_view()),
    path("/webhooks/<str:provider>", views.WebhooksView.as_view()),
]
