"""The real front door as a process, for tests that look at it from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 20.0  # seconds for a process to begin or to end


class FrontDoor:
    """``python -m strangler_proxy`` with a document of its own, on a free port.

    ``root`` is where the package lies.
    """

    def __init__(self, folder: Path, document: dict[str, Any], root: Path = REPOSITORY) -> None:
        self.root = root
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.path = folder / "routes.yaml"
        self.log = folder / "log.txt"
        self.access_log = folder / "access.log"
        token = folder / "token"
        token.write_text("a-token-of-the-tests-0123456789abcdef")
        token.chmod(0o600)
        self.token = token.read_text()
        self.base: dict[str, Any] = {
            "version": 1,
            "listen": [{"address": f"127.0.0.1:{self.port}"}],
            "admin": {"address": f"127.0.0.1:{self.admin_port}", "token_file": str(token)},
            "access_log": {"path": str(self.access_log)},
        }
        self.arguments = [sys.executable, "-m", "strangler_proxy", "--config", str(self.path)]
        # One client for all questions: making one takes longer than asking.
        self._client = httpx.Client(timeout=10, verify=False)  # noqa: S501 - plain HTTP
        self.process: subprocess.Popen[bytes]
        self.write(document)

    def write(self, document: dict[str, Any]) -> None:
        """Put another document into the file, at once and whole."""
        merged = {**self.base, **document}
        if "listen" in document:  # keep our port
            first, *others = document["listen"]
            merged["listen"] = [{**first, "address": f"127.0.0.1:{self.port}"}, *others]
        draft = self.path.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(merged))
        draft.replace(self.path)

    def start(self) -> FrontDoor:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=self.root,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONWARNINGS": "default"},
            )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"it did not start:\n{self.said()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self._is_ready():
                    return self
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"it did not start in time:\n{self.said()}")

    def _is_ready(self) -> bool:
        try:
            return self._client.get(f"{self.admin_url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def said(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.log.read_text()

    def admin(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the admin listener, as somebody who may change things."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self._client.request(method, self.admin_url + path, headers=headers, **more)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self._client.get(f"{self.admin_url}/-/metrics").text.splitlines():
            named = line.startswith((name + "{", name + " "))
            if named and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def stop(self, patience: float = PATIENCE) -> int:
        """SIGTERM, and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop in time:\n{self.said()}") from None

    def close(self) -> None:
        """Whatever has happened: nothing of it stays."""
        self._client.close()
        if hasattr(self, "process") and self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def front_door(
    folder: Path, document: dict[str, Any], root: Path = REPOSITORY
) -> Iterator[FrontDoor]:
    """A running front door; whatever happens, it is ended and must not have shown a traceback."""
    folder.mkdir(parents=True, exist_ok=True)
    door = FrontDoor(folder, document, root)
    try:
        yield door.start()
        door.stop()
    finally:
        door.close()
    assert "Traceback" not in door.said(), door.said()
