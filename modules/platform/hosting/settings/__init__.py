"""A host's Django settings, put together topic by topic; a settings module is one call.

``development(HOST)``, ``testing(HOST)`` and ``production(HOST)`` give names and values. Hosts
import this while Django reads its settings: nothing here may use Django's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.boundaries.retired import refuse
from modules.platform.hosting import collector
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.rooms import rooms
from modules.platform.hosting.settings import (
    applications,
    backoffice,
    calls,
    databases,
    edge,
    foundation,
    identity,
    messaging,
)

__all__ = ["development", "production", "testing"]

Settings = dict[str, Any]
YEAR = 31_536_000  # seconds


def development(host: Host) -> Settings:
    """On one's own machine: embedded servers, boundaries checked while it runs.

    Raises EnvError, EmbeddedServerError.
    """
    return {
        **_assembled(host, host.environment()),
        "TABLE_GUARD": True,
        "WHITENOISE_USE_FINDERS": True,  # serves packages' static files without collectstatic
    }


def testing(host: Host) -> Settings:
    """Under test: real servers, everything that can be checked is checked."""
    return {
        **development(host),
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        # Static files are looked for when they are asked for, not listed for each test's client.
        "WHITENOISE_AUTOREFRESH": True,
        # What a test does not pump stays where it is; tests of the broker start own workers.
        "BUS_CARRIER": "modules.platform.messaging.carrier.InlineCarrier",
        "BUS_WAKE_URL": "",
    }


def production(host: Host) -> Settings:
    """Nothing embedded, nothing defaulted that must be secret. Raises EnvError."""
    env = host.environment()
    env.require()
    home = host.home(env)
    return {**_assembled(host, env), **_hardened(home), "TABLE_GUARD": False}


def _assembled(host: Host, env: Environment) -> Settings:
    """What every way of running has in common. Raises EnvError for any value, used or not."""
    collector.rest()  # until Django is ready
    env.read_all()
    refuse(host.retired(env))
    home = host.home(env)
    basis = foundation.settings(host, env, home)
    modules: tuple[str, ...] = basis["FICUS_MODULES"]
    made = {
        **basis,
        **applications.settings(host, modules),
        **edge.settings(env),
        **backoffice.settings(host, basis["SHOP_NAME"], modules, home),
        **identity.settings(env, modules, shop_url=basis["SHOP_URL"]),
        **databases.settings(host, env, home, modules),
        **messaging.settings(host, env, home),
        **calls.settings(host, env, home),
        **_observability(env),
    }
    for found in rooms(modules, "variables"):
        made |= found.settings(env, home)
    return made


def _observability(env: Environment) -> Settings:
    from modules.platform.observability.logs import logging_settings

    fmt = env.one_of("LOG_FORMAT", ("console", "json"))
    level = env.one_of("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
    return {
        "LOG_FORMAT": fmt,
        "LOG_LEVEL": level,
        "LOGGING_CONFIG": None,
        "LOGGING": logging_settings(fmt=fmt, level=level),
    }


def _hardened(home: Path) -> Settings:
    return {
        "STATIC_ROOT": home / "static",  # filled by collectstatic when the image is built
        "STORAGES": {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {
                "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage",
            },
        },
        "SECURE_SSL_REDIRECT": True,
        "SECURE_REDIRECT_EXEMPT": [  # what other hosts ask here directly, without TLS in between
            r"^livez$",
            r"^readyz$",
            r"^metrics$",
            r"^rpc/",
            r"^registry/",
            r"^api/v1/accounts/\.well-known/",
        ],
        "SECURE_HSTS_SECONDS": YEAR,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SECURE_HSTS_PRELOAD": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }
