"""Where the examples of a page run: ports, a folder, upstreams, a front door, a shell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from modules.platform.databases import embedded
from tests.docs.documents import PORTS, Part, with_ports, without_ports
from tests.docs.shell import Shell, Step
from tests.docs.upstream import NAMES, Upstream, upstreams
from tests.ports import free_port
from tests.proxy.front import PATIENCE, REPOSITORY, FrontDoor
from tests.proxy.issuing import Issuer, jwks
from tests.proxy.origin import Origin

REDIS = "redis://127.0.0.1:6379/0"  # of the examples; the real one has a password
START_ONLY = ("listen", "admin", "workers", "state", "recording", "access_log", "drain_seconds")
ADMIN_TOKEN = "the-admin-token-of-the-examples"
REGISTRATION_TOKEN = "the-token-for-registrations-only"


class Door(FrontDoor):
    """The front door of the examples: its document is a text, its paths are of ``folder``."""

    def __init__(self, folder: Path, ports: dict[int, int]) -> None:
        super().__init__(folder, {"routes": []})
        self.port, self.admin_port = ports[8000], ports[8009]
        self.url, self.admin_url = (f"http://127.0.0.1:{ports[one]}" for one in (8000, 8009))
        self.token = ADMIN_TOKEN
        self.log = folder / "door.log"
        self._folder = folder

    def start(self) -> Door:
        """In the folder, so that paths in the document are what the page shows."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "strangler_proxy", "--config", self.path.name],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        until = time.monotonic() + PATIENCE
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"it did not start:\n{self.said()}")
            time.sleep(0.02)
        return self

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None


class Stage:
    """One folder and one set of ports. ``serve`` puts a document in force."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {one: free_port() for one in PORTS}
        self._door: Door | None = None
        self._in_force: Part = {}
        self._origins: dict[Upstream, Origin] = {}
        self._redis = ""
        self._redis_home: Path | None = None
        self._issuer = Issuer()
        self._write("keys.json", jwks(self._issuer).decode())
        self._write("new-keys.json", jwks(Issuer("20270116T080000000000-0d1e2f")).decode())
        self._write("admin-token", ADMIN_TOKEN)
        self._write("registration-token", REGISTRATION_TOKEN)
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "no_proxy": "*",
            "ADMIN": f"Authorization: Bearer {ADMIN_TOKEN}",
        }

    def _tokens(self) -> dict[str, str]:
        """Good ones, and one that is over for a minute now."""
        now, made = time.time(), self._issuer.token
        return {
            "TOKEN": made(now=now, sub="cus_1", scope="orders:read"),
            "EXPIRED": made(now=now - 960, sub="cus_1", scope="orders:read"),
            "UNTYPED": made(now=now, sub="cus_1", headers={"typ": "JWT"}),
            "STAFF": made(now=now, sub="usr_1", scope="*", kind="staff", role="operator"),
        }

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)

    def open_upstreams(self) -> None:
        """Those of the examples."""
        self._origins = upstreams({port: self.ports[port] for port in NAMES})

    def needs(self, text: str) -> None:
        """Start what the text speaks of and not every example needs: Redis."""
        if REDIS in text and self._redis_home is None:
            home = self._redis_home = self.folder / "redis"
            home.mkdir()
            self._redis = embedded.ensure_redis(home, durable=False).url

    def save(self, text: str, name: str = "routes.yaml") -> None:
        """Put a document into the folder, with real ports."""
        draft = self.folder / f"{name}.draft"
        draft.write_text(with_ports(text.replace(REDIS, self._redis), self.ports))
        draft.replace(self.folder / name)

    def serve(self, document: Part, *, fresh: bool = False) -> None:
        """Serve by this document: in the process that runs, or in another one if it must be.

        What the upstreams have seen so far does not count: neither other examples, nor a front door
        that was too slow to say that it took the document, and had asked them for a while.
        """
        self._forget()
        same = all(document.get(one) == self._in_force.get(one) for one in START_ONLY)
        self.save(yaml.safe_dump(document, sort_keys=False))
        if fresh or not same or not self._reload():
            self.stop_door()
            self._forget()
            self._door = Door(self.folder, self.ports)
            # Its first document was one of its own making.
            self.save(yaml.safe_dump(document, sort_keys=False))
            self._door.start()
        self._in_force = document

    def _forget(self) -> None:
        for upstream in self._origins:
            upstream.forget()

    def _reload(self) -> bool:
        if self._door is None or not self._door.runs:
            return False
        try:
            return self._door.admin("POST", "/-/reload").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def check(self) -> None:
        """The front door must not have shown a fault of its own."""
        if self._door is not None:
            assert "Traceback" not in self._door.said(), self._door.said()

    def told(self) -> str:
        """What the front door can tell of what went wrong: its output, and its access log."""
        access = self.folder / "access.log"
        lines = access.read_text().splitlines()[-20:] if access.exists() else []
        said = self._door.said() if self._door is not None else ""
        runs = self._door is not None and self._door.runs
        return "\n".join([f"(the front door {'runs' if runs else 'does not run'})", said, *lines])

    @contextmanager
    def shell(self) -> Iterator[Shell]:
        """A shell in the folder."""
        shell = Shell(self.folder, {**self._environment, **self._tokens()})
        try:
            yield shell
        finally:
            shell.close()

    def run(self, shell: Shell, step: Step) -> str:
        """What a step prints, with the ports and the folder of the examples."""
        real = Step(with_ports(step.command, self.ports), "", step.line)
        printed = shell.run(real, with_ports(step.printed, self.ports))
        plain = without_ports(printed, self.ports)
        return plain.replace(f"{self.folder}/", "").replace(f"{REPOSITORY}/", "")

    def stop_door(self) -> None:
        """End the front door, if it runs."""
        door, self._door = self._door, None
        if door is None:
            return
        try:
            door.stop()
        finally:
            door.close()
        assert "Traceback" not in door.said(), door.said()

    def close(self) -> None:
        """End everything."""
        try:
            self.stop_door()
        finally:
            for origin in self._origins.values():
                origin.close()
            if self._redis_home is not None:
                embedded.stop_redis(self._redis_home)
