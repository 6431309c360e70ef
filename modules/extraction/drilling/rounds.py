"""The rounds of a drill: swaps there and back, clean and with faults, each judged afterwards."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from modules.extraction.drilling.faults import Fault, How, Who
from modules.extraction.drilling.ledger import Ledger
from modules.extraction.drilling.processes import Actor, Ended, Nursery
from modules.extraction.drilling.reports import Tried
from modules.extraction.protocol import (
    Direction,
    Move,
    NotYetGranted,
    State,
    Stream,
    compare,
    heal,
)
from modules.extraction.protocol.draining import catch_up
from modules.extraction.protocol.healing import look
from modules.extraction.protocol.owning import ownership
from modules.extraction.protocol.sides import SERVICE, connect

REST = (State.MONOLITH, State.SERVICE)
HEALS_WITHIN = 10.0  # seconds; a stopped controller's fence stands for one
APPLIER_STANDS = 1.0  # seconds that a stopped applier stays, before somebody ends it
BREATH = 0.15  # seconds of writing before each swap
_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_ATTEMPTS = 4  # behind the fence another applier may be first, so the controller comes not by


@dataclass(slots=True)
class Swapped:
    """A swap that nobody disturbed."""

    to: int  # 0: monolith, 1: service
    fenced_at: float
    pause_ms: float


@dataclass(slots=True)
class Rounds:
    """The processes of a drill, and what was found so far."""

    move: Move
    nursery: Nursery
    writers: Actor
    watcher: Actor
    ledger: Ledger = field(default_factory=Ledger)
    swaps: list[Swapped] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _follower: Actor | None = None

    def clean(self) -> None:
        """There and back."""
        for verb in ("cutover", "rollback"):
            time.sleep(BREATH)
            self.swap(verb)

    def swap(self, verb: str) -> None:
        """One swap that must succeed."""
        ended = self.nursery.run(verb)
        if ended.code != 0:
            self.wrong.append(f"{verb} failed: {ended.said.get('why', ended.code)}")
            return
        said = ended.said
        to = 1 if verb == "cutover" else 0
        self.swaps.append(Swapped(to, said["fenced_at"], said["pause_ms"]))

    def settle(self) -> str:
        """Let the writers come to rest, bring the streams to their ends, compare; what is wrong."""
        self.writers.say("hold")
        said = self.writers.hear()
        self.ledger.add(said["accepted"])
        wrong = [f"a writer gave up: {why}" for why in said["failed"] if why]
        if not said["settled"]:
            wrong.append("a write was not accepted any more")
        for direction in Direction:
            with Stream(self.move, direction) as stream:
                catch_up(stream)
        unequal = [one.table for one in compare(self.move) if not one.equal]
        if unequal:
            wrong.append(f"digests differ: {', '.join(unequal)}")
        account = self.ledger.judged(self.move)
        if not account.holds:
            wrong.append(str(account))
        return "; ".join(wrong)

    def go(self) -> None:
        """Let the writers write again."""
        self.writers.say("go")

    def tried(self, fault: Fault) -> Tried:
        """One fault, from a module at rest to a module at rest."""
        self._bring(fault.verb)
        time.sleep(BREATH)
        at, state = self._do(fault)
        healed = self._healed()
        wrong = self.settle()
        if healed not in REST:
            wrong = f"{wrong}; not healed: {healed}".lstrip("; ")
        first = self.ledger.first_after(at) if at else None
        pause = (first - at) * 1000 if at and first else 0.0
        self.go()
        if wrong:
            self.wrong.append(f"{fault.name}: {wrong}")
        return Tried(
            fault=fault.name,
            how=fault.how,
            reached=bool(at),
            state=state,
            healed=healed,
            pause_ms=round(pause, 1),
            bound_ms=fault.bound_ms,
            wrong=wrong,
        )

    @contextmanager
    def following(self) -> Iterator[None]:
        """With a process that carries changes."""
        self._follow()
        try:
            yield
        finally:
            self._unfollow()

    def _follow(self, crash: str = "") -> None:
        self._unfollow()
        self._follower = Actor("follow", self.move, crash=crash)

    def _unfollow(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self._follower = None

    def _bring(self, verb: str) -> None:
        """Have the side own the module from which ``verb`` goes."""
        is_services = ownership(self.move.source).owner == SERVICE
        if is_services is not (verb == "rollback"):
            self.swap("rollback" if is_services else "cutover")

    def _do(self, fault: Fault) -> tuple[float, str]:
        """When it happened (0: it did not), and what the databases said then."""
        match fault.who:
            case Who.CONTROLLER:
                return self._to_controller(fault)
            case Who.APPLIER:
                return self._to_applier(fault)
            case Who.HEALER:
                return self._to_healer(fault)

    def _to_controller(self, fault: Fault) -> tuple[float, str]:
        word = "kill" if fault.how is How.KILLED else "stop"
        behind = f"@{fault.verb}.fenced" if fault.point.startswith("apply.") else ""
        for _attempt in range(_ATTEMPTS):
            ended = self.nursery.run(fault.verb, f"{fault.point}:1:{word}{behind}")
            if ended.code < 0 or "stopped" in ended.said:
                return ended.at, self._after(fault, ended)
            self._bring(fault.verb)
        return 0.0, ""

    def _after(self, fault: Fault, ended: Ended) -> str:
        state = self._state()
        if fault.how is How.CUT_OFF:
            self._cut_off()
        elif fault.how is How.STOPPED:
            self._healed()  # with the stopped one in the way
        if "stopped" in ended.said:
            self.nursery.go_on()  # whatever it still does must change nothing
        return state

    def _to_applier(self, fault: Fault) -> tuple[float, str]:
        word = "kill" if fault.how is How.KILLED else "stop"
        self._follow(f"{fault.point}:3:{word}")
        assert self._follower is not None  # noqa: S101 - it has just been started
        at = time.time()
        # Stopped in its transaction it holds the position: a swap waits, before its fence.
        ends = threading.Timer(APPLIER_STANDS, self._follower.signal, [signal.SIGKILL])
        ends.start()
        self.nursery.run(fault.verb)
        ends.join()
        state = self._state()
        self._follow()
        return at, state

    def _to_healer(self, fault: Fault) -> tuple[float, str]:
        self.watcher.signal(signal.SIGSTOP)  # it would be first
        try:
            self.nursery.run(fault.verb, "rollback.drained:1:kill")
            self._settled_down()
            ended = self.nursery.run("heal", f"{fault.point}:1:kill")
            state = self._state()
        finally:
            self.watcher.signal(signal.SIGCONT)
        return (time.time() if ended.code < 0 else 0.0), state

    def _settled_down(self) -> None:
        """PostgreSQL takes a moment to notice that a process is gone."""
        self._until(lambda: self._state() != State.ROLLING_BACK)

    def _cut_off(self) -> None:
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(self.move.target.url, autocommit=True) as admin,
        ):
            admin.execute(_CUT)

    def _state(self) -> str:
        with (
            connect(self.move.source, purpose="drill") as source,
            connect(self.move.target, purpose="drill") as target,
        ):
            return look(self.move, source, target).state

    def _healed(self) -> str:
        """What doctor does, until nothing is half done."""

        def mended() -> bool:
            try:
                return heal(self.move).now in REST
            except (psycopg.OperationalError, NotYetGranted):
                return False

        self._until(mended)
        return self._state()

    def _until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + HEALS_WITHIN
        while not holds() and time.monotonic() < until:
            time.sleep(0.02)
