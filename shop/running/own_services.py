"""The services with a database of their own, for as long as a module is being moved or has moved.

``strangler create`` writes where a service's database is into FICUS_HOME, ``cancel`` takes it away;
in between the module's host runs on it (``INSTANCE_ROLE=own``): web, worker, relay and beat, an
announcer that tells the shop's registry, and ``strangler watch``, which carries the changes. Before
``create`` there is nothing of it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from modules.extraction.phases import Direction, Phase, Standing
from modules.extraction.standings import standing_of
from modules.extraction.targets import Target, known
from modules.platform.console import CommandFailed
from modules.platform.databases.aliases import OWN, alias_of
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.ports import require_free_ports
from modules.platform.hosting.running.process import Process, Stage, Wanted
from modules.platform.hosting.running.processes import host_processes
from shop.running.services import (
    ANNOUNCE,
    WEB,
    environment_of,
    host_of,
    retired_names,
    service_names,
)

log = structlog.get_logger(__name__)

WATCH = "watch"


def own_port_variable(name: str) -> str:
    """Which variable says where the service with its own database listens."""
    return f"{name.upper()}_{OWN.upper()}_PORT"


class OwnServices:
    """A source for the supervisor. ``database_url`` is the shop's; ``ask`` says where a module
    stands, and raises DatabaseError while that cannot be known.
    """

    def __init__(
        self,
        env: Environment,
        home: Path,
        modules: Sequence[str],
        *,
        database_url: str,
        ask: Callable[[str], Standing] | None = None,
    ) -> None:
        self._env, self._home, self._database_url = env, home, database_url
        self._ask = ask or _ask
        self._retired = retired_names(env)
        self._names = (*service_names(env, modules), *self._retired)
        self._running: dict[str, tuple[Process, ...]] = {}
        self._standings: dict[str, Standing] = {}

    def __call__(self) -> Wanted:
        """Those of every module that has a database beside the shop's at the moment."""
        troubles = [trouble for name in self._names if (trouble := self._follow(name))]
        return Wanted(
            processes=[one for name in self._names for one in self._running.get(name, ())],
            trouble="; ".join(troubles),
        )

    def _follow(self, name: str) -> str:
        """Bring ``_running`` in line with the module's standing; why that cannot be, if not."""
        target = known(name)
        if target is None:
            self._running.pop(name, None)
            return ""
        standing = self._standing(name)
        if standing.phase is Phase.MONOLITH:  # it is being made, or taken away
            self._running.pop(name, None)
            return ""
        wanted = tuple(self._processes(name, target, standing))
        if name not in self._running:
            try:
                require_free_ports(wanted)
            except CommandFailed as error:
                return str(error)
            self._clean_metrics(name)
        self._running[name] = wanted
        return ""

    def _standing(self, name: str) -> Standing:
        """The last known one while the table cannot be read."""
        try:
            self._standings[name] = self._ask(name)
        except DatabaseError as error:
            log.warning("own_services.standing_unknown", module=name, error=str(error).strip())
        return self._standings.get(name, Standing())

    # ---------------------------------------------------------------- one service

    def _processes(self, name: str, target: Target, standing: Standing) -> Iterator[Process]:
        host = host_of(name, self._port(name))
        theirs = self._environment(name, target)
        door = f"http://127.0.0.1:{self._env.read('PROXY_PORT')}"
        declared = host_processes(
            host,
            host.environment(theirs),
            self._home,
            (name,),
            entrance=door,
            beat_home=self._beat_home(name),
        )
        for process in declared:
            yield self._beside_the_shop(name, process, theirs)
        if standing.direction is not Direction.NOWHERE:
            command = (sys.executable, "manage.py", "strangler", "watch", name)
            yield Process(name=f"{name}-{WATCH}", command=command, vital=False)

    def _environment(self, name: str, target: Target) -> Mapping[str, str]:
        host = host_of(name, self._port(name))
        return {
            **environment_of(self._env, self._home, host, self._database_url),
            **self._surroundings(name),
            "WEB_PORT": str(self._port(name)),
            "INSTANCE_ROLE": OWN,
            "DATABASE_URL": target.url,
            "DATABASE_ROLES": "false",  # its login owns all that is there
            f"{name.upper()}_DATABASE_URL": "",
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics(name)),
        }

    def _surroundings(self, name: str) -> Mapping[str, str]:
        """A retired module's are its service's own; the shop starts them no more."""
        if name not in self._retired:
            return {}
        known = (
            *("STANDIN_URL", "STANDIN_PORT", "STANDIN_WEBHOOK_SECRET"),
            *("SMTP_URL", "MAILBOX_PORT"),
        )
        return {one: str(self._env.read(one)) for one in known}

    def _beside_the_shop(self, name: str, process: Process, theirs: Mapping[str, str]) -> Process:
        changed = replace(
            process,
            name=f"{name}-{OWN}-{process.name}",
            environment=theirs,
            after=f"http://127.0.0.1:{self._env.read('WEB_PORT')}/livez",
            vital=False,  # the shop does not end with one of its modules
        )
        if process.name == WEB:
            return replace(changed, ports={own_port_variable(name): self._port(name)})
        # Taken off the list before it ends, like the front door.
        return replace(changed, stage=Stage.DOOR) if process.name == ANNOUNCE else changed

    def _port(self, name: str) -> int:
        port: int = self._env.read(own_port_variable(name))
        return port

    def _beat_home(self, name: str) -> Path:
        """What is its own of a home that it shares with the shop."""
        folder = self._home / OWN / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _metrics(self, name: str) -> Path:
        return self._home / "metrics" / f"{name}-{OWN}"

    def _clean_metrics(self, name: str) -> None:
        shutil.rmtree(self._metrics(name), ignore_errors=True)
        self._metrics(name).mkdir(parents=True)


def _ask(name: str) -> Standing:
    try:
        return standing_of(name)
    finally:
        connections[alias_of("extraction")].close()  # each time in another thread
