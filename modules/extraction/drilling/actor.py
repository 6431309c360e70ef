"""One process of a drill, to be killed or stopped: ``python -m modules.extraction.drilling.actor``.

    serve    forks a controller for each line of input, and prints how it ended
    follow   both streams, until its input ends
    watch    heals what a controller leaves behind, until its input ends
    write    the writers: ``hold`` stops them and prints what was accepted since, ``go`` goes on

The first line of its input is the move, with both addresses: they have passwords, and arguments are
for everybody to see. When its input ends it ends, so a drill that is killed leaves nobody behind.
What it finds it prints as lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

from modules.extraction.drilling.writers import Gate, Writer
from modules.extraction.protocol import (
    Direction,
    FenceRefused,
    Follower,
    Move,
    ProtocolError,
    Side,
    crashpoints,
    cutover,
    heal,
    rollback,
)
from modules.extraction.protocol.following import watch_fences

THREADS = 2  # writers; a fence must wait for several
SETTLES = 20.0  # seconds that the writers may take for their last tickets
GOES_ON = 15.0  # seconds for a controller that was stopped to come to its end
REFUSED_MOST = 20  # fences that the writers may refuse before a swap counts as not done


def main(verb: str) -> None:
    """Do one verb on the move that the first line of input names."""
    given = json.loads(sys.stdin.readline())
    move = Move(
        given["module"],
        Side("monolith", given["source"], given["schema"]),
        Side("service", given["target"], given["schema"]),
        tuple(given["tables"]),
    )
    match verb:
        case "serve":
            _serve(move)
        case "follow":
            _follow(move)
        case "watch":
            _watch(move)
        case "write":
            _write(move, given)
        case _:
            raise ValueError(f"there is no {verb}")


def _serve(move: Move) -> None:
    """Starting Python takes longer than all that a controller does."""
    _say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            if order["crash"]:
                crashpoints.arm(order["crash"])
            os._exit(_control(move, order["verb"]))
        try:
            _attend(child)
        finally:
            _end(child)


def _attend(child: int) -> None:
    """Say how ``child`` ends; when it stops, say so and wait for a word."""
    _, status = os.waitpid(child, os.WUNTRACED)
    at = time.time()
    if os.WIFSTOPPED(status):
        _say(stopped=child, at=at)
        if not sys.stdin.readline():
            return
        os.kill(child, signal.SIGCONT)
        status = _ended_within(child, GOES_ON)
    _say(code=os.waitstatus_to_exitcode(status), at=at)


def _ended_within(child: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _end(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it has ended, as it should


def _control(move: Move, verb: str) -> int:
    fenced = [0.0]

    def watch(step: str) -> None:
        if step == "fenced":
            fenced[0] = time.time()

    try:
        if verb == "heal":
            heal(move)
        else:
            swap = _patiently(move, verb, watch)
            _say(pause_ms=swap.pause_ms, fence_ms=swap.fence_ms, fenced_at=fenced[0])
    except ProtocolError as error:
        _say(error=type(error).__name__, why=str(error))
        return 3
    except Exception as error:
        _say(error=type(error).__name__, why=str(error).strip().partition("\n")[0])
        return 4
    return 0


def _patiently(move: Move, verb: str, watch: Any) -> Any:
    for _attempt in range(REFUSED_MOST):
        try:
            if verb == "cutover":
                return cutover(move, checked=False, watch=watch)
            return rollback(move, watch=watch)
        except FenceRefused:
            continue
    raise FenceRefused(move.module, REFUSED_MOST)


def _follow(move: Move) -> None:
    stop = threading.Event()
    _say(ready=True)  # now: with a crash point armed it may be too late in a moment
    for direction in Direction:
        threading.Thread(target=Follower(move, direction).run, args=(stop,), daemon=True).start()
    for _line in sys.stdin:
        pass
    stop.set()


def _watch(move: Move) -> None:
    stop = threading.Event()
    threading.Thread(target=watch_fences, args=(move, stop), daemon=True).start()
    _say(ready=True)
    for _line in sys.stdin:
        pass
    stop.set()


def _write(move: Move, given: dict[str, Any]) -> None:
    gate = Gate(THREADS)
    writers = [
        Writer(
            urls=(move.source.url, move.target.url),
            name=f"{os.getpid()}.{n}",
            plain=given["plain"],
            churned=given["churned"],
            rate=given["rate"] / THREADS,
        )
        for n in range(THREADS)
    ]
    threads = [threading.Thread(target=one.run, args=(gate,), daemon=True) for one in writers]
    for thread in threads:
        thread.start()
    _say(ready=True)
    for line in sys.stdin:
        if line.strip() == "go":
            gate.open()
            continue
        settled = gate.shut(SETTLES)
        _say(settled=settled, accepted=_accepted(writers), failed=[w.failed for w in writers])
    gate.end()
    for thread in threads:
        thread.join(SETTLES)


def _accepted(writers: list[Writer]) -> list[tuple[str, int, float]]:
    """What came since the last time; each writer's thread waits meanwhile."""
    found = [(one.ticket, one.side, one.when) for writer in writers for one in writer.accepted]
    for writer in writers:
        writer.accepted = []
    return found


def _say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
