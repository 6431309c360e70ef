"""What distinguishes one host from another: its name, its place and what it composes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import environ

from modules.platform.databases.aliases import OWN
from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.hosting.kinds import Port
from modules.platform.hosting.rooms import rooms
from modules.platform.hosting.variables import EVERY_HOST, Variable, variable

RETIRED = "RETIRED_MODULES"


@dataclass(frozen=True, kw_only=True)
class Host:
    """``package`` is the host's Python package, ``root`` the folder that imports begin from,
    ``folder`` where its ``manage.py`` and its ``.env`` are. ``variables`` are those that only
    this host reads. A ``standalone`` host composes one module, and has no accounts.
    ``control_plane`` are apps of ``modules/`` above the modules, each with a schema of its own.
    """

    name: str
    package: str
    root: Path
    folder: Path
    modules: tuple[str, ...]
    variables: tuple[Variable, ...]
    standalone: bool = False
    control_plane: tuple[str, ...] = ()

    @cached_property
    def all_variables(self) -> tuple[Variable, ...]:
        """All that this host reads: what every host does, its own, and its modules'."""
        declared = (*EVERY_HOST, *self.variables)
        for found in rooms(self.modules, "variables"):
            declared += found.VARIABLES
        return declared

    def environment(self, source: Mapping[str, str] | None = None) -> Environment:
        """The variables read from ``source``; without one from ``os.environ``, with a ``.env``
        in the host's folder under it.
        """
        if source is None:
            if (self.folder / ".env").exists():
                environ.Env.read_env(self.folder / ".env")
            source = os.environ
        return Environment(self.all_variables, source)

    def retired(self, env: Environment) -> tuple[str, ...]:
        """The modules whose implementation is not here any more. Raises EnvError."""
        if self.standalone:
            return ()
        named: list[str] = env.read(RETIRED)
        if unknown := [name for name in named if name not in self.modules]:
            raise EnvError(f"{RETIRED}: {', '.join(unknown)} is no module of {self.name}")
        return tuple(named)

    def home(self, env: Environment) -> Path:
        """Where embedded servers, secrets and logs of this host live."""
        return Path(os.path.expanduser(env.read("FICUS_HOME") or self.folder / ".ficus")).absolute()

    @property
    def manage(self) -> str:
        """The path of its ``manage.py`` from ``root``."""
        return str((self.folder / "manage.py").relative_to(self.root))

    @property
    def queue(self) -> str:
        """Celery's default queue of this host: of its own, so that hosts may share a broker."""
        return f"host.{self.name}" if self.standalone else "celery"


def standalone_host(module: str, *, folder: Path, web_port: int) -> Host:
    """The host of one module in ``extracted/<module>``, which is ``folder``."""
    return Host(
        name=module,
        package=f"extracted.{module}",
        root=folder.parent.parent,
        folder=folder,
        modules=(module,),
        variables=_standalone_variables(module, web_port),
        standalone=True,
    )


def _standalone_variables(module: str, web_port: int) -> tuple[Variable, ...]:
    return (
        variable("WEB_PORT", Port, web_port, "Port of the web server."),
        variable(
            "INSTANCE_ROLE",
            str,
            OWN,
            "own: a database of its own; origin: the monolith's schema, which it never migrates.",
        ),
        variable(
            f"{module.upper()}_DATABASE_URL",
            str,
            "",
            f"The database with the schema {module}; empty: DATABASE_URL.",
        ),
        variable(
            "REGISTRY_URL",
            str,
            "",
            "Where others find this host, as http://shop:8001/registry; empty: nowhere.",
        ),
        variable(
            "INSTANCE_URL",
            str,
            "",
            "Where others reach this host, told to the registry; empty: WEB_PORT on this machine.",
        ),
        variable(
            "INSTANCE_GRPC_URL",
            str,
            "",
            "The same over gRPC, as grpc://host:port; empty: GRPC_PORT at INSTANCE_URL's host.",
        ),
        variable(
            "ACCOUNTS_URL",
            str,
            "",
            "Where accounts answers calls, as http://shop:8001; empty: where REGISTRY_URL is.",
        ),
        variable(
            "ACCESS_TOKEN_KEYS",
            str,
            "",
            "Address or file of the keys that verify access tokens; empty: SHOP_URL's.",
        ),
    )
