"""Calls between hosts: as whom this one signs, whom it answers, where it registers.

See modules/platform/rpc and modules/platform/discovery.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host


def settings(host: Host, env: Environment, home: Path) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    registry = {"REGISTRY_URL": env.read("REGISTRY_URL")} if host.standalone else {}
    return {
        **registry,
        "SERVICE_NAME": host.name,
        "SERVICE_KEYS_DIR": env.read("SERVICE_KEYS_DIR") or str(home / "service_keys" / host.name),
        "SERVICE_TRUST": env.read("SERVICE_TRUST"),
    }
