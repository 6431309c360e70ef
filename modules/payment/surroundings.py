"""What payment needs beside it on a machine of its own: the stand-in provider."""

from __future__ import annotations

import sys
from pathlib import Path

from modules.payment.variables import STANDIN
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process, Stage
from modules.platform.hosting.secrets import secret_file


def surroundings(env: Environment, home: Path, *, entrance: str) -> tuple[Process, ...]:
    """The stand-in, unless STANDIN_URL names one elsewhere; webhooks go to ``entrance``.

    As a real provider would: through the front door, so that they find payment wherever it runs.
    """
    if env.read("STANDIN_URL"):
        return ()
    port = env.read("STANDIN_PORT")
    # Of its environment, else the one that payment's settings have made: arguments are seen by all.
    made = () if env.read("STANDIN_WEBHOOK_SECRET") else (secret_file(home, STANDIN),)
    command = (
        *(sys.executable, "-m", "modules.payment.standin", "--port", str(port)),
        *("--state", str(home / "standin.jsonl")),
        *("--webhook-url", f"{entrance}/api/v1/payment/webhooks/standin"),
        *("--webhook-events", "async"),  # what the caller was already told is not said again
        *(word for path in made for word in ("--webhook-secret-file", str(path))),
    )
    ports = {"STANDIN_PORT": port}
    return (Process(name="standin", command=command, stage=Stage.SURROUNDINGS, ports=ports),)
