"""One running shop for all end-to-end tests of a worker."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import RunningShop
from tests.e2e.shopper import Shopper
from tests.e2e.town import Town

GOODS = 12
STOCK = 100_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes are started; tests/distribution.py keeps all of it on one worker."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.processes)
            item.add_marker(pytest.mark.timeout(300))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what each process said last, which of them no longer runs, and what the
    front door refused.
    """
    report = yield
    shop = getattr(item, "funcargs", {}).get("shop")
    if report.failed and isinstance(shop, RunningShop):
        for name in shop.declared:
            report.sections.append((f"{name}: {shop.condition(name)}", shop.said(name)))
        report.sections.append(("answers of 500 and above", shop.failed_requests()))
    return report


@pytest.fixture(scope="session")
def shop() -> Iterator[RunningShop]:
    """A shop with a dozen products in stock, and every process running, its services' as well.

    All work is the monolith's until a test gives some away (``town``).
    """
    home = Path(tempfile.mkdtemp(prefix="ficus-e2e-"))
    home.chmod(0o755)
    # A database of Redis per pytest worker: two shops on one would carry each other's events.
    number = 5 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    redis = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{number}"
    running = RunningShop(
        home, database_url=os.environ["DATABASE_URL"], redis_url=redis, services=True
    )
    try:
        with running:
            goods = home / "goods.csv"
            write_goods(goods)
            running.manage("import_catalog", str(goods))
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_goods(path: Path) -> None:
    """A product file: E2E-1 and so on, some apples and some pears, all in stock."""
    columns = ["sku", "name", "description", "category", "brand", "price", "currency", "stock"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for number in range(1, GOODS + 1):
            sort = "Apples" if number % 2 else "Pears"
            name = f"{sort[:-1]} number {number}"
            row = [f"E2E-{number}", name, "Fresh.", f"Food > Fruit > {sort}", "Orchard"]
            writer.writerow([*row, f"{number}.50", "USD", STOCK])


@pytest.fixture(scope="session")
def services(shop: RunningShop) -> Iterator[Town]:
    """The shop's services, once they have been ready to be given work."""
    town = Town(shop)
    try:
        town.wait_for_services()
        yield town
    finally:
        town.close()


@pytest.fixture
def town(services: Town) -> Iterator[Town]:
    """The shop with its services at hand; whatever a test places is back in the monolith after."""
    services.wait_for_services()
    yield services
    services.all_at_home()


@pytest.fixture
def shopper(shop: RunningShop) -> Shopper:
    """Somebody without an account."""
    return Shopper(shop.http)
