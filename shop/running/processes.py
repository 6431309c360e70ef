"""The processes of a shop on one machine: every host's, its services', and the front door."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.running.processes import host_processes
from shop.host import HOST
from shop.running.services import service_processes, trusting

DOOR = "proxy"


def processes(
    env: Environment, home: Path, modules: Sequence[str], *, database_url: str = ""
) -> tuple[Process, ...]:
    """Everything the shop needs but PostgreSQL and Redis, in starting order.

    ``database_url`` is the shop's, where DATABASE_URL is empty.
    """
    entrance = f"http://127.0.0.1:{env.read('PROXY_PORT')}"
    shops = (*host_processes(HOST, env, home, modules, entrance=entrance), *_placing(env))
    trust, url = trusting(env, modules), database_url or env.read("DATABASE_URL")
    return (
        *(replace(process, environment=trust) for process in shops),
        *service_processes(env, home, modules, database_url=url),
        _door(env, home),
    )


def routes_file(home: Path) -> Path:
    """Where the front door reads its routing document."""
    return home / "proxy" / "routes.yaml"


def state_folder(home: Path) -> Path:
    """Where it keeps the table that was last in force, and recorded requests."""
    return home / "proxy" / "state"


def _placing(env: Environment) -> Iterator[Process]:
    """Makes the front door follow the table, also after it was away."""
    if env.read("PLACE_MODULES"):
        yield Process(
            name="placement", command=(sys.executable, "manage.py", "placement", "follow")
        )


def _door(env: Environment, home: Path) -> Process:
    document, state = str(routes_file(home)), str(state_folder(home))
    return Process(
        name=DOOR,
        command=(sys.executable, "-m", "strangler_proxy", "--config", document, "--state", state),
        stage=Stage.DOOR,
        ports={name: env.read(name) for name in ("PROXY_PORT", "PROXY_ADMIN_PORT")},
        # It would run without, but ask for the keys of access tokens too early, and again later.
        after=f"http://127.0.0.1:{env.read('WEB_PORT')}/livez",
    )
