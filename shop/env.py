"""Every variable the shop reads, declared once: type, default and one line of meaning.

``.env.example`` is generated from this table (``python -m shop.env``). A value that cannot be
read raises ``EnvError`` with one sentence that names the variable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import environ

ROOT = Path(__file__).resolve().parent.parent

MODULES = (
    "accounts",
    "catalog",
    "cart",
    "orders",
    "inventory",
    "payment",
    "shipping",
    "notification",
)


class EnvError(Exception):
    """A variable is missing or cannot be read; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable. ``required`` ones have no default in production."""

    name: str
    kind: type
    default: Any
    meaning: str
    required: bool = False


def _v(name: str, kind: type, default: Any, meaning: str, *, required: bool = False) -> Variable:
    return Variable(name=name, kind=kind, default=default, meaning=meaning, required=required)


VARIABLES: tuple[Variable, ...] = (
    _v("FICUS_HOME", str, "", "Where embedded servers, keys and logs live; empty: .ficus here."),
    _v("FICUS_MODULES", list, list(MODULES), "The modules this host composes, comma-separated."),
    _v("SECRET_KEY", str, "", "Signs sessions; empty: made at first start.", required=True),
    _v("ALLOWED_HOSTS", list, ["localhost", "127.0.0.1", "[::1]"], "Host names to answer to."),
    _v("CSRF_TRUSTED_ORIGINS", list, [], "Origins whose forms the admin accepts, with scheme."),
    _v("CORS_ALLOWED_ORIGINS", list, [], "Origins whose pages may call the API; * for all."),
    _v("DATABASE_URL", str, "", "PostgreSQL; empty: starts its own.", required=True),
    _v("DATABASE_ROLES", bool, False, "Work in each schema as its own PostgreSQL role."),
    _v("DATABASE_POOL_MAX", int, 10, "Most connections per alias and process."),
    _v("REDIS_URL", str, "", "Redis; empty: starts its own.", required=True),
    _v("BROKER_URL", str, "", "Carrier of the bus: redis:// or amqp://; empty: REDIS_URL."),
    _v("SIGNING_KEYS_DIR", str, "", "Ed25519 keys of access tokens; empty: made in FICUS_HOME."),
    _v("ACCESS_TOKEN_MINUTES", int, 15, "How long an access token lives."),
    _v("SHOP_URL", str, "", "Where shoppers reach the shop, in mails; empty: PROXY_PORT here."),
    _v("SHOP_NAME", str, "Ficus", "The shop's name in the admin and in mails."),
    _v("SHOP_CURRENCY", str, "USD", "ISO 4217 code that prices and carts use."),
    _v("PROXY_PORT", int, 8000, "Port of the front door, the one that shoppers use."),
    _v("PROXY_ADMIN_PORT", int, 8009, "Port of the front door's own admin, on this machine only."),
    _v("PROXY_WORKERS", int, 1, "Front door processes; from 2 on, limits are counted in Redis."),
    _v(
        "LOAD_BALANCERS",
        list,
        [],
        "Networks before the front door whose X-Forwarded-* it believes.",
    ),
    _v("RATE_LIMIT_IDENTITY", int, 600, "Requests a minute of one customer or key; 0: any number."),
    _v("RATE_LIMIT_ADDRESS", int, 3000, "Requests a minute of one address; 0: any number."),
    _v("RATE_LIMIT_SIGN_IN", int, 30, "Log-ins and registrations a minute of one address; 0: any."),
    _v("WEB_PORT", int, 8001, "Port of the monolith's web server."),
    _v("WEB_WORKERS", int, 2, "Web server processes."),
    _v(
        "TRUSTED_PROXIES",
        list,
        ["127.0.0.1", "::1"],
        "Networks of the front door, which is believed.",
    ),
    _v("WORKER_PROCESSES", int, 2, "Celery worker processes."),
    _v("STANDIN_PORT", int, 8090, "Port of the stand-in payment provider."),
    _v("MAILBOX_PORT", int, 8025, "SMTP port of the local mailbox."),
    _v("PAYMENT_PROVIDER", str, "standin", "Default provider: standin or stripe."),
    _v("STANDIN_URL", str, "", "The stand-in's address; empty: on STANDIN_PORT here."),
    _v("STANDIN_WEBHOOK_SECRET", str, "", "Signs the stand-in's webhooks; empty: made at start."),
    _v("STRIPE_API_KEY", str, "", "Secret key; empty: Stripe is off."),
    _v("STRIPE_API_BASE", str, "https://api.stripe.com", "Stripe's address; tests point it away."),
    _v("STRIPE_WEBHOOK_SECRET", str, "", "Verifies Stripe's webhooks."),
    _v("SMTP_URL", str, "", "smtp://user:password@host:port; empty: the local mailbox."),
    _v("MAIL_FROM", str, "shop@localhost", "Sender of the shop's mails."),
    _v("SMS_GATEWAY_URL", str, "", "HTTP endpoint that takes SMS; empty: SMS is off."),
    _v("LOG_FORMAT", str, "console", "console or json."),
    _v("LOG_LEVEL", str, "INFO", "DEBUG, INFO, WARNING or ERROR."),
)

_KNOWN = {variable.name: variable for variable in VARIABLES}
_OVERRIDE = "_DATABASE_URL"  # <MODULE>_DATABASE_URL points one module elsewhere


class Environment:
    """Typed reading of ``VARIABLES`` from a mapping such as ``os.environ``."""

    def __init__(self, source: Mapping[str, str]) -> None:
        self._source = source
        self._reader = environ.Env()
        self._reader.ENVIRON = dict(source)  # an own copy: reading must not depend on order

    def read(self, name: str) -> Any:
        """The variable's value or its default. Raises EnvError when it cannot be read."""
        variable = _KNOWN[name]
        if not self._source.get(name):
            return variable.default
        try:
            return self._reader.get_value(name, cast=variable.kind)
        except (ValueError, environ.ImproperlyConfigured) as error:
            raise EnvError(
                f"{name}={self._source[name]!r} is not a valid {variable.kind.__name__}: "
                f"{variable.meaning}"
            ) from error

    def networks(self, name: str) -> list[str]:
        """The variable's networks and addresses. Raises EnvError naming what is neither."""
        found: list[str] = self.read(name)
        for text in found:
            try:
                ip_network(text, strict=False)
            except ValueError as error:
                raise EnvError(f"{name}: {text!r} is no network such as 10.0.0.0/8") from error
        return found

    def require(self) -> None:
        """Raises EnvError naming every required variable that is missing."""
        missing = [v.name for v in VARIABLES if v.required and not self._source.get(v.name)]
        if missing:
            raise EnvError(f"production needs {', '.join(missing)}; see .env.example")

    def database_overrides(self, modules: tuple[str, ...]) -> dict[str, str]:
        """Module to its own connection string, from ``<MODULE>_DATABASE_URL``."""
        urls = {m: self._source.get(f"{m.upper()}{_OVERRIDE}", "") for m in modules}
        return {module: url for module, url in urls.items() if url}


def example() -> str:
    """The text of ``.env.example``."""
    lines = ["# Made from shop/env.py by `make env-example`; every line shows the default.", ""]
    for variable in VARIABLES:
        default = variable.default
        shown = ",".join(default) if isinstance(default, list) else str(default)
        lines += [f"# {variable.meaning}", f"# {variable.name}={shown}", ""]
    lines += ["# Point one module at a database of its own.", "# PAYMENT_DATABASE_URL=", ""]
    return "\n".join(lines)


def load(environment: Mapping[str, str] | None = None) -> Environment:
    """The environment, with a ``.env`` in the project's root under it."""
    if environment is None:
        if (ROOT / ".env").exists():
            environ.Env.read_env(ROOT / ".env")
        environment = os.environ
    return Environment(environment)


if __name__ == "__main__":
    sys.stdout.write(example())
