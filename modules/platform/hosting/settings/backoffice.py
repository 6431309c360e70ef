"""The admin: its templates, look, sessions and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modules.platform.databases.aliases import ACCOUNTS

# Sessions, CSRF and messages are for the admin only; BackofficeMiddleware runs them there, so
# that an API request does not pay for them.
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
LOCKOUT = "axes.middleware.AxesMiddleware"  # where there are passwords to guess
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
SILENCED_SYSTEM_CHECKS = [
    # The middleware that these six miss is in BACKOFFICE_MIDDLEWARE.
    "admin.E408",
    "admin.E409",
    "admin.E410",
    "axes.W002",
    "security.W002",
    "security.W003",
    "auth.W004",  # e-mail is unique without regard to case, by a constraint on lower(email)
]


def settings(shop_name: str, modules: Sequence[str], home: Path) -> dict[str, Any]:
    """Names and values."""
    return {
        "BACKOFFICE_MIDDLEWARE": [*MIDDLEWARE, *([LOCKOUT] if ACCOUNTS in modules else [])],
        "SILENCED_SYSTEM_CHECKS": SILENCED_SYSTEM_CHECKS,
        "TEMPLATES": TEMPLATES,
        "STATIC_URL": "/static/",
        "MEDIA_URL": "/media/",
        "MEDIA_ROOT": home / "media",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "X_FRAME_OPTIONS": "DENY",
        "UNFOLD": {
            "SITE_TITLE": shop_name,
            "SITE_HEADER": shop_name,
            "SITE_SYMBOL": "storefront",
            "SHOW_HISTORY": True,
            "SIDEBAR": {"show_search": True, "show_all_applications": True},
        },
    }
