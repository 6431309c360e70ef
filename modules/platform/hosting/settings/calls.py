"""Calls between hosts: as whom this one signs, whom it answers, how it calls, where it registers,
what it places.

See modules/platform/rpc, grpc_calls, discovery and placement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.grpc_calls.settings import BadTransport, transports_in
from modules.platform.hosting.environment import WEB, EnvError, Environment
from modules.platform.hosting.host import Host


def settings(host: Host, env: Environment, home: Path) -> dict[str, Any]:
    """Names and values. Raises EnvError."""
    return {
        **(_announced(env) if host.standalone else _placing(env)),
        "SERVICE_NAME": host.name,
        "SERVICE_KEYS_DIR": env.read("SERVICE_KEYS_DIR") or str(home / "service_keys" / host.name),
        "SERVICE_TRUST": env.read("SERVICE_TRUST"),
        "RPC_TRANSPORTS": _transports(env),
    }


def _transports(env: Environment) -> dict[str, str]:
    """How modules are called; and that what this host serves over gRPC is whole."""
    if bool(env.read("GRPC_CERTIFICATE")) != bool(env.read("GRPC_KEY")):
        raise EnvError("GRPC_CERTIFICATE and GRPC_KEY: each is of use only with the other")
    try:
        return transports_in(env.read("RPC_TRANSPORTS"))
    except BadTransport as error:
        raise EnvError(str(error)) from error


def _announced(env: Environment) -> dict[str, Any]:
    env.server("INSTANCE_GRPC_URL", ("grpc", "grpcs"))
    return {"REGISTRY_URL": env.server("REGISTRY_URL", WEB)}


def _placing(env: Environment) -> dict[str, Any]:
    """Whether work of modules may be done elsewhere, and which front doors are told of it."""
    return {
        "PLACE_MODULES": env.read("PLACE_MODULES"),
        "PLACEMENT_FRONT_DOORS": [f"http://127.0.0.1:{env.read('PROXY_ADMIN_PORT')}"],
    }
