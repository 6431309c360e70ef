"""What notification needs beside it on a machine of its own: a mailbox that takes every mail."""

from __future__ import annotations

import sys
from pathlib import Path

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process, Stage


def surroundings(env: Environment, home: Path, *, entrance: str) -> tuple[Process, ...]:
    """The mailbox, unless SMTP_URL names a server."""
    if env.read("SMTP_URL"):
        return ()
    port = env.read("MAILBOX_PORT")
    command = (
        *(sys.executable, "-m", "modules.notification.mailbox"),
        *("--port", str(port), "--dir", str(home / "mailbox")),
    )
    ports = {"MAILBOX_PORT": port}
    return (Process(name="mailbox", command=command, stage=Stage.SURROUNDINGS, ports=ports),)
