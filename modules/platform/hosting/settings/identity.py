"""Who an operator is, and with which keys access tokens are verified.

Where accounts is composed it knows both. Elsewhere operators are known by tokens that the shop
signs, there are no passwords, and the published keys verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules.platform.databases.aliases import ACCOUNTS
from modules.platform.hosting.environment import WEB, Environment

JWKS = "/api/v1/accounts/.well-known/jwks.json"
VALIDATORS = (
    "UserAttributeSimilarityValidator",
    "MinimumLengthValidator",
    "CommonPasswordValidator",
    "NumericPasswordValidator",
)


def settings(env: Environment, modules: Sequence[str], *, shop_url: str) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    if ACCOUNTS in modules:
        return {**_passwords(), **_lockout(), "ACCESS_TOKEN_KEYS": "", "ACCOUNTS_URL": ""}
    return {
        "AUTH_USER_MODEL": "operators.Operator",
        "AUTHENTICATION_BACKENDS": ["modules.platform.operators.backend.OperatorBackend"],
        "ACCESS_TOKEN_KEYS": env.read("ACCESS_TOKEN_KEYS") or f"{shop_url}{JWKS}",
        "ACCOUNTS_URL": env.server("ACCOUNTS_URL", WEB) or _beside_the_registry(env),
    }


def _beside_the_registry(env: Environment) -> str:
    """The monolith keeps the registry, and has accounts; empty without one."""
    registry: str = env.server("REGISTRY_URL", WEB)
    return registry.rstrip("/").removesuffix("/registry")


def _passwords() -> dict[str, Any]:
    return {
        "AUTH_USER_MODEL": "accounts.User",
        "AUTHENTICATION_BACKENDS": [
            "axes.backends.AxesStandaloneBackend",
            "django.contrib.auth.backends.ModelBackend",
        ],
        "PASSWORD_HASHERS": [
            "django.contrib.auth.hashers.Argon2PasswordHasher",
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        ],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": f"django.contrib.auth.password_validation.{name}"} for name in VALIDATORS
        ],
    }


def _lockout() -> dict[str, Any]:
    return {
        "AXES_ENABLED": True,
        "AXES_FAILURE_LIMIT": 10,
        "AXES_COOLOFF_TIME": 0.25,  # hours
        "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
        # What log-in forms and authenticate() call the address.
        "AXES_USERNAME_FORM_FIELD": "username",
        "AXES_HANDLER": "axes.handlers.database.AxesDatabaseHandler",
        "AXES_VERBOSE": False,
        "AXES_CLIENT_IP_CALLABLE": "modules.platform.rest.forwarded.address_of",
    }
