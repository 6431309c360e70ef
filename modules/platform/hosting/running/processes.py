"""The processes that every host has: web, worker, outside, relay, beat, its modules' surroundings,
and those that its variables ask for: grpc and announce.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from modules.platform.databases.aliases import OWN
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.rooms import rooms
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.messaging.carrier import outside_queues, worker_queues


def host_processes(
    host: Host,
    env: Environment,
    home: Path,
    modules: Sequence[str],
    *,
    entrance: str,
    beat_home: Path | None = None,
) -> tuple[Process, ...]:
    """Everything the host needs but PostgreSQL and Redis, in starting order.

    ``entrance`` is the address (``http://127.0.0.1:8000``) at which others reach the modules.
    A host that works on the monolith's data leaves its outboxes and its periods to the monolith,
    which says whose turn it is (see modules/platform/placement). ``beat_home`` is for one of
    several hosts that share ``home``: there it keeps when it did what.
    """
    own = (
        Process(name="relay", command=(sys.executable, host.manage, "relay")),
        Process(name="beat", command=_beat(host, beat_home or home)),
    )
    return (
        *surroundings(env, home, modules, entrance=entrance),
        *(own if _role(host, env) == OWN else ()),
        Process(name="worker", command=_worker(host, env, modules)),
        Process(name="outside", command=_outside(host, env, modules)),
        _web(host, env),
        *_grpc(host, env),
        *_announcing(host, env),
    )


def _role(host: Host, env: Environment) -> str:
    role: str = env.read("INSTANCE_ROLE") if host.standalone else OWN
    return role


def surroundings(
    env: Environment, home: Path, modules: Sequence[str], *, entrance: str
) -> Iterator[Process]:
    """What stands in for others' servers, from each module's ``surroundings.py``."""
    for found in rooms(modules, "surroundings"):
        yield from found.surroundings(env, home, entrance=entrance)


def _announcing(host: Host, env: Environment) -> Iterator[Process]:
    """Keeps the host in the registry, where there is one."""
    if not host.standalone or not env.read("REGISTRY_URL"):
        return
    here = f"http://127.0.0.1:{env.read('WEB_PORT')}"
    command = (
        *(sys.executable, host.manage, "announce", "--module", host.name),
        *("--role", _role(host, env), "--url", env.read("INSTANCE_URL") or here, "--ask", here),
        *_announcing_grpc(env, env.read("INSTANCE_URL") or here),
    )
    yield Process(name="announce", command=command, stage=Stage.WEB)


def _announcing_grpc(env: Environment, url: str) -> Iterator[str]:
    """Where it answers over gRPC, if it does; the announcer looks whether it listens here."""
    given, port = env.read("INSTANCE_GRPC_URL"), env.read("GRPC_PORT")
    if given or port:
        scheme = "grpcs" if env.read("GRPC_CERTIFICATE") else "grpc"
        host = urlsplit(url).netloc.rpartition("@")[2]
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        yield from ("--grpc-url", given or f"{scheme}://{name}:{port}")
    if port:
        yield from ("--ask-grpc", f"127.0.0.1:{port}")


def _grpc(host: Host, env: Environment) -> Iterator[Process]:
    """Answers calls over gRPC, where there is a port for it."""
    port = env.read("GRPC_PORT")
    if not port:
        return
    command = (
        *(sys.executable, host.manage, "grpc_server", "--host", env.read("WEB_HOST")),
        *("--port", str(port), "--threads", str(env.read("GRPC_THREADS"))),
        *("--certificate", env.read("GRPC_CERTIFICATE"), "--key", env.read("GRPC_KEY")),
    )
    yield Process(name="grpc", command=command, stage=Stage.WEB, ports={"GRPC_PORT": port})


def _web(host: Host, env: Environment) -> Process:
    port = env.read("WEB_PORT")
    command = (
        *(sys.executable, "-m", "granian", "--interface", "wsgi"),
        *(f"{host.package}.wsgi:application", "--host", env.read("WEB_HOST"), "--port", str(port)),
        *("--workers", str(env.read("WEB_WORKERS")), "--blocking-threads", "4"),
        *("--no-access-log", "--log-level", "warning", "--workers-kill-timeout", "5"),
    )
    return Process(name="web", command=command, stage=Stage.WEB, ports={"WEB_PORT": port})


def _worker(host: Host, env: Environment, modules: Sequence[str]) -> Sequence[str]:
    """For events, timers and the platform's own tasks: short, and done by processes."""
    queues = (host.queue, *worker_queues(modules, role=_role(host, env)))
    return _celery(host, host.name, queues, "prefork", env.read("WORKER_PROCESSES"))


def _outside(host: Host, env: Environment, modules: Sequence[str]) -> Sequence[str]:
    """For the modules' tasks, which wait for others most of their time: done by threads."""
    queues = outside_queues(modules, role=_role(host, env))
    # Each may hold a session of every alias: one that got none would look like a database away.
    threads = min(env.read("OUTSIDE_THREADS"), env.read("DATABASE_POOL_MAX"))
    return _celery(host, f"{host.name}-outside", queues, "threads", threads)


def _celery(
    host: Host, name: str, queues: Sequence[str], pool: str, concurrency: int
) -> Sequence[str]:
    return (
        *(sys.executable, "-m", "celery", "-q", "-A", host.package, "worker"),
        *("--queues", ",".join(queues), "--pool", pool, "--concurrency", str(concurrency)),
        *("--loglevel", "warning", "--without-gossip", "--without-mingle"),
        *("--hostname", f"{name}@%h"),
    )


def _beat(host: Host, home: Path) -> Sequence[str]:
    schedule = str(home / "beat-schedule")
    return (
        *(sys.executable, "-m", "celery", "-q", "-A", host.package, "beat"),
        *("-s", schedule, "--loglevel", "warning"),
    )
