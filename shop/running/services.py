"""The services beside the shop on one machine: hosts of one module each, on the shop's data.

They are what ``extracted/<name>`` is, with ``INSTANCE_ROLE=origin``: relay, beat and migrations of
the module stay the shop's. Each has a database of its own beside the shop's for its sessions and
operators, and tells the shop's registry that it is there. They believe the shop's keys and the shop
theirs, and all have one FICUS_HOME, and with it the same secrets: a link that one side signed is
good at the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.platform.console import CommandFailed
from modules.platform.databases.aliases import ORIGIN
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host, standalone_host
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.settings.identity import JWKS
from shop.host import ROOT, SERVICES

WEB, ANNOUNCE = "web", "announce"
# One process each: there are twice as many hosts as modules in question, and two cores.
SMALL = {"WEB_WORKERS": "1", "WORKER_PROCESSES": "1"}


def service_names(env: Environment, modules: Sequence[str]) -> tuple[str, ...]:
    """The services that this shop has beside it: none where nothing is placed."""
    return tuple(name for name in SERVICES if name in modules) if env.read("PLACE_MODULES") else ()


def retired_names(env: Environment) -> tuple[str, ...]:
    """Those that this shop has no implementation of any more, and whose services it needs."""
    return tuple(name for name in SERVICES if name in env.read("RETIRED_MODULES"))


def service_processes(
    env: Environment, home: Path, modules: Sequence[str], *, database_url: str
) -> Iterator[Process]:
    """Web, worker and announcer of each service, named ``payment-web`` and so on.

    ``database_url`` is the shop's.
    """
    for name in service_names(env, modules):
        host = host_of(name, _port(env, name))
        theirs = environment_of(env, home, host, database_url)
        declared = host_processes(host, host.environment(theirs), home, (name,), entrance="")
        for process in declared:
            yield _beside_the_shop(env, name, process, theirs)


def port_variable(name: str) -> str:
    """Which variable says where the service listens."""
    return f"{name.upper()}_PORT"


def service_urls(env: Environment, modules: Sequence[str]) -> Mapping[str, str]:
    """Where each service answers on this machine."""
    return {name: _url(_port(env, name)) for name in service_names(env, modules)}


def trusting(env: Environment, modules: Sequence[str]) -> dict[str, str]:
    """The variables by which the shop's processes believe their services."""
    given: list[str] = env.read("SERVICE_TRUST")
    named = {entry.partition("=")[0] for entry in given}
    # Whoever names a retired module's service has it somewhere else.
    own = {
        name: _url(env.read(f"{name.upper()}_OWN_PORT"))
        for name in retired_names(env)
        if name not in named
    }
    urls = {**service_urls(env, modules), **own}
    trust = [*given, *(f"{name}={url}/rpc/keys" for name, url in urls.items())]
    return {"SERVICE_TRUST": ",".join(trust)} if urls else {}


def prepare_services(
    env: Environment, home: Path, modules: Sequence[str], *, database_url: str
) -> None:
    """Make what they need before they start: their databases, a place for their metrics.

    Raises CommandFailed where DATABASE_URL's user may not make databases.
    """
    for name in service_names(env, modules):
        _metrics(home, name).mkdir(parents=True, exist_ok=True)
        _ensure_database(database_url, _own_database(database_url, name))


# ---------------------------------------------------------------- one service


def host_of(name: str, web_port: int) -> Host:
    """The module's own host, to listen at that port."""
    return standalone_host(name, folder=ROOT / "extracted" / name, web_port=web_port)


def _port(env: Environment, name: str) -> int:
    port: int = env.read(port_variable(name))
    return port


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def environment_of(env: Environment, home: Path, host: Host, database_url: str) -> dict[str, str]:
    """What a service on the shop's data is told; ``database_url`` is the shop's."""
    shop = _url(env.read("WEB_PORT"))
    overrides = env.database_overrides((host.name,))
    return {
        **SMALL,
        "DJANGO_SETTINGS_MODULE": f"{host.package}.settings.dev",
        "FICUS_HOME": str(home),
        "WEB_PORT": str(_port(env, host.name)),
        "WEB_HOST": env.read("WEB_HOST"),
        "INSTANCE_ROLE": ORIGIN,
        "DATABASE_URL": _own_database(database_url, host.name),
        f"{host.name.upper()}_DATABASE_URL": overrides.get(host.name) or database_url,
        "REGISTRY_URL": f"{shop}/registry",
        "SERVICE_TRUST": f"shop={shop}/rpc/keys",
        "ACCESS_TOKEN_KEYS": f"{shop}{JWKS}",
        "PROMETHEUS_MULTIPROC_DIR": str(_metrics(home, host.name)),
        # The shop's are theirs, too: they must not start their own.
        "STANDIN_URL": env.read("STANDIN_URL") or _url(env.read("STANDIN_PORT")),
        "SMTP_URL": env.read("SMTP_URL") or f"smtp://127.0.0.1:{env.read('MAILBOX_PORT')}",
    }


def _beside_the_shop(
    env: Environment, name: str, process: Process, theirs: Mapping[str, str]
) -> Process:
    changed = replace(
        process,
        name=f"{name}-{process.name}",
        environment=theirs,
        after=f"{_url(env.read('WEB_PORT'))}/livez",  # it has migrated, and has the keys
    )
    if process.name == WEB:
        # It migrates what is its own, which costs the shop's opening nothing.
        manage = host_of(name, _port(env, name)).manage
        command = (process.command[0], manage, "run", WEB, "--prepare")
        return replace(changed, command=command, ports={port_variable(name): _port(env, name)})
    if process.name == ANNOUNCE:
        # Taken off the list before it ends, like the front door.
        return replace(changed, stage=Stage.DOOR)
    return changed


def _metrics(home: Path, name: str) -> Path:
    return home / "metrics" / name


def _own_database(database_url: str, name: str) -> str:
    """Beside the shop's, on its server: ``ficus_payment``."""
    parts: dict[str, str] = {
        key: str(value) for key, value in conninfo_to_dict(database_url).items()
    }
    return make_conninfo(**{**parts, "dbname": f"{parts.get('dbname', 'ficus')}_{name}"})


def _ensure_database(shop: str, wanted: str) -> None:
    name = str(conninfo_to_dict(wanted)["dbname"])
    with psycopg.connect(shop, autocommit=True) as server:
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        try:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase:
            return  # another start was faster
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommandFailed(
                f"DATABASE_URL's user may not make the database {name} for a service; make it, or "
                f"run the shop without services: PLACE_MODULES=false"
            ) from error
