"""The environment variables that accounts reads, and the settings made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.kinds import Count
from modules.platform.hosting.variables import variable

VARIABLES = (
    variable(
        "SIGNING_KEYS_DIR", str, "", "Ed25519 keys of access tokens; empty: made in FICUS_HOME."
    ),
    variable("ACCESS_TOKEN_MINUTES", Count, 15, "How long an access token lives."),
)


def settings(env: Environment, home: Path) -> dict[str, Any]:
    """Django settings by name. Raises EnvError."""
    return {
        "SIGNING_KEYS_DIR": Path(env.read("SIGNING_KEYS_DIR") or home / "keys"),
        "ACCESS_TOKEN_MINUTES": env.read("ACCESS_TOKEN_MINUTES"),
    }
