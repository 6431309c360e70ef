"""One process of a move, to be killed or stopped: ``actor VERB SOURCE_URL TARGET_URL [ARGUMENT]``.

    cutover rollback apply reverse backfill heal install uninstall repair
                                               the protocol's own, once
    follow                                     both streams and the watch, until killed
    write LEDGER                               writers, until the ledger's `.stop` appears
    stale SIDE                                 sessions prepared before a swap, used after it
    serve                                      forks one of the above for each line of input,
                                               `VERB CRASH_POINT`, and prints how it ended

What it finds it prints as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Follower,
    Move,
    ProtocolError,
    Side,
    Stream,
    crashpoints,
    cutover,
    heal,
    install,
    repair,
    rollback,
    uninstall,
)
from modules.extraction.protocol.following import watch_fences
from tests.extraction.protocol import stale, writing
from tests.extraction.protocol.shop import SCHEMA, TABLES


def main(verb: str, source: str, target: str, argument: str = "") -> None:
    """Do one verb."""
    move = Move("till", Side("monolith", source, SCHEMA), Side("service", target, SCHEMA), TABLES)
    match verb:
        case "cutover" | "rollback":
            swap = cutover(move, checked=False) if verb == "cutover" else rollback(move)
            _say(pause_ms=swap.pause_ms, fence_ms=swap.fence_ms)
        case "apply" | "reverse":
            direction = Direction.FORWARD if verb == "apply" else Direction.REVERSE
            with Stream(move, direction) as stream:
                _say(rows=stream.apply_once().rows)
        case "backfill":
            with Backfill(move) as backfill:
                _say(rows=backfill.run(seconds=30).done_rows)
        case "heal" | "install" | "uninstall":
            {"heal": heal, "install": install, "uninstall": uninstall}[verb](move)
        case "repair":
            _say(rows=len(repair(move).rows))
        case "follow":
            _follow(move)
        case "write":
            writing.run(source, target, Path(argument))
        case "stale":
            stale.run(target if argument == "target" else source)
        case "serve":
            _serve(source, target)


def _serve(source: str, target: str) -> None:
    """Starting Python takes longer than all that most of these processes do."""
    print("ready", flush=True)
    for line in sys.stdin:
        verb, _, point = line.strip().partition(" ")
        child = os.fork()
        if not child:
            if point:
                crashpoints.arm(point)
            os._exit(_answer(verb, source, target))
        print(json.dumps({"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}), flush=True)


def _answer(*arguments: str) -> int:
    try:
        main(*arguments)
    except ProtocolError as error:
        _say(error=type(error).__name__)
        return 3
    return 0


def _follow(move: Move) -> None:
    stop = threading.Event()
    for direction in Direction:
        threading.Thread(target=Follower(move, direction).run, args=(stop,), daemon=True).start()
    _say(follows=True)
    watch_fences(move, stop)


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(_answer(*sys.argv[1:]))
