"""The processes of a shop on one machine, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from modules.platform.messaging.carrier import worker_queues
from shop.env import Environment

DOOR = "proxy"


class Stage(IntEnum):
    """Processes are started in this order and stopped in the reverse one.

    The front door stops first, so that each request that came in is still answered; what stands
    in for others' servers stops last, so that whoever works can end what it does with them.
    """

    SURROUNDINGS = 0
    WORK = 1
    WEB = 2
    DOOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. ``ports`` are the TCP ports it listens on, by the variables that name them.

    ``after`` is an address that must answer before it is started.
    """

    name: str
    command: Sequence[str]
    stage: Stage = Stage.WORK
    ports: Mapping[str, int] = field(default_factory=dict)
    after: str = ""


def processes(env: Environment, home: Path, modules: Sequence[str]) -> tuple[Process, ...]:
    """Everything the shop needs but PostgreSQL and Redis, in starting order."""
    python = sys.executable
    return (
        _standin(env, home, python),
        _mailbox(env, home, python),
        Process(name="relay", command=(python, "manage.py", "relay")),
        Process(name="worker", command=_worker(env, python, modules)),
        Process(name="beat", command=_beat(home, python)),
        _web(env, python),
        _door(env, home, python),
    )


def routes_file(home: Path) -> Path:
    """Where the front door reads its routing document."""
    return home / "proxy" / "routes.yaml"


def state_folder(home: Path) -> Path:
    """Where it keeps the table that was last in force, and recorded requests."""
    return home / "proxy" / "state"


def _door(env: Environment, home: Path, python: str) -> Process:
    document, state = str(routes_file(home)), str(state_folder(home))
    return Process(
        name=DOOR,
        command=(python, "-m", "strangler_proxy", "--config", document, "--state", state),
        stage=Stage.DOOR,
        ports={name: env.read(name) for name in ("PROXY_PORT", "PROXY_ADMIN_PORT")},
        # It would run without, but ask for the keys of access tokens too early, and again later.
        after=f"http://127.0.0.1:{env.read('WEB_PORT')}/livez",
    )


def _web(env: Environment, python: str) -> Process:
    port = env.read("WEB_PORT")
    command = (
        *(python, "-m", "granian", "--interface", "wsgi", "shop.wsgi:application"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(env.read("WEB_WORKERS")), "--blocking-threads", "4"),
        *("--no-access-log", "--log-level", "warning", "--workers-kill-timeout", "5"),
    )
    return Process(name="web", command=command, stage=Stage.WEB, ports={"WEB_PORT": port})


def _worker(env: Environment, python: str, modules: Sequence[str]) -> Sequence[str]:
    queues = ",".join(["celery", *worker_queues(modules)])
    return (
        *(python, "-m", "celery", "-q", "-A", "shop", "worker", "--queues", queues),
        *("--concurrency", str(env.read("WORKER_PROCESSES")), "--loglevel", "warning"),
        *("--without-gossip", "--without-mingle", "--hostname", "ficus@%h"),
    )


def _beat(home: Path, python: str) -> Sequence[str]:
    schedule = str(home / "beat-schedule")
    return (
        *(python, "-m", "celery", "-q", "-A", "shop", "beat"),
        *("-s", schedule, "--loglevel", "warning"),
    )


def _standin(env: Environment, home: Path, python: str) -> Process:
    port = env.read("STANDIN_PORT")
    # As a real provider would: through the front door, so that they find payment wherever it runs.
    webhooks = f"http://127.0.0.1:{env.read('PROXY_PORT')}/api/v1/payment/webhooks/standin"
    command = (
        *(python, "-m", "modules.payment.standin", "--port", str(port)),
        *("--state", str(home / "standin.jsonl"), "--webhook-url", webhooks),
        *("--webhook-events", "async"),  # what the caller was already told is not said again
    )
    return Process(
        name="standin", command=command, stage=Stage.SURROUNDINGS, ports={"STANDIN_PORT": port}
    )


def _mailbox(env: Environment, home: Path, python: str) -> Process:
    port = env.read("MAILBOX_PORT")
    command = (
        *(python, "-m", "modules.notification.mailbox"),
        *("--port", str(port), "--dir", str(home / "mailbox")),
    )
    return Process(
        name="mailbox", command=command, stage=Stage.SURROUNDINGS, ports={"MAILBOX_PORT": port}
    )
