"""The numbers of calls: counted where work is divided, read from a host's processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from modules.extraction.analysis.collecting import OURS, collected
from modules.extraction.analysis.readings import CALLS, Counted, Pair, added, pairs
from tests.proxy.front import REPOSITORY

# A host's process: calls of payment, divided; the service finds nobody, refuses, breaks down.
CALLER = """
import sys
from modules.platform.binding import methods_of
from modules.platform.contracts import NotFound
from modules.platform.placement.placed import Placed
from modules.platform.placement.splitting import SplitRoute
from modules.platform.rpc import ModuleUnreachable
from modules.payment.contract import Payment

class Way:
    def __init__(self, *answers): self.answers = list(answers)
    def caller(self, method): return self
    def __call__(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception): raise answer
        return answer

class Table:
    percent = 0
    def of(self, module): return Placed(percent=self.percent, revision=1, attended=True)

away = ModuleUnreachable(module="payment", method="payment.authorize", reason="away")
table = Table()
there = Way("there", away, ValueError("broken"), NotFound())
split = SplitRoute(Way("here", "here", "here"), there, table)
call = split.caller(methods_of(Payment)["authorize"])
call()  # all of it is here: nothing to compare
table.percent = 100
for _ in range(4):
    try: call()
    except Exception: pass
"""


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which such a process has left its numbers."""
    folder = tmp_path_factory.mktemp("numbers")
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    caller = [sys.executable, "-c", CALLER]
    subprocess.run(caller, cwd=REPOSITORY, env=environment, check=True, timeout=120)
    return folder


def calls(before: Counted, now: Counted) -> Pair:
    [found] = [one for one in pairs(added(before, now)) if one.kind == CALLS]
    return found


@pytest.fixture
def shop(settings: Any, tmp_path: Path) -> Path:
    """A host without front doors; its home."""
    settings.FICUS_HOME, settings.PLACEMENT_FRONT_DOORS = tmp_path, []
    return tmp_path


def test_calls_are_counted_by_who_was_asked(shop: Path, numbers: Path) -> None:
    """Four of the service: answered, nobody there, a fault, a refusal. The last is an answer; and
    who found nobody was answered here, which is no work of this side's share.
    """
    (shop / "metrics").mkdir()
    before = collected("payment")
    shutil.copytree(numbers, shop / "metrics", dirs_exist_ok=True)
    found = calls(before, collected("payment"))
    assert (found.canary.done, found.canary.failed) == (4, 2)
    assert sum(found.canary.counts) == 4
    assert len(found.canary.bounds) == 15
    assert found.monolith.done == 0
    assert calls(before, collected("shipping")).canary.done == 0


@pytest.fixture
def address(numbers: Path) -> Iterator[str]:
    """A host's /metrics over HTTP, and another address that has none."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(numbers))
            text = generate_latest(registry) if self.path == "/metrics" else b"{no metrics"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_calls_are_read_from_an_address(shop: Path, address: str) -> None:
    """Where the processes are on another machine. What cannot be read is said in one line."""
    found = collected("payment", f"{address}/metrics")
    assert found.sources[OURS]["calls canary done"] == 4
    assert (
        collected("payment", f"{address}/other").troubles[0].startswith(f"{address}/other cannot")
    )
    [trouble] = collected("payment", "http://127.0.0.1:9/metrics").troubles
    assert "http://127.0.0.1:9/metrics cannot be read" in trouble


def test_host_that_keeps_no_numbers_has_none(shop: Path) -> None:
    """Not measured, which is not the same as nothing done."""
    assert collected("payment") == Counted()
