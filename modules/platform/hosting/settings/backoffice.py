"""The admin: its templates, look, sessions and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modules.platform.databases.aliases import ACCOUNTS
from modules.platform.hosting.host import Host
from modules.platform.operators.cookies import SHOP_SESSION, pages_of, session_cookie

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
PASSES = "modules.platform.operators.middleware.PassMiddleware"  # where there are none
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


def settings(host: Host, shop_name: str, modules: Sequence[str], home: Path) -> dict[str, Any]:
    """Names and values."""
    return {
        "BACKOFFICE_MIDDLEWARE": [*MIDDLEWARE, LOCKOUT if ACCOUNTS in modules else PASSES],
        "SILENCED_SYSTEM_CHECKS": SILENCED_SYSTEM_CHECKS,
        "TEMPLATES": TEMPLATES,
        "STATIC_URL": static_url(host),
        "MEDIA_URL": "/media/",
        "MEDIA_ROOT": home / "media",
        **(_own_cookies(host) if host.standalone else {"SESSION_COOKIE_NAME": SHOP_SESSION}),
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "X_FRAME_OPTIONS": "DENY",
        "UNFOLD": {
            "SITE_TITLE": shop_name,
            "SITE_HEADER": shop_name,
            "SITE_SYMBOL": "storefront",
            "SHOW_HISTORY": True,
            "SIDEBAR": {"show_search": True, "show_all_applications": True},
            "SCRIPTS": [_menu_script] if host.standalone else [],
        },
    }


def static_url(host: Host) -> str:
    """Where the admin's own files are. A service's are below its pages: what it shows must be of
    the release that it is, not of the shop's.
    """
    return f"{pages_of(host.name)}static/" if host.standalone else "/static/"


def _own_cookies(host: Host) -> dict[str, Any]:
    """Behind the front door all hosts have one origin: none may replace another's session."""
    return {
        "SESSION_COOKIE_NAME": session_cookie(host.name),
        "SESSION_COOKIE_PATH": "/admin",
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
    }


def _menu_script(request: object) -> str:
    """Shows the shop's whole menu; asked when a page is made, as Django must be up for it."""
    from django.templatetags.static import static

    return static("operators/menu.js")
