"""One alias per module over DATABASE_URL; see modules/platform/databases."""

from __future__ import annotations

from modules.platform.databases.aliases import database_settings
from shop.servers import database_url
from shop.settings.base import FICUS_HOME, FICUS_MODULES, env

DATABASE_URL = env.read("DATABASE_URL") or database_url(FICUS_HOME)
DATABASE_ROLES = env.read("DATABASE_ROLES")
DATABASES = database_settings(
    url=DATABASE_URL,
    modules=FICUS_MODULES,
    overrides=env.database_overrides(FICUS_MODULES),
    # min_size 0: a process opens connections only for the modules it serves.
    pool={"min_size": 0, "max_size": env.read("DATABASE_POOL_MAX"), "timeout": 10},
    roles=DATABASE_ROLES,
)
DATABASE_ROUTERS = ["modules.platform.databases.router.ModuleRouter"]
