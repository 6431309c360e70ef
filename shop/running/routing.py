"""The shop's routing document for the front door, and where it is written.

What was changed while the shop ran (phases, epochs, services) is the state of an extraction, and
outlives a restart: it is taken over from the table that was last in force.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from modules.platform.console import CommandFailed
from modules.platform.databases.aliases import ORIGIN, OWN
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.secrets import secret, secret_file
from modules.platform.rest.access_tokens import AUDIENCE
from modules.platform.rest.authentication import OPAQUE
from shop.running.processes import routes_file, state_folder
from shop.running.routes import (
    API,
    MONOLITH,
    Part,
    all_routes,
    extractable_modules,
    upstream_of,
)

ADMIN_TOKEN = "proxy_admin_token"  # noqa: S105 - the name of the file
DRAIN_SECONDS = 8.0
AT_ONCE = 32  # requests under way at each web process, of which 4 run; more wait at the door
LIMITS = {  # name at the front door: variable, counted by
    "identity": ("RATE_LIMIT_IDENTITY", "identity"),
    "address": ("RATE_LIMIT_ADDRESS", "address"),
    "sign-in": ("RATE_LIMIT_SIGN_IN", "address"),
}


def write_document(env: Environment, home: Path) -> Path:
    """Write the document, readable to its user only; the path. Raises CommandFailed."""
    path = routes_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(as_text(routing_document(env, home)))
    draft.replace(path)
    return path


def as_text(document: Part) -> str:
    """The document as YAML."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """Writes everything out: the front door takes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# Numbers of a narrower kind (``hosting.kinds``) are numbers.
_Plain.add_multi_representer(int, lambda dumper, value: dumper.represent_int(int(value)))


def routing_document(env: Environment, home: Path) -> Part:
    """All that the front door of this shop is told. Raises CommandFailed."""
    secret(home, ADMIN_TOKEN)
    limits = {name: limit for name in LIMITS if (limit := _limit(env, name))}
    services = _services(env)
    document: Part = {
        "version": 1,
        "listen": [_listen(env)],
        "admin": {
            "address": f"127.0.0.1:{env.read('PROXY_ADMIN_PORT')}",
            "token_file": str(secret_file(home, ADMIN_TOKEN)),
        },
        "workers": env.read("PROXY_WORKERS"),
        "drain_seconds": DRAIN_SECONDS,
        "access_log": {"path": str(home / "proxy" / "access.log")},
        "state": str(state_folder(home)),
        "authentication": _authentication(env),
        "rate_limits": limits,
        "upstreams": {MONOLITH: _monolith(env), **services},
        "capabilities": {name: _capability(env, name) for name in extractable_modules()},
        "routes": all_routes(list(limits), list(services)),
    }
    if origins := env.read("CORS_ALLOWED_ORIGINS"):
        document["cors"] = {"origins": origins}  # as the API behind says of its own answers
    if env.read("PROXY_WORKERS") > 1:
        document["shared_limits"] = {"redis": settings.REDIS_URL}
    return _taking_over(document, state_folder(home) / "table.json")


# ---------------------------------------------------------------- parts


def _listen(env: Environment) -> Part:
    trusted = env.networks("LOAD_BALANCERS")
    return {
        "address": f"127.0.0.1:{env.read('PROXY_PORT')}",
        **({"trusted_proxies": trusted} if trusted else {}),
    }


def _authentication(env: Environment) -> Part:
    return {
        "keys": {"url": f"http://{_web(env)}{API}/accounts/.well-known/jwks.json"},
        "issuer": settings.SHOP_URL,
        "audience": AUDIENCE,
        # Verified by the monolith; an API key may also come as a bearer token.
        "opaque_headers": [name.title() for name in OPAQUE],
    }


def _limit(env: Environment, name: str) -> Part | None:
    variable, per = LIMITS[name]
    requests: int = env.read(variable)
    return {"requests": requests, "seconds": 60, "per": per} if requests else None


def _web(env: Environment) -> str:
    return f"127.0.0.1:{env.read('WEB_PORT')}"


def _monolith(env: Environment) -> Part:
    return {
        "instances": [{"address": _web(env)}],
        "bulkhead": {
            "concurrent": AT_ONCE * env.read("WEB_WORKERS"),
            "queue": 512,
            "queue_seconds": 5,
        },
        # One instance: while it is away nobody else can answer, so look often whether it is back.
        "breaker": {"rest_seconds": 1},
        "health": {"path": "/readyz", "host": _allowed_host(), "timeout_seconds": 2},
    }


def _services(env: Environment) -> Part:
    """The instances that work on the monolith's data, as they register with it; of those that are
    retired the instances that work on their own.
    """
    names = extractable_modules() if env.read("PLACE_MODULES") else settings.FICUS_RETIRED
    url = f"http://{_web(env)}/registry/instances?module="
    return {
        upstream_of(name): {
            "registry": {
                "url": url + name,
                "role": OWN if name in settings.FICUS_RETIRED else ORIGIN,
            }
        }
        for name in names
    }


def _capability(env: Environment, name: str) -> Part:
    if name in settings.FICUS_RETIRED:
        return {"monolith": MONOLITH, "service": upstream_of(name), "phase": "retired"}
    service = {"service": name} if env.read("PLACE_MODULES") else {}
    return {"monolith": MONOLITH, **service}


def _allowed_host() -> str:
    """A name that the monolith answers to."""
    first = next(iter(settings.ALLOWED_HOSTS), "*")
    return "localhost" if first == "*" else str(first).removeprefix(".")


# ---------------------------------------------------------------- what outlives a restart


def _taking_over(document: Part, last: Path) -> Part:
    """The document with the state of extractions from the table that was last in force."""
    if not last.exists():
        return document
    try:
        saved = json.loads(last.read_text())
        capabilities, upstreams = saved.get("capabilities", {}), saved.get("upstreams", {})
        known = {
            name: capabilities[name] for name in document["capabilities"] if name in capabilities
        }
        return {
            **document,
            "revision": saved.get("revision", 0),
            "upstreams": {**upstreams, **document["upstreams"]},
            "capabilities": {**document["capabilities"], **known},
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise CommandFailed(
            f"{last} cannot be read ({type(error).__name__}); it says where each module runs. "
            "Remove it to begin with all of them in the monolith"
        ) from error
