"""Our own PostgreSQL and Redis, from pip wheels, when no managed server is configured.

Any process may import this package, settings included: it needs no Django.

    server = ensure_postgres(Path(".ficus"))     # starts it, or joins the running one
    psycopg.connect(server.url)
"""

from modules.platform.databases.embedded.errors import EmbeddedServerError
from modules.platform.databases.embedded.postgres import (
    ensure_postgres,
    running_postgres,
    stop_postgres,
)
from modules.platform.databases.embedded.redis import (
    ensure_redis,
    running_redis,
    stop_redis,
)
from modules.platform.databases.embedded.server import Server

__all__ = [
    "EmbeddedServerError",
    "Server",
    "ensure_postgres",
    "ensure_redis",
    "running_postgres",
    "running_redis",
    "stop_postgres",
    "stop_redis",
]
