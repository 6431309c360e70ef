"""PostgreSQL and Redis for one benchmark alone, and a shop of real processes on them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modules.platform.databases import embedded
from tests.e2e.conftest import write_goods
from tests.e2e.running import RunningShop


@contextmanager
def own_servers() -> Iterator[tuple[Path, str, str]]:
    """A home, and the URLs of the two servers in it; afterwards all three are gone."""
    home = Path(tempfile.mkdtemp(prefix="ficus-bench-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    try:
        yield home, embedded.ensure_postgres(home).url, embedded.ensure_redis(home).url
    finally:
        embedded.stop_postgres(home)
        embedded.stop_redis(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def open_shop(*, services: bool = False) -> Iterator[RunningShop]:
    """A shop with a dozen products, E2E-1 and so on, of each more than anybody buys."""
    with own_servers() as (home, database, redis):
        os.environ["FICUS_HOME"] = str(home)
        with RunningShop(home, database_url=database, redis_url=redis, services=services) as shop:
            write_goods(home / "goods.csv")
            shop.manage("import_catalog", str(home / "goods.csv"))
            yield shop
