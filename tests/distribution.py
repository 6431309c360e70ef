"""Pytest plugin (``-p tests.distribution``): which tests stay together on one xdist worker.

Tests that share an expensive fixture are one unit of work, so that it is made once and not once per
worker; all others go to whichever worker is free. Units with more tests begin first, single tests
fill the gaps at the end. xdist's own marker for this, ``xdist_group``, is written into node ids,
which pytest 9.2 makes anew: there it changes nothing, without a word.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ONE_SHOP = "tests/e2e/"  # all tests below it share the shop
# Beginnings of paths where each file is a unit: its processes, or keys in Redis, are of the file.
FILES = (
    "tests/docs/test_proxy_docs.py",
    "tests/extracted/",
    "tests/extraction/",
    "tests/platform/databases/test_away.py",
    "tests/platform/discovery/test_commands.py",
    "tests/platform/grpc_calls/test_processes.py",
    "tests/platform/messaging/test_brokers.py",
    "tests/platform/messaging/test_processes.py",
    "tests/platform/placement/",
    "tests/platform/rpc/test_switches.py",
    "tests/proxy/",
    "tests/shop/test_journey.py",
)


def unit_of(nodeid: str) -> str:
    """The unit of work that a test belongs to; its own id if it is alone."""
    file = nodeid.partition("::")[0]
    if file.startswith(ONE_SHOP):
        return ONE_SHOP
    return file if file.startswith(FILES) else nodeid


class Together(LoadScopeScheduling):
    """Hands out whole units."""

    def add_node_collection(self, node: Any, collection: list[str]) -> None:
        """Raises UsageError: of several tests with one id it would run one, without a word."""
        twice = sorted(one for one, times in Counter(collection).items() if times > 1)
        if twice:
            raise pytest.UsageError(f"several tests have the same id: {', '.join(twice)}")
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """For ``--dist loadgroup``, which ``make test`` asks for."""
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None
