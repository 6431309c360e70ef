"""A standalone host that runs by its own ``manage.py up``: embedded servers, ports of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import msgspec
import psycopg
from celery import Celery

from modules.platform.contracts import Event
from modules.platform.contracts.codec import encode
from modules.platform.databases import embedded
from modules.platform.keys import KeyRing, SigningKey, jwk_set
from modules.platform.messaging.wire import WireEvent, encode_events
from shop.env import ROOT
from tests import plain
from tests.e2e.test_up import processes_of
from tests.ports import free_port
from tests.waiting import eventually

SHOP_URL = "http://shop.test"
OPENS_WITHIN = 90.0  # seconds; PostgreSQL is made from nothing


def inherited() -> dict[str, str]:
    """This process's environment without what the tests have put there."""
    ours = ("PYTEST", "FICUS", "DJANGO", "DATABASE", "REDIS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def manage(
    module: str, *arguments: str, env: dict[str, str], root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """One command of the host, from its own folder."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=root / "extracted" / module,
        env={**inherited(), **env},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


class Alone:
    """A running host. ``key`` is published to it; ``http`` asks it."""

    def __init__(self, module: str, home: Path, env: dict[str, str], key: SigningKey) -> None:
        self.module, self.home, self.env, self.key = module, home, env, key
        # By name: an operator's link is for one host name, and cookies are, too.
        self.http = plain.client(base_url=f"http://localhost:{env['WEB_PORT']}", timeout=20)

    def said(self) -> str:
        return (self.home / "up.log").read_text()

    def link(self, *arguments: str) -> str:
        """What ``manage.py operator_link`` prints first: a path."""
        done = manage(self.module, "operator_link", *arguments, env=self.env)
        assert done.returncode == 0, done.stderr
        return re.sub(r"\s+", "", done.stdout.partition("Open it")[0])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows straight from its own PostgreSQL; also for statements that write and return."""
        schemas = f"-c search_path={self.module},host"
        url = embedded.ensure_postgres(self.home).url
        with psycopg.connect(url, options=schemas) as connection:
            return connection.execute(statement.encode()).fetchall()

    def deliver(self, source: str, *events: Event) -> None:
        """Put a batch of another module's events into its worker's queue, as a relay does."""
        batch = [_on_the_wire(source, event, at) for at, event in enumerate(events, 1)]
        text = encode_events(batch)
        app = Celery(broker=embedded.ensure_redis(self.home).url, set_as_current=False)
        with app.connection_for_write() as connection:
            app.send_task(
                "bus.deliver",
                args=[source, self.module, 0, 0, len(events), True, text],
                queue=f"bus.{self.module}",
                ignore_result=True,
                connection=connection,
            )

    def token(self, key: SigningKey | None = None, **claims: Any) -> dict[str, str]:
        """The header of an access token; signed with the published key unless told."""
        now = datetime.now(UTC)
        said = {
            "iss": SHOP_URL,
            "aud": "ficus-api",
            "sub": str(uuid4()),
            "kind": "staff",
            "scope": "*",
            "owners": [],
            "label": "staff@example.com",
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "jti": uuid4().hex,
        }
        signing = key or self.key
        headers = {"kid": signing.kid, "typ": "at+jwt"}
        text = jwt.encode({**said, **claims}, signing.private, algorithm="EdDSA", headers=headers)
        return {"Authorization": f"Bearer {text}"}


def _on_the_wire(source: str, event: Event, position: int) -> WireEvent:
    return WireEvent(
        specversion="1.0",
        id=uuid4(),
        source=source,
        type=event.type_name(),
        subject=event.key(),
        time=datetime.now(UTC),
        sequence=str(position),
        data=msgspec.Raw(encode(event)),
    )


@contextmanager
def running_alone(module: str) -> Iterator[Alone]:
    """``manage.py up`` in the host's folder until it is open; Ctrl-C must leave nothing."""
    home = Path(tempfile.mkdtemp(prefix="ficus-host-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    key = KeyRing(home / "shop_keys").signing()
    try:
        with _publishing(key) as address:
            ports = {name: str(free_port()) for name in ("WEB", "STANDIN", "MAILBOX")}
            env = {f"{name}_PORT": port for name, port in ports.items()}
            env |= {"FICUS_HOME": str(home), "ACCESS_TOKEN_KEYS": address, "SHOP_URL": SHOP_URL}
            with _up(module, home, env):
                host = Alone(module, home, env, key)
                with host.http:
                    yield host
        eventually(lambda: not processes_of(home), within=15, what="the end of every process")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _up(module: str, home: Path, env: dict[str, str]) -> Iterator[None]:
    log = home / "up.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT / "extracted" / module,
            env={**inherited(), **env, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        opened = lambda: running.poll() is not None or "Ctrl-C stops" in log.read_text()  # noqa: E731
        eventually(opened, within=OPENS_WITHIN, what="the host's opening")
        assert running.poll() is None, log.read_text()
        yield
        running.send_signal(signal.SIGINT)
        assert running.wait(40) == 130
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            for line in processes_of(home):  # else they would outlive a failed test
                os.kill(int(line.split()[0]), signal.SIGKILL)


@contextmanager
def _publishing(key: SigningKey) -> Iterator[str]:
    """The address of a JWK set with ``key``, as the shop publishes its own."""
    body = msgspec.json.encode({"keys": jwk_set([key])})

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
