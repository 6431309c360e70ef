"""An extraction in numbers, as Prometheus reads them: before, in and after a swap."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.http import HttpRequest
from prometheus_client import CollectorRegistry
from psycopg.conninfo import make_conninfo

from modules.extraction import protocol, swapping, targets
from modules.extraction.auditing import Outcome
from modules.extraction.metrics.ages import MOST, Ages
from modules.extraction.metrics.collecting import Extractions
from modules.extraction.metrics.figures import FIGURES, PAUSE
from modules.extraction.models import Capability, Receipt, Step
from modules.extraction.moves import move_of
from modules.extraction.owed import KINDS
from modules.extraction.phases import Phase, Transition
from modules.extraction.protocol import Direction, State, Stream, crashpoints
from modules.extraction.shadowing.judging import State as Taken
from modules.extraction.targets import source_url
from modules.platform.discovery import Role, registry
from modules.platform.observability import probes
from tests.docs.markdown import tables
from tests.extraction.commands import done, pay
from tests.extraction.test_keeping import Watching
from tests.extraction.test_runbook import rules
from tests.extraction.test_runbook import text as runbook
from tests.platform.discovery.serving import said
from tests.waiting import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extraction-metrics.md"
AWAY = "http://127.0.0.1:9"
# Another process of this host, which has counted something of its own.
SCRAPED = """
import re, time
from django.http import HttpRequest
from modules.platform.observability.metrics import observe_request
from modules.platform.observability.probes import metrics
input()
observe_request("GET", "of-the-other-process", 200, 0.1)
text, until = "", time.monotonic() + 60  # a busy machine may take longer than a scrape waits
while not text or time.monotonic() < until and re.search("_unread{.*payment.*} 1.0", text):
    text = metrics(HttpRequest()).content.decode()
print(text)
"""


class Scrape:
    """What one scrape says of payment: ``scrape["phase", "shadow"]``; None where it is absent."""

    def __init__(self, collector: Extractions) -> None:
        began = time.monotonic()
        self.values = {
            (one.name.removeprefix("ficus_extraction_"), *_others(one.labels)): one.value
            for family in collector.collect()
            for one in family.samples
            if one.labels["module"] == "payment"
        }
        self.seconds = time.monotonic() - began

    def __getitem__(self, key: str | tuple[str, ...]) -> float | None:
        return self.values.get((key,) if isinstance(key, str) else key)

    def only(self, name: str) -> str:
        """The one label value for which that gauge is 1."""
        [found] = [key[1] for key, value in self.values.items() if key[0] == name and value]
        return found

    def unread(self) -> set[str]:
        """The sources that could not be read."""
        return {key[1] for key, value in self.values.items() if key[0] == "unread" and value}


def _others(labels: dict[str, str]) -> Iterator[str]:
    return (value for name, value in labels.items() if name != "module")


@pytest.fixture
def collector() -> Extractions:
    """One that keeps nothing between two scrapes. A busy machine may take its time."""
    return Extractions(patience=30, seconds=0)


def test_an_extraction_in_numbers(
    place: None, collector: Extractions, monkeypatch: Any, tmp_path: Path, settings: Any
) -> None:
    """One extraction, looked at wherever it may stand."""
    look, folder = partial(Scrape, collector), tmp_path / "metrics"
    _untouched(look())
    with another_process(folder) as other:
        pay(3)
        done("create")
        _created(look())
        done("backfill")
        _changes_wait(look)
        _changes_are_carried(look)
        done("verify")
        assert (look()["scrub_age_seconds"] or 0) > 0
        _service_is_away(look)
        _service_hangs()
        _cut_over(look, monkeypatch)
        _every_process_says_the_same(other, folder, monkeypatch)
    _door_is_late(look, settings)
    done("rollback")
    _came_back(look())
    done("cancel")
    _left_behind(look())


def _untouched(seen: Scrape) -> None:
    """All that is on record is there, of zeros; of databases there is nothing to say."""
    assert (seen.only("phase"), seen["epoch"], seen["percent"]) == ("monolith", 0, 0)
    assert (seen["open_steps"], seen["open_step_age_seconds"], seen["controlled"]) == (0, 0, 0)
    assert seen["steps_total", "failed"] == 0
    assert seen["swap_pause_seconds_count", "cutover"] == 0
    assert seen["last_swap_pause_seconds", "cutover"] is None
    assert seen["lag_rows"] is None
    assert seen.unread() == set()


def _created(seen: Scrape) -> None:
    assert (seen.only("phase"), seen.only("databases")) == ("shadow", "monolith")
    assert seen["copy_rows"] == 0
    assert (seen["copy_tables", "waiting"] or 0) > 10
    assert seen["copy_tables", "done"] == 0
    assert seen["fence_age_seconds", "monolith"] == seen["fence_age_seconds", "service"] == 0
    assert seen["unequal_tables", "forward"] == seen["unequal_tables", "reverse"] == 0
    assert (seen["carried"], seen["watched"]) == (0, 0)
    assert seen["differences", "open"] == 0
    assert seen["front_doors_late"] == 0


def _changes_wait(look: partial[Scrape]) -> None:
    """How many, and since when at least; also where one batch has brought a part of them."""
    seen = look()
    assert (seen["scrub_age_seconds"], seen["scrub_differences"]) == (None, None)
    assert (seen["copy_rows"], seen["copy_expected_rows"]) == (3, 3)
    assert (seen["copy_tables", "waiting"], seen["lag_rows"], seen["lag_seconds"]) == (0, 0, 0)
    pay(3)
    first = look()
    assert (first["lag_rows"], first["lag_seconds"]) == (3, 0)
    time.sleep(0.1)
    pay(1)
    second = look()
    assert second["lag_rows"] == 4
    assert (second["lag_seconds"] or 0) > 0.1
    with Stream(move_of("payment"), Direction.FORWARD) as stream:
        stream.apply_once(limit=2)
        third = look()
        assert third["lag_rows"] == 2
        assert (third["lag_seconds"] or 0) > (second["lag_seconds"] or 0)
        stream.apply_once(limit=1)
        last = look()
        assert last["lag_rows"] == 1
        assert (last["lag_seconds"] or 0) > 0


def _changes_are_carried(look: partial[Scrape]) -> None:
    """By whoever watches; that is seen by its sessions, so in whichever process it lives."""
    with Watching():
        eventually(lambda: _streams(look()) == (1, 1, 0, 0))
    eventually(lambda: _streams(look())[:2] == (0, 0))


def _streams(seen: Scrape) -> tuple[float | None, ...]:
    return seen["carried"], seen["watched"], seen["lag_rows"], seen["lag_seconds"]


@contextmanager
def at(port: int) -> Iterator[None]:
    """The service's database is said to be at another port."""
    target = targets.known("payment")
    assert target is not None
    url = make_conninfo(target.admin_url, host="127.0.0.1", port=port)
    targets.keep("payment", replace(target, admin_url=url))
    try:
        yield
    finally:
        targets.keep("payment", target)


def _service_is_away(look: partial[Scrape]) -> None:
    """What only it knows is absent, and who could not be read is named. The rest is there."""
    with at(port=9):
        seen = look()
        assert seen.unread() == {"service", "both"}
        for name in ("lag_rows", "lag_seconds", "carried", "copy_rows", "scrub_age_seconds"):
            assert seen[name] is None, name
        assert seen["fence_age_seconds", "service"] is None
        assert seen["databases", "monolith"] is None
        assert seen["fence_age_seconds", "monolith"] == 0
        assert seen.only("phase") == "shadow"
    assert look().unread() == set()


def _service_hangs() -> None:
    """A server that takes connections and says nothing: the scrape is over sooner than it."""
    collector = Extractions(patience=0.3, seconds=0)

    def is_seen_in_time() -> bool:
        is_named = Scrape(collector).unread() == {"service", "both"}
        return is_named and ("service", "payment") in collector._kept._making

    with socket.create_server(("127.0.0.1", 0)) as silent, at(silent.getsockname()[1]):
        eventually(is_seen_in_time)


def _cut_over(look: partial[Scrape], monkeypatch: Any) -> None:
    """The fence is seen while it stands; afterwards the receipt says how long writes waited."""
    own = said(role=Role.OWN, url=AWAY)
    registry.register("payment-9", own, issuer="payment", ttl=600)
    within = list[Scrape]()
    # A look at it may take longer here than a fence stands.
    slowly = partial(protocol.cutover, ttl=timedelta(seconds=60))

    def reached(point: str) -> None:
        if point == "cutover.fenced":
            within.append(look())

    with monkeypatch.context() as patch:
        patch.setitem(swapping._SWAPS, Transition.CUTOVER, slowly)
        patch.setattr(crashpoints, "_observer", reached)
        done("cutover")
    [seen] = within
    assert (seen.only("phase"), seen.only("databases")) == ("shadow", "cutting over")
    assert (seen["fence_age_seconds", "monolith"] or 0) > 0
    assert (seen["controlled"], seen["open_steps"]) == (1, 1)
    assert (seen["open_step_age_seconds"] or 0) > (seen["fence_age_seconds", "monolith"] or 0)
    after = look()
    assert (after.only("phase"), after.only("databases")) == ("extracted", "service")
    assert after["percent"] == 100
    receipt = Receipt.objects.get(module="payment")
    assert after["epoch"] == receipt.epoch
    pause = receipt.body["pause_ms"] / 1000
    assert after["last_swap_pause_seconds", "cutover"] == pytest.approx(pause)
    assert after["swap_pause_seconds_sum", "cutover"] == pytest.approx(pause)
    assert after["swap_pause_seconds_count", "cutover"] == 1
    assert after["fence_age_seconds", "monolith"] == 0
    assert (after["controlled"], after["open_steps"], after["lag_rows"]) == (0, 0, 0)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """One of this host that shares the folder; it scrapes when it is told to."""
    folder.mkdir()
    environment = os.environ | {
        "DATABASE_URL": make_conninfo(source_url("payment"), options=""),
        "FICUS_HOME": str(targets.address_file("payment").parents[1]),
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }
    shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", SCRAPED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(shell, cwd=ROOT, env=environment, text=True, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _every_process_says_the_same(
    other: subprocess.Popen[str], folder: Path, monkeypatch: Any
) -> None:
    """Of a host whose processes share a folder: what each has counted, and once what is so."""
    theirs, _ = other.communicate("now\n", timeout=120)
    with monkeypatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
        patch.setattr(probes, "_asked", CollectorRegistry())
        probes.add_collector(Extractions(patience=30, seconds=0))
        ours = probes.metrics(HttpRequest()).content.decode()
    assert _settled(ours) == _settled(theirs)
    assert 'ficus_extraction_phase{module="payment",phase="extracted"} 1.0' in _settled(ours)
    for text in (ours, theirs):
        assert text.count('ficus_requests_total{method="GET",route="of-the-other-process"') == 1


def _settled(text: str) -> set[str]:
    """All that does not grow while it is looked at, nor depends on who else may be reached."""
    lines = re.findall(r'^ficus_extraction_\w+\{.*module="payment".*$', text, re.MULTILINE)
    return {one for one in lines if not re.search("age_seconds|lag_|front_doors|doors", one)}


def _door_is_late(look: partial[Scrape], settings: Any) -> None:
    """One that cannot be told whose the module is now."""
    settings.PLACEMENT_FRONT_DOORS = [AWAY]
    assert look()["front_doors_late"] == 1
    settings.PLACEMENT_FRONT_DOORS = []
    assert look()["front_doors_late"] == 0


def _came_back(seen: Scrape) -> None:
    assert (seen.only("phase"), seen.only("databases")) == ("shadow", "monolith")
    for kind in ("cutover", "rollback"):
        assert seen["swap_pause_seconds_count", kind] == 1
        assert seen["swap_pause_seconds_bucket", kind, "+Inf"] == 1
        assert (seen["last_swap_timestamp_seconds", kind] or 0) > time.time() - 3600


def _left_behind(seen: Scrape) -> None:
    """The record stays; of two databases there is nothing to say any more."""
    assert seen.only("phase") == "monolith"
    assert seen["steps_total", "done"] == 6
    assert seen["swap_pause_seconds_count", "cutover"] == 1
    assert (seen["lag_rows"], seen["databases", "monolith"]) == (None, None)
    assert seen.unread() == set()


def test_record_that_is_away_breaks_no_scrape(
    place: None, collector: Extractions, monkeypatch: Any
) -> None:
    """Every module says that it could not be read, and nothing else."""
    given = connections.settings["extraction"]
    with monkeypatch.context() as patch:
        patch.setitem(given, "HOST", "127.0.0.1")
        patch.setitem(given, "PORT", "9")
        seen = Scrape(collector)
    assert seen.values == {("unread", "record"): 1}
    assert Scrape(collector).unread() == set()


def test_canary_that_stands_and_step_that_nobody_ended(place: None, collector: Extractions) -> None:
    """What needs a person is a number, too."""
    Capability.objects.create(
        module="payment", phase="canary", percent=5, direction="to_service", paused=True,
        halted="differences: 1 open", actor="bea", reason="a test",
    )  # fmt: skip
    began = datetime.now(UTC) - timedelta(hours=1)
    Step.objects.create(
        module="payment", verb="canary", actor="bea", reason="a test", started_at=began
    )
    seen = Scrape(collector)
    assert (seen["canary_halted"], seen["paused"], seen["percent"]) == (1, 1, 5)
    assert (seen["open_steps"], seen["controlled"]) == (1, 0)
    assert 3600 <= (seen["open_step_age_seconds"] or 0) < 7200
    assert seen.unread() == {"monolith", "service", "both"}  # there is no address
    Capability.objects.update(phase="retired", percent=100, direction="nowhere", halted="")
    seen = Scrape(collector)
    assert (seen.only("phase"), seen["canary_halted"]) == ("retired", 0)
    assert seen.unread() == set()  # there is one database only, and nothing of a move in it


def test_the_age_of_a_change_is_never_said_too_large() -> None:
    """It counts from the first snapshot that saw what waits still."""
    now = [0.0]
    ages = Ages(clock=lambda: now[0])
    note = partial(ages.note, "payment")
    assert ages.earlier("payment", "a log") == []
    assert note(asked=0, carried=0, snapshot="1:1:") == 0
    now[0] = 15
    assert ages.earlier("payment", "a log") == ["1:1:"]
    assert note(asked=1, carried=0, snapshot="2:2:") == 15
    now[0] = 30
    assert note(asked=2, carried=1, snapshot="3:3:") == 15
    now[0] = 45
    assert ages.earlier("payment", "a log") == ["2:2:", "3:3:"]
    assert note(asked=2, carried=2, snapshot="4:4:") == 0
    assert ages.earlier("payment", "another log") == []


def test_what_waits_for_hours_is_not_forgotten() -> None:
    """Snapshots are thinned out, and the first one stays."""
    now = [0.0]
    ages = Ages(clock=lambda: now[0])
    for _ in range(10 * MOST):
        asked = len(ages.earlier("payment", "a log"))
        assert asked <= MOST
        seconds = ages.note("payment", asked=asked, carried=0, snapshot="1:1:")
        assert seconds == now[0]
        now[0] += 15


def test_pauses_are_counted_by_their_bounds() -> None:
    """A bound is the largest that it counts; the last one counts all."""
    family = PAUSE.family([PAUSE.of("payment", "cutover", value=[0.01, 0.02, 30.0])])
    found = {one.labels["le"]: one.value for one in family.samples if "le" in one.labels}
    assert (found["0.01"], found["0.025"], found["5.0"], found["+Inf"]) == (1, 2, 2, 3)


def test_alerts_name_values_that_there_are() -> None:
    """A state or an outcome under another name would keep its alert quiet, or make it cry."""
    known = {
        *("phase", *Phase),
        *("outcome", *Outcome),
        *("kind", *KINDS),
        *("state", *State, *Taken),
    }
    asked = [
        (name, value)
        for rule in rules(runbook())
        for chosen in re.findall(r"ficus_extraction_\w+\{(.*?)\}", rule["expr"])
        for name, values in re.findall(r'(\w+)[=!]~?"(.*?)"', chosen)
        for value in values.split("|")
    ]
    assert len(asked) > 5
    assert {one for pair in asked for one in pair} <= known


def test_every_metric_is_in_its_page() -> None:
    """With its type, its labels and what it means."""
    rows = [row for row in tables(PAGE.read_text()) if row[0].startswith("`ficus_extraction_")]
    told = {
        (
            f"`{one.name}`",
            str(one.kind),
            ", ".join(f"`{label}`" for label in one.labels),
            one.meaning,
        )
        for one in FIGURES
    }
    assert {tuple(row) for row in rows} == told
    assert len(rows) == len(FIGURES)
