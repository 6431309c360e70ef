"""What a host says about its calls, read from Django's settings when it is needed.

SERVICE_NAME        the host's name: issuer of its tokens (ficus)
SERVICE_KEYS_DIR    its own key ring (service_keys/<SERVICE_NAME> in FICUS_HOME)
SERVICE_TRUST       whom it answers: issuer=directory-or-JWKS-URL, comma-separated (nobody)
SERVICE_REPLAY_URL  Redis that remembers used tokens, one for a module's instances (REDIS_URL)
RPC_TIMEOUT         seconds for a call whose caller has no deadline (10)
RPC_TIMEOUTS        the same for single methods: {"payment.authorize": 20}
RPC_CONCURRENCY     calls of one process to one module under way; half as many wait (32)
RPC_ATTEMPTS        of one call, the first included (3)
RPC_MAX_BYTES       of arguments, and of an answer (5,000,000)
RPC_SWITCHED_OFF    calls that are not made, and why: {"payment.refund": "reason", "cart.*": ...}

``SERVICE_TRUST`` may be a text or a list. A location with ``http://`` or ``https://`` is a JWK set,
such as the ``/rpc/keys`` of the other host; anything else is a directory of public keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings


class BadTrust(ValueError):
    """SERVICE_TRUST cannot be read."""

    def __init__(self, entry: str) -> None:
        super().__init__(f"SERVICE_TRUST: {entry!r} is not issuer=directory-or-JWKS-URL")


def service_name() -> str:
    return str(_read("SERVICE_NAME", "") or "ficus")


def keys_dir() -> Path:
    given = _read("SERVICE_KEYS_DIR", "")
    return Path(given) if given else Path(settings.FICUS_HOME) / "service_keys" / service_name()


def trust() -> dict[str, str]:
    """Issuer to where its public keys are. Raises BadTrust."""
    given = _read("SERVICE_TRUST", ())
    entries = given.split(",") if isinstance(given, str) else given
    found = {}
    for entry in filter(None, map(str.strip, entries)):
        issuer, equals, location = entry.partition("=")
        if not (issuer and equals and location):
            raise BadTrust(entry)
        found[issuer.strip()] = location.strip()
    return found


def replay_url() -> str:
    """Redis; empty: each process remembers for itself."""
    given = _read("SERVICE_REPLAY_URL", None)
    return redis_url() if given is None else str(given)


def redis_url() -> str:
    """This host's own Redis, which has the switches that operators set."""
    return str(_read("REDIS_URL", "") or "")


def timeout() -> float:
    return float(_read("RPC_TIMEOUT", 10.0))


def timeouts() -> Mapping[str, float]:
    found: Mapping[str, float] = _read("RPC_TIMEOUTS", {})
    return found


def concurrency() -> int:
    return int(_read("RPC_CONCURRENCY", 32))


def attempts() -> int:
    return int(_read("RPC_ATTEMPTS", 3))


def max_bytes() -> int:
    return int(_read("RPC_MAX_BYTES", 5_000_000))


def switched_off() -> Mapping[str, str]:
    found: Mapping[str, str] = _read("RPC_SWITCHED_OFF", {})
    return found


def _read(name: str, default: Any) -> Any:
    return getattr(settings, name, default)
