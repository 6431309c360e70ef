"""Payment's host from its own folder, process by process: web, grpc and announce."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import httpx
from django.conf import settings
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.payment.contract import AuthorizePayment, OutcomeUnknown, Payment, PaymentRecord
from modules.platform.binding import use
from modules.platform.contracts import Money
from modules.platform.keys import KeyRing
from shop.env import ROOT
from tests import plain
from tests.extracted.alone import inherited
from tests.ports import free_port
from tests.standin import SECRET
from tests.waiting import eventually

BEGINS_WITHIN = 120.0  # seconds, on a busy machine
PAUSE = 0.02  # seconds of a buyer between two calls: the host needs the processor, too


class PaymentHost:
    """Works on the test's own data: role origin. ``log(name)`` is what a process has said."""

    def __init__(self, home: Path, *, registry: str, trusts: Path, standin: str) -> None:
        """``trusts``: the public keys of ``caller``, whose calls it answers."""
        self.home = home
        self.web_port, self.grpc_port = free_port(), free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._last = ""  # what its readiness said
        data = _url_of_the_tests_data()
        self.env = {
            "FICUS_HOME": str(home),
            "WEB_PORT": str(self.web_port),
            "WEB_WORKERS": "1",
            "GRPC_PORT": str(self.grpc_port),
            "INSTANCE_ROLE": "origin",
            "DATABASE_URL": data,
            "PAYMENT_DATABASE_URL": data,
            "REDIS_URL": settings.REDIS_URL,
            "REGISTRY_URL": registry,
            "SERVICE_TRUST": f"caller={trusts}",
            "STANDIN_URL": standin,
            "STANDIN_WEBHOOK_SECRET": SECRET,
            "LOG_FORMAT": "json",
        }

    @property
    def keys(self) -> Path:
        """Its own, with which it registers."""
        return self.home / "service_keys" / "payment"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def grpc_url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    def start(self, name: str) -> None:
        """``manage.py run NAME``, in the background."""
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "manage.py", "run", name],
                cwd=ROOT / "extracted" / "payment",
                env={**inherited(), **self.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ensure_grpc(self) -> None:
        """Start it again, if a test has ended it; returns when it answers."""
        if "grpc" not in self._running:
            self.start("grpc")
        self.wait_for_grpc()

    def wait_for_web(self) -> None:
        try:
            eventually(self._web_answers, within=BEGINS_WITHIN, what="payment's web")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._last}\n{self.log('web')}") from error

    def wait_for_grpc(self) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=BEGINS_WITHIN)
            except grpc.FutureTimeoutError as error:
                raise AssertionError(f"no grpc; it has said: {self.log('grpc')}") from error

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        process = self._running.pop(name)
        process.send_signal(number)
        return process.wait(30)

    def end_all(self) -> None:
        """With their children: a web server's workers would outlive it."""
        for process in self._running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        self._running.clear()

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()

    def _web_answers(self) -> bool:
        assert self._running["web"].poll() is None, "it has ended"
        try:
            answer = plain.get(f"{self.url}/readyz", timeout=2)
        except httpx.HTTPError as error:
            self._last = repr(error)
            return False
        self._last = answer.text
        return answer.status_code == 200


def _url_of_the_tests_data() -> str:
    parts = {name: str(value) for name, value in conninfo_to_dict(settings.DATABASE_URL).items()}
    return make_conninfo(**{**parts, "dbname": str(connections["payment"].settings_dict["NAME"])})


@contextmanager
def payment_host(
    home: Path, *, registry: str, trusts: KeyRing, standin: str
) -> Iterator[PaymentHost]:
    """Web, grpc and announce run, the first two ready."""
    host = PaymentHost(home, registry=registry, trusts=trusts.directory, standin=standin)
    KeyRing(host.keys).signing()
    try:
        for name in ("web", "grpc", "announce"):
            host.start(name)
        host.wait_for_web()
        host.wait_for_grpc()
        yield host
    finally:
        host.end_all()


def authorization(order_id: UUID) -> AuthorizePayment:
    return AuthorizePayment(
        idempotency_key=f"{order_id}",
        order_id=order_id,
        amount=Money(amount=5_000, currency="EUR"),
        method="card_ok",
        owner="customer:1",
    )


class Load:
    """Threads that authorize one order after another, each its own, until they are stopped.

    They do as orders does: after OutcomeUnknown they send the same command again (``unknown``
    counts that). Whatever else is raised is a lost call.
    """

    def __init__(self, threads: int = 4) -> None:
        self.paid: dict[UUID, PaymentRecord] = {}
        self._begun: list[UUID] = []
        self.lost: list[BaseException] = []
        self.unknown = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def __enter__(self) -> Load:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join(60)

    def more(self, count: int) -> None:
        """Wait until so many more have been paid."""
        wanted = len(self.paid) + count
        self.until(lambda: len(self.paid) >= wanted, f"{count} more payments")

    def settle(self) -> None:
        """Wait until all that have begun are paid: whose caller was killed in the middle is left
        alone by payment for ``leasing.LEASE``, and its next caller is told OutcomeUnknown first.
        """
        begun = self._begun.copy()
        self.until(lambda: self.paid.keys() >= set(begun), "the end of all that had begun")

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Raises AssertionError as soon as a call is lost."""
        eventually(lambda: self.lost or holds(), within=60, what=what)
        assert self.lost == []

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                order_id = uuid4()
                self._begun.append(order_id)
                self.paid[order_id] = self._bought(order_id)
                time.sleep(PAUSE)
        except Exception as error:
            self.lost.append(error)
        finally:
            connections.close_all()

    def _bought(self, order_id: UUID) -> PaymentRecord:
        while True:
            try:
                return use(Payment).authorize(authorization(order_id))
            except OutcomeUnknown:
                self.unknown += 1
                time.sleep(0.1)
