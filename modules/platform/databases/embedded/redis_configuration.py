"""redis.conf: written at each start, and the memory of the port and password between starts."""

import os
import re
import socket
from dataclasses import dataclass

from modules.platform.databases.embedded.places import Place

HOST = "127.0.0.1"
CONFIGURATION = "redis.conf"
PID_FILE = "redis.pid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where Redis listens and what it asks of its clients; kept in redis.conf."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """The form that redis-py, Celery and kombu share."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"


def read_endpoint(place: Place) -> Endpoint | None:
    """The port and password of the last start, or None if there was none."""
    try:
        text = (place.directory / CONFIGURATION).read_text()
    except FileNotFoundError:
        return None
    port = re.search(r"^port (\d+)$", text, re.MULTILINE)
    password = re.search(r"^requirepass (\S+)$", text, re.MULTILINE)
    return Endpoint(port=int(port[1]), password=password[1]) if port and password else None


def configure(place: Place, endpoint: Endpoint, *, tag: str, durable: bool) -> None:
    """Write redis.conf, readable by us only, in one step."""
    lines = [
        "# Written at each start by modules/platform/databases/embedded; edits are lost.",
        f"bind {HOST}",
        f"port {endpoint.port}",
        f"requirepass {endpoint.password}",
        "protected-mode yes",
        "daemonize no",
        "dir .",  # the working directory, so that no path has to be quoted
        f"pidfile {PID_FILE}",
        'logfile ""',  # standard output, which is our log file
        f'proc-title-template "{{title}} {{listen-addr}} {tag}"',
        "maxmemory-policy noeviction",  # queues live here: nothing may be dropped
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
    ]
    draft = place.directory / f"{CONFIGURATION}.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write("\n".join(lines) + "\n")
    draft.replace(place.directory / CONFIGURATION)


def free_port() -> int:
    """A TCP port that is free on the loopback at this moment; Redis may still lose it."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
