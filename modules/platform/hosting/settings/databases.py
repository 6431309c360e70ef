"""One alias per module over DATABASE_URL; see modules/platform/databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modules.platform.databases.aliases import ORIGIN, database_settings
from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.servers import database_url

# Seconds that a request waits for a session: a failover that is over by then goes unnoticed. An
# attempt to make one goes on for as long, with pauses that double: psycopg's 300 would leave a shop
# without its database for as long again as it was away.
PATIENCE = 3


def settings(host: Host, env: Environment, home: Path, modules: Sequence[str]) -> dict[str, Any]:
    """Names and values. Raises EnvError, EmbeddedServerError."""
    owners = (*modules, *host.control_plane)
    overrides = env.database_overrides(owners)
    if host.standalone and env.read("INSTANCE_ROLE") == ORIGIN and not overrides:
        needed = f"{host.name.upper()}_DATABASE_URL"
        raise EnvError(f"INSTANCE_ROLE={ORIGIN} needs {needed}: the monolith's database")
    url, roles = env.database("DATABASE_URL") or database_url(home), env.read("DATABASE_ROLES")
    return {
        "DATABASE_URL": url,
        "DATABASE_ROLES": roles,
        "DATABASES": database_settings(
            url=url,
            modules=owners,
            overrides=overrides,
            pool={
                "min_size": 0,  # a process opens connections only for the modules it serves
                "max_size": env.read("DATABASE_POOL_MAX"),
                "timeout": PATIENCE,
                "reconnect_timeout": PATIENCE,
                # Seconds after which a session that nobody needed goes: whenever a server has ended
                # all of them a pool makes one more than it had.
                "max_idle": 60,
            },
            roles=roles,
        ),
        "DATABASE_ROUTERS": ["modules.platform.databases.router.ModuleRouter"],
    }
