"""Calls between hosts: as whom this one signs, whom it answers, where it registers, what it places.

See modules/platform/rpc, discovery and placement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host


def settings(host: Host, env: Environment, home: Path) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    return {
        **(_announced(env) if host.standalone else _placing(env)),
        "SERVICE_NAME": host.name,
        "SERVICE_KEYS_DIR": env.read("SERVICE_KEYS_DIR") or str(home / "service_keys" / host.name),
        "SERVICE_TRUST": env.read("SERVICE_TRUST"),
    }


def _announced(env: Environment) -> dict[str, Any]:
    return {"REGISTRY_URL": env.read("REGISTRY_URL")}


def _placing(env: Environment) -> dict[str, Any]:
    """Whether work of modules may be done elsewhere, and which front doors are told of it."""
    return {
        "PLACE_MODULES": env.read("PLACE_MODULES"),
        "PLACEMENT_FRONT_DOORS": [f"http://127.0.0.1:{env.read('PROXY_ADMIN_PORT')}"],
    }
