"""A running shop's modules moved out to a database of their own and back, and who watches it.

What ``manage.py up`` does by itself is done here for a shop that a test has started: the processes
of a service begin after ``create`` and end after ``cancel``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from modules.platform.hosting.running.process import Process, Stage
from shop.env import ROOT
from tests import plain
from tests.e2e.operators.browser import PASSWORD, Operator
from tests.e2e.running import RunningShop
from tests.e2e.town import samples
from tests.waiting import eventually

REASON = ("--reason", "INC-42: a test moves it", "--yes")
# The lock of modules/extraction/controlling.py.
AT_IT = """
SELECT 1 FROM pg_locks l
JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
WHERE l.granted AND classid = (hashtext('ficus.extraction')::bigint & 4294967295)::oid
  AND objid = (hashtext(%s)::bigint & 4294967295)::oid
"""
# Every change of authority is a step with a receipt.
SWAPS = """
SELECT step.verb, receipt.body ->> 'committed_at', step.facts
FROM extraction.extraction_step step
JOIN extraction.extraction_receipt receipt ON receipt.id = (step.facts ->> 'receipt')::bigint
WHERE step.module = %s AND step.facts ? 'pause_ms' ORDER BY step.id
"""
LOOKS_ONLY = frozenset({"status", "log", "plan"})
BEGUN_WITHIN = 60.0  # seconds for a whole host to begin, on a busy machine
LOOK = 0.25  # seconds between two looks of an operator at a page


class VerbFailed(AssertionError):
    """A verb ended with another exit code than it should; the message has all that it said."""


class Controller:
    """``with Controller(shop) as control: control.do("create", "payment")``.

    At its end every module is in the monolith again, and nothing of it is left.
    """

    def __init__(self, shop: RunningShop) -> None:
        self.shop = shop
        self.took: dict[str, float] = {}  # the last time of each verb, in seconds
        self._touched: set[str] = set()

    def __enter__(self) -> Controller:
        with (self.shop.home / "controller.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.controller"],
                cwd=ROOT,
                env=self.shop.variables(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for module in sorted(self._touched):
                self.bring_home(module)
        finally:
            self._process.communicate(timeout=30)

    def do(self, verb: str, module: str, *more: str, code: int = 0) -> dict[str, Any]:
        """The verb's report; what should run is running when it returns. Raises VerbFailed."""
        self._touched.add(module)
        reason = () if verb in LOOKS_ONLY else REASON
        told = self._asked(verb, module, [*reason, *more])
        self._follow(told["own"])
        self.took[verb] = told["seconds"]
        if told["code"] != code:
            raise VerbFailed(f"{verb} {module}: {told['code']} {told['said']} {told['report']}")
        return dict(told["report"] or {})

    def die(self, verb: str, module: str, at: str) -> None:
        """The verb by a controller that is killed at this step of the swap."""
        with self._alone(verb, module, f"{verb}.{at}:1:kill") as process:
            said, _ = process.communicate(timeout=120)
        if process.returncode != -signal.SIGKILL:
            raise VerbFailed(f"{verb} {module} was not killed: {said}")

    def stand_still(
        self, verb: str, module: str, at: str, meanwhile: Callable[[], object]
    ) -> tuple[int, str]:
        """The verb by a controller that stands still at this step until ``meanwhile`` is done; its
        exit code, and what it said.
        """
        with self._alone(verb, module, f"{verb}.{at}:1:stop") as process:
            _until_it_stands_still(process)
            try:
                meanwhile()
            finally:
                process.send_signal(signal.SIGCONT)
            said, _ = process.communicate(timeout=120)
        return process.returncode, said

    @contextmanager
    def _alone(self, verb: str, module: str, crash_at: str) -> Iterator[subprocess.Popen[str]]:
        """The verb in a process of its own, which is gone when the block ends."""
        self._touched.add(module)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "strangler", verb, module, *REASON],
            cwd=ROOT,
            env=self.shop.variables() | {"FICUS_MOVE_CRASH_AT": crash_at},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def passes(self, verb: str, module: str) -> bool:
        """Whether its guards let it through now."""
        told = self._asked(verb, module, [*REASON, "--dry-run"])
        self._follow(told["own"])
        return bool(told["code"] == 0)

    def is_held(self, module: str) -> bool:
        """Whether the front door lets the module's commands wait."""
        table = plain.get(f"{self.shop.admin}/-/table", timeout=5).json()
        return bool(table["capabilities"][module].get("held"))

    def phase(self, module: str) -> str:
        """Where it stands by the control plane's word."""
        rows = self.shop.query(
            "SELECT phase FROM extraction.extraction_capability WHERE module = %s", module
        )
        return str(rows[0][0]) if rows else "monolith"

    def is_free(self, module: str) -> bool:
        """Whether no controller is at it now, be it a watch that puts something right."""
        return not self.shop.query(AT_IT, module)

    def swaps(self, module: str) -> list[dict[str, Any]]:
        """What is on record of each change of authority, oldest first: ``verb``, ``pause_ms``,
        ``committed_at`` (ISO 8601) ...
        """
        rows = self.shop.query(SWAPS, module)
        return [{"verb": verb, "committed_at": at, **facts} for verb, at, facts in rows]

    def wait_for_own(self, module: str) -> None:
        """Until the registry lists an instance with a database of its own."""
        eventually(
            lambda: self.has_own(module), within=BEGUN_WITHIN, what=f"{module}'s own instance"
        )

    def own_database(self, module: str) -> str:
        """Where the service's own data is, by its own login."""
        return self.shop.declared[f"{module}-own-web"].environment["DATABASE_URL"]

    def own_url(self, module: str) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.shop.ports[f'{module.upper()}_OWN']}"

    def counted(self, module: str, metric: str, **labels: str) -> float:
        """Sum of the samples of the service with its own database."""
        return sum(samples(self.own_url(module), metric, labels))

    def bring_home(self, module: str) -> None:
        """Back to the monolith from wherever it stands, and nothing left of it."""
        if self.phase(module) in ("extracted", "canary"):
            self.do("rollback", module)
        if self.phase(module) == "shadow":
            self.do("cancel", module)

    def has_own(self, module: str) -> bool:
        """Whether it lists one now."""
        url = f"{self.shop.web}/registry/instances?module={module}"
        listed = plain.get(url, timeout=5).json()["instances"]
        return any(one["role"] == "own" for one in listed)

    def _asked(self, verb: str, module: str, more: list[str]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"verb": verb, "module": module, "more": more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the controller ended: {self.shop.said('controller')}"
        told: dict[str, Any] = json.loads(line)
        return told

    def _follow(self, own: list[dict[str, Any]]) -> None:
        """Start and stop processes of the shop as the supervisor of ``manage.py up`` does."""
        wanted = {one["name"]: _process(one) for one in own}
        gone = [name for name in self.shop.running if _is_own(name) and name not in wanted]
        for name in sorted(gone, key=lambda name: -self.shop.declared[name].stage):
            self.shop.stop(name)
            del self.shop.declared[name]
        for name, process in wanted.items():
            if name not in self.shop.running:
                self.shop.declared[name] = process
                self.shop.start(name)


def _process(told: Mapping[str, Any]) -> Process:
    return Process(**{**told, "stage": Stage(told["stage"])})


def _is_own(name: str) -> bool:
    return "-own-" in name or name.endswith("-watch")


def _until_it_stands_still(process: subprocess.Popen[str]) -> None:
    """Raises VerbFailed if it ends instead, or goes on for a minute."""
    until = time.monotonic() + 60
    looked = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT  # its end is left to be waited for
    while (found := os.waitid(os.P_PID, process.pid, looked)) is None:
        if time.monotonic() > until:
            raise VerbFailed("the controller neither stands still nor ends")
        time.sleep(0.002)
    if found.si_code != os.CLD_STOPPED:
        raise VerbFailed(f"the controller did not get there: {process.communicate()[0]}")


# ---------------------------------------------------------------- an operator


@dataclass(slots=True)
class Seen:
    """What an operator saw of one page, look by look."""

    path: str
    looks: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def looking(shop: RunningShop, path: str) -> Iterator[Seen]:
    """An operator who is signed in looks at this page all the time; it must be there each time."""
    email = "watchful@shop.example"
    secret = shop.home / "watchful-password"
    secret.write_text(PASSWORD)
    shop.manage("create_admin", "--email", email, "--password-file", str(secret))
    operator, seen, stop = Operator(shop.base, email), Seen(path), threading.Event()
    operator.sign_in()
    thread = threading.Thread(target=_look, args=(operator, seen, stop))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
        operator.browser.close()


def _look(operator: Operator, seen: Seen, stop: threading.Event) -> None:
    while not stop.is_set():
        at = time.strftime("%H:%M:%S")
        try:
            page = operator.see(seen.path)
        except httpx.HTTPError as error:
            seen.wrong.append(f"{at} {seen.path}: {error!r}")
        else:
            if (page.status_code, operator.hops[-1]) != (200, seen.path):
                seen.wrong.append(f"{at} {page.status_code} at {operator.hops}")
        seen.looks += 1
        stop.wait(LOOK)
