"""`python -m modules.platform.databases.embedded start|stop|status --home DIR`: by hand.

URLs go to stdout, one line per server; the exit code is 1 when something failed, and for `status`
also when a server does not run.
"""

import argparse
import sys
from pathlib import Path

from modules.platform.databases.embedded import (
    EmbeddedServerError,
    Server,
    ensure_postgres,
    ensure_redis,
    running_postgres,
    running_redis,
    stop_postgres,
    stop_redis,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m modules.platform.databases.embedded",
        description="Our own PostgreSQL and Redis.",
    )
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--home", type=Path, default=Path(".ficus"), help="default: .ficus")
    options = parser.parse_args(arguments)
    try:
        return {"start": start, "stop": stop, "status": status}[options.command](options.home)
    except EmbeddedServerError as error:
        sys.stderr.write("\n".join([str(error), *getattr(error, "__notes__", [])]) + "\n")
        return 1


def start(home: Path) -> int:
    """Start or join both servers."""
    show("postgres", ensure_postgres(home))
    show("redis", ensure_redis(home))
    return 0


def stop(home: Path) -> int:
    """End both servers."""
    stop_redis(home)
    stop_postgres(home)
    return 0


def status(home: Path) -> int:
    """Show which of them run."""
    servers = {"postgres": running_postgres(home), "redis": running_redis(home)}
    for name, server in servers.items():
        show(name, server)
    return 0 if all(servers.values()) else 1


def show(name: str, server: Server | None) -> None:
    """One line: name, URL, pid."""
    line = f"{name}\t{server.url}\tpid {server.pid}" if server else f"{name}\tstopped"
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
