"""Processes side by side: prefixed logs, a new start for what dies, an orderly end."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modules.platform.hosting.running.process import Stage
from shop.env import ROOT
from tests.ports import free_port
from tests.waiting import eventually

# Says each line of what happens to it; takes its time to end.
PATIENT = """
import signal, sys, time
def end(*_):
    print("asked to end", flush=True)
    time.sleep(float(sys.argv[1]))
    print("ends", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("begins", flush=True)
while True:
    time.sleep(0.05)
"""
# Has a child that holds its output open and would outlive it.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(f"child {child.pid}", flush=True)
time.sleep(600)
"""


def process(name: str, script: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """A process of a test."""
    return {"name": name, "command": [sys.executable, "-c", script, *arguments], **more}


class Run:
    """A supervisor that runs; ``said()`` is its output."""

    def __init__(self, folder: Path, processes: list[dict[str, Any]]) -> None:
        wanted = folder / "processes.json"
        self._more = folder / "processes.more"
        wanted.write_text(json.dumps(processes))
        self._log = folder / "log.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.platform.hosting.supervised", str(wanted)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def want(self, *processes: dict[str, Any]) -> None:
        """Have its source want these from now on."""
        draft = self._more.with_suffix(".new")
        draft.write_text(json.dumps(processes))
        draft.replace(self._more)

    def say_nonsense(self) -> None:
        """Have its source fail."""
        self._more.write_text("{")

    def said(self) -> str:
        return self._log.read_text()

    def lines(self) -> list[str]:
        """Who said what, without the times."""
        return [re.sub(r"^\S+ (\w+) +\| ", r"\1: ", line) for line in self.said().splitlines()]

    def wait_for(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.said().count(text) >= times, within=20, what=repr(text))

    def pids(self, name: str) -> list[int]:
        """Of each start of the process."""
        return [int(pid) for pid in re.findall(rf"{name} started \(pid (\d+)\)", self.said())]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts supervisors; none outlives the test."""
    started: list[Run] = []

    def start(*processes: dict[str, Any]) -> Run:
        started.append(Run(tmp_path, list(processes)))
        return started[-1]

    yield start
    for one in started:
        for pid in [one.process.pid, *map(int, re.findall(r"(?:pid|child) (\d+)", one.said()))]:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        one.process.wait(20)


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has looked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def answering(port: int) -> Iterator[None]:
    """Something at this port that answers everything with 200."""

    class Fine(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", port), Fine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_all_and_is_the_exit_code(
    run: Callable[..., Run], number: signal.Signals, code: int
) -> None:
    """Each is asked to end and waited for; every line has the name of who said it."""
    running = run(process("one", PATIENT, "0.2"), process("another", PATIENT, "0"))
    running.wait_for("begins", times=2)
    assert running.end(number) == code
    for name in ("one", "another"):
        assert [line for line in running.lines() if line.startswith(f"{name}: ")] == [
            f"{name}: {what}" for what in ("begins", "asked to end", "ends")
        ]
        assert not is_there(running.pids(name)[0])


def test_stages_end_one_after_the_other(run: Callable[..., Run]) -> None:
    """The front door first, and only when it has ended those that work for it."""
    stages = {"work": Stage.WORK, "door": Stage.DOOR, "web": Stage.WEB}
    running = run(*(process(name, PATIENT, "0.3", stage=stage) for name, stage in stages.items()))
    running.wait_for("begins", times=3)
    running.end()
    ending = [line for line in running.lines() if re.search(r"asked to end|ends$", line)]
    assert ending == [
        f"{name}: {what}" for name in ("door", "web", "work") for what in ("asked to end", "ends")
    ]


def test_killed_process_is_started_again_without_its_orphans(run: Callable[..., Run]) -> None:
    """Its children are ended first: they would hold its ports and its output."""
    running = run(process("parent", PARENT), process("other", PATIENT, "0"))
    running.wait_for("child")
    (victim,) = running.pids("parent")
    (orphan,) = map(int, re.findall(r"child (\d+)", running.said()))
    os.kill(victim, signal.SIGKILL)
    running.wait_for("child", times=2)
    assert not is_there(orphan)
    assert "parent was ended by SIGKILL; it is started again in 0 s" in running.said()
    assert len(running.pids("other")) == 1
    assert running.end() == 130


def test_what_cannot_begin_ends_everything(run: Callable[..., Run]) -> None:
    """Its last words are shown, and its exit code is the supervisor's."""
    refusal = "import sys; sys.exit('PROXY_WORKERS is wrong')"
    running = run(process("bad", refusal), process("other", PATIENT, "0"))
    assert running.process.wait(20) == 1
    assert "bad: PROXY_WORKERS is wrong" in running.lines()
    assert "bad ended with 1 and cannot begin; stopping everything" in running.said()
    assert not is_there(running.pids("other")[0])


def test_what_keeps_dying_ends_everything(run: Callable[..., Run]) -> None:
    """It is started again more and more slowly, and not for ever."""
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    running = run(process("bad", crash))
    running.wait_for("it is started again", times=4)
    pauses = [float(pause) for pause in re.findall(r"again in (\S+) s", running.said())]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 2 * pauses[-2]
    assert running.end() == 130


def test_process_comes_after_what_it_needs(run: Callable[..., Run]) -> None:
    """It is started when the address answers, while the others begin at once."""
    port = free_port()
    late = process("late", PATIENT, "0", after=f"http://127.0.0.1:{port}/livez")
    running = run(late, process("early", PATIENT, "0"))
    running.wait_for("begins")
    time.sleep(0.5)
    assert running.pids("late") == []
    with answering(port):
        running.wait_for("begins", times=2)
    assert running.end() == 130


def test_second_signal_does_not_wait(run: Callable[..., Run]) -> None:
    """Who presses Ctrl-C twice means it."""
    running = run(process("slow", PATIENT, "60"))
    running.wait_for("begins")
    running.process.send_signal(signal.SIGINT)
    running.wait_for("asked to end")
    began = time.monotonic()
    assert running.end() == 130
    assert time.monotonic() - began < 5
    assert not is_there(running.pids("slow")[0])


def test_long_and_broken_lines_are_shown(run: Callable[..., Run]) -> None:
    """A line of any length, one that is not text, and one without an end."""
    script = (
        "import os, sys, time; sys.stdout.buffer.write(b'x' * 200_000 + b'\\n\\xff\\nlast');"
        "sys.stdout.flush(); os.close(1); os.close(2); time.sleep(600)"
    )
    running = run(process("chatty", script))
    running.wait_for("last")
    assert f"chatty: {'x' * 200_000}" in running.lines()
    assert "chatty: \ufffd" in running.lines()


def test_what_a_source_wants_runs_for_so_long(run: Callable[..., Run]) -> None:
    """It begins while the others run, and ends stage by stage; they are left alone."""
    running = run(process("always", PATIENT, "0"))
    running.wait_for("begins")
    stages = {"work": Stage.WORK, "door": Stage.DOOR}
    running.want(*(process(name, PATIENT, "0.2", stage=stage) for name, stage in stages.items()))
    running.wait_for("begins", times=3)
    running.want()
    running.wait_for("ends", times=2)
    ending = [line for line in running.lines() if re.search(r"asked to end|ends$", line)]
    assert ending == [
        f"{name}: {what}" for name in ("door", "work") for what in ("asked to end", "ends")
    ]
    assert is_there(running.pids("always")[0])
    running.want(process("work", PATIENT, "0"))
    running.wait_for("begins", times=4)
    assert running.end() == 130
    assert not any(is_there(pid) for pid in running.pids("work"))


def test_what_a_source_wants_differently_is_started_anew(run: Callable[..., Run]) -> None:
    """The old one has ended when the new one begins: they would want the same port."""
    running = run()
    running.want(process("one", PATIENT, "0.3"), process("other", PATIENT, "0"))
    running.wait_for("begins", times=2)
    running.want(process("one", PATIENT, "0"), process("other", PATIENT, "0"))
    running.wait_for("begins", times=3)
    ours = [line for line in running.lines() if line.startswith("one: ")]
    assert ours == [f"one: {what}" for what in ("begins", "asked to end", "ends", "begins")]
    assert len(running.pids("other")) == 1
    assert running.end() == 130


def test_what_is_not_vital_may_fail_again_and_again(run: Callable[..., Run]) -> None:
    """It cannot even begin; the others go on, and it is tried as long as it is wanted."""
    running = run(process("always", PATIENT, "0"))
    running.want(process("bad", "raise SystemExit('not yet')", vital=False))
    running.wait_for("bad ended with 1; it is started again", times=3)
    assert is_there(running.pids("always")[0])
    running.want()
    running.wait_for("bad: not wanted any more")
    assert running.end() == 130


def test_while_a_source_fails_what_it_wanted_runs_on(run: Callable[..., Run]) -> None:
    """It is said once, and forgiven as soon as it answers again."""
    running = run()
    running.want(process("one", PATIENT, "0"))
    running.wait_for("begins")
    running.say_nonsense()
    running.wait_for("what else should run is not known")
    time.sleep(1.2)  # asked twice more
    assert running.said().count("what else should run is not known") == 1
    assert len(running.pids("one")) == 1
    running.want()
    running.wait_for("ends")
    assert running.end() == 130
