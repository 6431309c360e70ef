"""Ill-formed requests end at the front door: the real process before an upstream that records.

The cases are those that ``python -m tests.benchmarks.proxy.probes`` also sends to nginx, HAProxy,
Envoy, Traefik and Caddy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import children
from tests.benchmarks.client import Connection
from tests.benchmarks.proxy import wire
from tests.benchmarks.proxy.arena import DOCUMENTS, fill
from tests.benchmarks.proxy.probe_cases import CASES, SMUGGLED, VALID, Case
from tests.benchmarks.proxy.probes import Level, judge, send, worse
from tests.benchmarks.proxy.recorder import ANSWER, Recorder
from tests.ports import free_port

BY_NAME = {case.name: case for case in CASES}
GET = b"GET /api/probe HTTP/1.1\r\nHost: door.example\r\n\r\n"


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """The upstream."""
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def door(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a front door that sends ``/api/`` to the recorder."""
    home, port = tmp_path_factory.mktemp("door"), free_port()
    document = home / "door.yaml"
    values = {"port": str(port), "monolith": str(recorder.port)}
    document.write_text(fill((DOCUMENTS / "ours-bare.yaml").read_text(), values))
    command = [sys.executable, "-m", "strangler_proxy", "--config", str(document)]
    process = children.start("door", command, {}, home)
    try:
        children.wait_until_up([process], port, "/api/ready", 20.0)
        yield port
        process.require_alive()
    finally:
        children.stop([process])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_request_is_treated_as_the_table_says(case: Case, door: int, recorder: Recorder) -> None:
    """Refused requests get their status and do not reach the upstream; others reach it whole."""
    outcome = send(case, door, recorder)
    assert outcome.label in case.ours, f"{case.reason} (RFC {case.section}): {outcome}"
    if outcome.label == "clean":
        assert outcome.status == 200
    elif outcome.status is not None and "204" not in case.ours:
        assert outcome.status >= 400


def test_front_door_serves_after_all_that(door: int, recorder: Recorder) -> None:
    """A sender's faults end with the sender's connection."""
    for name in ("both-length-first", "chunk-too-large", "head-endless", "tls-hello"):
        send(BY_NAME[name], door, recorder)
    connection = Connection(door)
    assert connection.request("GET", "/api/probe") == (200, b"ok")
    connection.close()


def test_refused_sender_gets_no_second_answer(door: int, recorder: Recorder) -> None:
    """What follows a refused request on its connection is not read as a request."""
    case = BY_NAME["length-negative"]
    followed = Case("followed", case.sent + GET, case.accept, case.ours, "", "")
    assert send(followed, door, recorder).label == "400"


# ---------------------------------------------------------------- the table and its judge


def test_every_case_asks_of_ours_what_the_standard_allows() -> None:
    """The front door is held to nothing that RFC 9110 and 9112 forbid, and names are unique."""
    assert len(CASES) == len(BY_NAME) >= 60
    assert [case.name for case in CASES if not case.ours <= case.accept] == []


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("both-length-first", "raw"),
        ("length-negative", "raw"),
        ("coding-space-before-colon", "raw"),
        ("folded", "raw"),
        ("one-bare-lf", "raw"),
        ("nul-in-value", "raw"),
        ("host-differs", "raw"),
        ("chunk-hex-prefix", "raw"),
        ("extension-bare-lf", "raw"),
        ("old-with-coding", "raw"),
        ("connection-names-field", "kept"),
        ("dot-segments", "kept"),
        ("http-2.0", "raw"),
    ],
)
def test_judge_sees_what_passes_unchanged(name: str, label: str, recorder: Recorder) -> None:
    """Straight to the upstream, as through a proxy that changes nothing, each fault is seen."""
    case = BY_NAME[name]
    outcome = send(case, recorder.port, recorder)
    assert outcome.label == label
    assert outcome.level(case) >= Level.RAW


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
def test_judge_finds_no_fault_in_valid_requests(case: Case, recorder: Recorder) -> None:
    """What is well-formed is well-formed when it arrives unchanged."""
    if case.name != "empty-line-first":  # the judge reads what proxies write: no empty lines
        assert send(case, recorder.port, recorder).label == "clean"


def test_request_that_only_the_upstream_sees_is_smuggled() -> None:
    """One answer for two requests: the second went by the proxy."""
    case = BY_NAME["both-length-first"]
    arrived = [b"POST /api/probe HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + SMUGGLED]
    assert judge(case, ANSWER, True, arrived).label == "smuggled"
    assert judge(case, ANSWER * 2, True, arrived).label == "split"


def test_outcomes_are_compared_with_the_best_of_the_others() -> None:
    """Ours is worse where any other proxy did better, and nowhere else."""
    right = {case.name: judge(case, b"HTTP/1.1 400 Bad\r\n", True, []) for case in CASES}
    passed = judge(BY_NAME["host-twice"], ANSWER, True, [GET])
    ours = {**right, "host-twice": passed}
    assert worse({"ficus": ours, "nginx": right, "envoy": ours}) == ["host-twice"]
    assert worse({"ficus": ours, "nginx": ours}) == []
    assert worse({"ficus": right, "nginx": ours}) == []


@given(st.binary(max_size=200))
def test_reading_never_raises_and_loses_nothing(data: bytes) -> None:
    """Whatever arrives is whole requests and a rest."""
    reading = wire.read(data)
    assert data.endswith(reading.rest)
    assert bool(reading.messages) == (len(reading.rest) < len(data))


@given(st.lists(st.sampled_from([GET, VALID[1].sent, VALID[2].sent]), max_size=5), st.data())
def test_requests_are_counted_however_they_are_cut(sent: list[bytes], draw: st.DataObject) -> None:
    """A beginning of well-formed requests holds as many as are whole, and no fault."""
    whole = b"".join(sent)
    length = draw.draw(st.integers(0, len(whole)))
    reading = wire.read(whole[:length])
    ends = [len(b"".join(sent[: count + 1])) for count in range(len(sent))]
    assert reading.fault == ""
    assert len(reading.messages) == sum(end <= length for end in ends)
