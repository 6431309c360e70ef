"""A real RabbitMQ of a test's own, which can be killed, stopped and started again.

with running_rabbit() as rabbit:
    celery_settings(rabbit.url)
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.ports import free_port

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
BEGINS_WITHIN = 90.0  # seconds; 5 s of CPU
USER = "ficus"
# One scheduler that never spins: the machine has other work.
ERLANG = (
    "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)


class Rabbit:
    """``url`` is good for as long as it runs, and again when it is started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._password = secrets.token_hex(16)
        self._port, self._distribution, self._names = free_port(), free_port(), free_port()
        self.url = f"amqp://{USER}:{self._password}@127.0.0.1:{self._port}//"
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()

    def start(self) -> None:
        """Start it, with what it held durably. Returns once it takes connections."""
        assert self._process is None
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM],
                env=self._environment(),
                cwd=self._home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _wait_for(self._takes_connections, within=BEGINS_WITHIN, said=self.said)

    def kill(self) -> None:
        """SIGKILL, as a crash of its machine would."""
        if self._process is not None:
            process, self._process = self._process, None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)  # for the script that started it; the port says when it is gone itself
            _wait_for(lambda: not _answers(self._port), within=15, said=self.said)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stopped with all its connections open, as one that the network has lost."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def said(self) -> str:
        """The end of its log."""
        return (self._home / "server.log").read_text()[-3000:]

    @contextmanager
    def _name_server(self) -> Iterator[None]:
        """Erlang's, which would start as a daemon and stay, if there were none at this port."""
        command = ["epmd", "-port", str(self._names), "-address", "127.0.0.1"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
            try:
                _wait_for(lambda: _answers(self._names), within=10, said=lambda: "no epmd")
                yield
            finally:
                process.kill()

    def _configure(self) -> None:
        (self._home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"default_user = {USER}\n"
            f"default_pass = {self._password}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
        )
        (self._home / "plugins").write_text("[].\n")
        (self._home / "environment").touch()  # not /etc/rabbitmq's

    def _environment(self) -> dict[str, str]:
        home = str(self._home)
        return {
            "PATH": os.environ["PATH"],
            "HOME": home,  # Erlang's cookie is there
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"ficus{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/environment",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/generated",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }

    def _takes_connections(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        return _answers(self._port)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


def _wait_for(what: Callable[[], bool], *, within: float, said: Callable[[], str]) -> None:
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, said()
        time.sleep(0.1)


@contextmanager
def running_rabbit() -> Iterator[Rabbit]:
    """One that has begun; nothing of it is left afterwards."""
    if not PROGRAM.exists() or shutil.which("epmd") is None:
        pytest.fail("RabbitMQ is missing; install it with: make debian (as root)")
    home = Path(tempfile.mkdtemp(prefix="ficus-rabbit-"))
    try:
        rabbit = Rabbit(home)
        with rabbit._name_server():
            try:
                rabbit.start()
                yield rabbit
            finally:
                rabbit.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)
