"""Environment variables as declarations: name, type, default and one line of meaning.

A module declares what it reads in ``modules/<name>/variables.py``, a host what only it reads;
here is what every host reads. No Django: settings are made from this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modules.platform.hosting.kinds import Count, Currency, Port, PortOrNone


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable. ``required`` ones have no default in production."""

    name: str
    kind: type
    default: Any
    meaning: str
    required: bool = False


def variable(
    name: str, kind: type, default: Any, meaning: str, *, required: bool = False
) -> Variable:
    """A declaration on one line."""
    return Variable(name=name, kind=kind, default=default, meaning=meaning, required=required)


_v = variable
EVERY_HOST: tuple[Variable, ...] = (
    _v("FICUS_HOME", str, "", "Where embedded servers, keys and logs live; empty: .ficus here."),
    _v("SECRET_KEY", str, "", "Signs sessions; empty: made at first start.", required=True),
    _v("ALLOWED_HOSTS", list, ["localhost", "127.0.0.1", "[::1]"], "Host names to answer to."),
    _v("CSRF_TRUSTED_ORIGINS", list, [], "Origins whose forms the admin accepts, with scheme."),
    _v("CORS_ALLOWED_ORIGINS", list, [], "Origins whose pages may call the API; * for all."),
    _v("DATABASE_URL", str, "", "PostgreSQL; empty: starts its own.", required=True),
    _v("DATABASE_ROLES", bool, False, "Work in each schema as its own PostgreSQL role."),
    _v("DATABASE_POOL_MAX", Count, 20, "Most connections per alias and process."),
    _v("REDIS_URL", str, "", "Redis; empty: starts its own.", required=True),
    _v("BROKER_URL", str, "", "Carrier of the bus: redis:// or amqp://; empty: REDIS_URL."),
    _v("SHOP_URL", str, "", "Where shoppers reach the shop, in mails; empty: PROXY_PORT here."),
    _v("SHOP_NAME", str, "Ficus", "The shop's name in the admin and in mails."),
    _v("SHOP_CURRENCY", Currency, "USD", "ISO 4217 code that prices and carts use."),
    _v("PROXY_PORT", Port, 8000, "Port of the front door, the one that shoppers use."),
    _v(
        "LOAD_BALANCERS",
        list,
        [],
        "Networks before the front door whose X-Forwarded-* it believes.",
    ),
    _v("WEB_HOST", str, "127.0.0.1", "Where the web server listens; 0.0.0.0 in a container."),
    _v("WEB_WORKERS", Count, 2, "Web server processes."),
    _v(
        "TRUSTED_PROXIES",
        list,
        ["127.0.0.1", "::1"],
        "Networks of the front door, which is believed.",
    ),
    _v("SERVICE_KEYS_DIR", str, "", "Keys that sign calls to other hosts; empty: in FICUS_HOME."),
    _v("SERVICE_TRUST", list, [], "Whose calls are answered: host=directory or address of keys."),
    _v("RPC_TRANSPORTS", list, [], "How modules are called, as payment=grpc; others: http."),
    _v("GRPC_PORT", PortOrNone, 0, "Port where calls are answered over gRPC, too; 0: nowhere."),
    _v("GRPC_THREADS", Count, 8, "Calls over gRPC at once; fewer than DATABASE_POOL_MAX."),
    _v("GRPC_CERTIFICATE", str, "", "PEM file: this host's chain for gRPC; empty: no TLS."),
    _v("GRPC_KEY", str, "", "PEM file: the private key of GRPC_CERTIFICATE."),
    _v("WORKER_PROCESSES", Count, 2, "Celery worker processes."),
    _v("OUTSIDE_THREADS", Count, 16, "Modules' tasks at once; at most DATABASE_POOL_MAX."),
    _v("LOG_FORMAT", str, "console", "console or json."),
    _v("LOG_LEVEL", str, "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL."),
)


def example(variables: Iterable[Variable], *, header: str, footer: Iterable[str] = ()) -> str:
    """The text of an ``.env.example``: every variable with its meaning and its default."""
    lines = [f"# {header}", ""]
    for one in variables:
        shown = ",".join(one.default) if isinstance(one.default, list) else str(one.default)
        lines += [f"# {one.meaning}", f"# {one.name}={shown}", ""]
    return "\n".join([*lines, *footer])
