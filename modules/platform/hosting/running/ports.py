"""Says which port is taken before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from modules.platform.console import CommandFailed
from modules.platform.hosting.running.process import Process


def require_free_ports(processes: Iterable[Process]) -> None:
    """Raises CommandFailed naming the first port that somebody else listens on, or two of us."""
    ours: dict[int, str] = {}
    for process in processes:
        for variable, port in process.ports.items():
            if port in ours:
                raise CommandFailed(f"{ours[port]} and {variable} are both {port}; change one")
            ours[port] = variable
            if _is_taken(port):
                raise CommandFailed(
                    f"port {port} for {process.name} is taken by another program; stop it "
                    f"or choose another: {variable}={port + 1000} make up"
                )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
