"""Starts the stand-in payment provider as a real process on a free port, for any test.

with StandIn.started(tmp_path) as standin:
    settings.STANDIN_URL = standin.url
    ...
    assert len(standin.charges(order_id)) == 1
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

ROOT = Path(__file__).resolve().parent.parent
SECRET = "whsec_c3RhbmQtaW4gc2VjcmV0IGZvciB0ZXN0cw=="


class StandIn:
    """A running stand-in. ``options`` are its command line's."""

    def __init__(self, home: Path, *options: str) -> None:
        self.state = home / "standin.jsonl"
        self._options = options
        self._port = 0
        self.url = ""
        # One client for all questions: making one takes longer than asking. No connection is kept,
        # because the process may be killed between two of them.
        self._http = httpx.Client(
            timeout=10,
            verify=False,  # noqa: S501 - plain HTTP
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def started(cls, home: Path | None = None, *options: str) -> Iterator[StandIn]:
        """A stand-in with its ledger under ``home``, ended afterwards."""
        with tempfile.TemporaryDirectory(prefix="standin-") as own:
            standin = cls(home or Path(own), *options)
            standin.start()
            try:
                yield standin
            finally:
                standin.stop()
                standin._http.close()

    def start(self) -> None:
        """Start it, at the port it had before if it had one. Returns once it listens."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "modules.payment.standin"),
                *("--port", str(self._port), "--state", str(self.state)),
                *("--slow-seconds", "1.0", "--hold-seconds", "5"),
                *self._options,
            ],
            cwd=ROOT,
            env=os.environ | {"STANDIN_WEBHOOK_SECRET": SECRET},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = line.split()[-1]
        self._port = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def ledger(self) -> dict[str, Any]:
        """``charges`` and ``operations``, all of them in order."""
        found: dict[str, Any] = self.ask("GET", "/ledger")
        return found

    def charges(self, order_id: UUID | str) -> list[dict[str, Any]]:
        """The charges of one order that were not declined."""
        return [
            charge
            for charge in self.ledger()["charges"]
            if charge["order_id"] == str(order_id) and charge["status"] != "declined"
        ]

    def operations(self, order_id: UUID | str, operation: str) -> list[dict[str, Any]]:
        """How often the provider really did ``operation`` for the order."""
        ids = {charge["id"] for charge in self.charges(order_id)}
        return [
            done
            for done in self.ledger()["operations"]
            if done["charge"] in ids and done["operation"] == operation
        ]

    def faults(self, operation: str, kind: str, **more: Any) -> None:
        """Plan a fault for the next calls: see modules/payment/standin/faults.py."""
        self.ask("POST", "/faults", {"operation": operation, "kind": kind} | more)

    def no_faults(self) -> None:
        self.ask("DELETE", "/faults")

    def webhooks(self, **wanted: Any) -> dict[str, Any]:
        """Configure where webhooks go (``url``, ``mode``, ``delay_seconds``); what was sent."""
        found: dict[str, Any] = self.ask("POST", "/webhooks", wanted)
        return found

    def confirm(self, url: str, *, outcome: str = "approve") -> None:
        """What a shopper does at a confirm URL."""
        self._http.post(url, data={"outcome": outcome}).raise_for_status()

    def page(self, url: str) -> str:
        """What a shopper sees at a confirm URL."""
        return self._http.get(url).text

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One JSON call. Raises httpx.HTTPStatusError for 4xx and 5xx."""
        answer = self._http.request(
            method,
            self.url + path,
            content=None if body is None else json.dumps(body),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        return answer.raise_for_status().json()

    def _end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
