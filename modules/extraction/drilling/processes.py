"""Starts the processes of a drill, speaks with them, and ends those that it has started."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from modules.extraction.protocol import Move

ANSWERS = 60.0  # seconds; longer than any controller's own time is
HERE = Path(__file__).resolve().parents[3]  # where ``modules`` is found


class ActorGone(Exception):
    """A process of the drill itself ended, which nobody had killed, or says nothing any more."""

    def __init__(self, verb: str, code: int | None) -> None:
        how = f"does not answer within {ANSWERS:.0f} s" if code is None else f"ended with {code}"
        super().__init__(f"the drill's own process ({verb}) {how}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a controller ended: ``code`` as of a process (negative: a signal), ``said`` what it
    found, ``at`` by the wall clock when it died or stopped.
    """

    code: int
    said: Mapping[str, Any]
    at: float


class Actor:
    """One process. ``more`` goes with the move in the first line of its input."""

    def __init__(self, verb: str, move: Move, *, crash: str = "", **more: Any) -> None:
        self.verb = verb
        self._heard_so_far = b""
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "modules.extraction.drilling.actor", verb],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=HERE,
            start_new_session=True,  # Ctrl-C is for the drill, which ends them
            env={**os.environ, "FICUS_MOVE_CRASH_AT": crash},
        )
        given = {
            "module": move.module,
            "schema": move.source.schema,
            "source": move.source.url,
            "target": move.target.url,
            "tables": move.tables,
            **more,
        }
        try:
            self.say(json.dumps(given))
            self.hear()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, however it stands."""
        if self._process.poll() is None and self._process.stdin is not None:
            # One that forks must end its own first: its input ends.
            try:
                self._process.stdin.close()
                self._process.wait(1.0)
            except (subprocess.TimeoutExpired, OSError):
                pass
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def say(self, line: str) -> None:
        """A line of its input."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as it was started
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """A line of what it says. Raises ActorGone."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as it was started
        until = time.monotonic() + ANSWERS
        while b"\n" not in self._heard_so_far:
            pipe = self._process.stdout.fileno()
            if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                raise ActorGone(self.verb, None)
            data = os.read(pipe, 1 << 16)
            if not data:
                raise ActorGone(self.verb, self._process.wait())
            self._heard_so_far += data
        line, _, self._heard_so_far = self._heard_so_far.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


class Nursery(Actor):
    """Forks a controller for each order."""

    def __init__(self, move: Move) -> None:
        super().__init__("serve", move)

    def run(self, verb: str, crash: str = "") -> Ended:
        """One controller, from its beginning to its end or its stop (``said['stopped']``)."""
        self.say(json.dumps({"verb": verb, "crash": crash}))
        return self._heard()

    def go_on(self) -> Ended:
        """Let the one that stopped go on; how it ends."""
        self.say("go")
        return self._heard()

    def _heard(self) -> Ended:
        said: dict[str, Any] = {}
        while True:
            line = self.hear()
            if "stopped" in line:
                return Ended(code=0, said=said | line, at=line["at"])
            if "code" in line:
                return Ended(code=line["code"], said=said, at=line["at"])
            said |= line
