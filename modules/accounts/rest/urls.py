"""Addresses under ``/api/v1/accounts``."""

from __future__ import annotations

from django.urls import path

from modules.accounts.rest import addresses, pages, staff, views

urlpatterns = [
    path("/register", views.RegisterView.as_view()),
    path("/token", views.TokenView.as_view()),
    path("/token/refresh", views.TokenRefreshView.as_view()),
    path("/token/revoke", views.TokenRevokeView.as_view()),
    path("/.well-known/jwks.json", views.JwksView.as_view()),
    path("/me", views.MeView.as_view()),
    path("/me/password", views.PasswordView.as_view()),
    path("/me/sessions", views.SessionsView.as_view()),
    path("/me/sessions/<ses:session_id>", views.SessionView.as_view()),
    path("/verify-email", views.VerifyEmailView.as_view()),
    path("/verify-email/resend", views.VerifyEmailResendView.as_view()),
    path("/verify-email/page", pages.VerifyEmailPage.as_view()),
    path("/password-reset", views.PasswordResetView.as_view()),
    path("/password-reset/confirm", views.PasswordResetConfirmView.as_view()),
    path("/password-reset/page", pages.PasswordResetPage.as_view()),
    path("/addresses", addresses.AddressesView.as_view()),
    path("/addresses/<adr:address_id>", addresses.AddressView.as_view()),
    path("/customers", staff.CustomersView.as_view()),
    path("/customers/<cus:customer_id>", staff.CustomerView.as_view()),
    path("/customers/<cus:customer_id>/deactivate", staff.CustomerDeactivateView.as_view()),
    path("/customers/<cus:customer_id>/reactivate", staff.CustomerReactivateView.as_view()),
    path("/api-keys", staff.ApiKeysView.as_view()),
    path("/api-keys/<key:key_id>/revoke", staff.ApiKeyRevokeView.as_view()),
]
