"""What a line says, when it is written, and that no reader is slow enough to block the loop."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy import config
from strangler_proxy.access_log import log as access_log
from strangler_proxy.access_log.line import MAX_PATH, Formatter, Line, Record
from strangler_proxy.access_log.log import AccessLog
from strangler_proxy.access_log.sink import Sink

RECORD: Record = (
    *(1763625600.123456, b"POST", b"/api/v1/orders", 12, "orders", "orders-service"),
    *("10.0.0.1:9000", "service", "canary", 201, 0.0042126, 310, 1234, "req-1", "4bf92f35"),
    *("user-7", "192.0.2.9", 2, "", "miss", 0.25),
)  # fmt: skip


def _record(**changes: object) -> Record:
    names = (
        *("ts", "method", "path", "query", "route", "upstream", "instance", "side", "phase"),
        *("status", "seconds", "bytes_in", "bytes_out", "request_id", "trace_id", "subject"),
        *("address", "attempts", "code", "cache", "held"),
    )
    return tuple({**dict(zip(names, RECORD, strict=True)), **changes}.values())  # type: ignore[return-value]


def _line(record: Record) -> dict[str, object]:
    found: dict[str, object] = json.loads(Formatter().lines([record]))
    return found


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Read end and write end; the write end may be closed before."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        for fd in (reading, writing):
            try:
                os.close(fd)
            except OSError:
                continue


def _read_available(fd: int) -> bytes:
    found = b""
    while select.select([fd], [], [], 0)[0]:
        if not (part := os.read(fd, 1 << 16)):
            break
        found += part
    return found


# ---------------------------------------------------------------- a line


def test_a_line_says_who_was_answered_by_whom_and_how() -> None:
    """All members, in their units."""
    assert _line(RECORD) == {
        "ts": "2025-11-20T08:00:00.123Z",
        "method": "POST",
        "path": "/api/v1/orders",
        "query": 12,
        "route": "orders",
        "upstream": "orders-service",
        "instance": "10.0.0.1:9000",
        "side": "service",
        "phase": "canary",
        "status": 201,
        "ms": 4.213,
        "bytes_in": 310,
        "bytes_out": 1234,
        "request_id": "req-1",
        "trace_id": "4bf92f35",
        "subject": "user-7",
        "address": "192.0.2.9",
        "attempts": 2,
        "cache": "miss",
        "held_ms": 250.0,
    }


def test_members_with_nothing_to_say_are_left_out() -> None:
    """A refusal names no upstream; zero bytes and milliseconds are still said."""
    refused = _record(
        query=0, route="", upstream="", instance="", side="", phase="", trace_id="", subject="",
        attempts=1, cache="", held=0.0, status=401, code="no_token", bytes_in=0, seconds=0.0,
    )  # fmt: skip
    assert set(_line(refused)) == {
        *("ts", "method", "path", "status", "ms", "bytes_in", "bytes_out", "request_id"),
        *("address", "code"),
    }


@given(
    paths=st.lists(st.binary(max_size=700), min_size=1, max_size=4),
    subject=st.text(st.characters(categories=None), max_size=200),
)
def test_no_byte_can_break_a_line_or_reach_a_terminal(paths: list[bytes], subject: str) -> None:
    """Whatever a client sends, each request is one line of printable ASCII that is JSON."""
    data = Formatter().lines([_record(path=path, subject=subject) for path in paths])
    lines = data.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(paths)
    for line in lines:
        assert all(0x20 <= byte <= 0x7F for byte in line)
        assert set(json.loads(line)) <= set(Line.__struct_fields__)


def test_what_is_no_utf8_stays_readable() -> None:
    """As hexadecimal escapes, and nothing is lost."""
    assert _line(_record(path=b"/caf\xc3\xa9"))["path"] == "/café"
    assert _line(_record(path=b"/caf\xe9\x00"))["path"] == "/caf\\xe9\x00"


def test_half_a_surrogate_pair_in_a_subject_does_not_stop_the_log() -> None:
    """JSON of a token can hold one; it is replaced."""
    assert _line(_record(subject="a\ud800b"))["subject"] == "a?b"


def test_an_endless_path_is_cut() -> None:
    """So that a line stays below what a pipe takes in one piece."""
    data = Formatter().lines([_record(path=b"/" + b"\xff" * 9000, subject="\x01" * 9000)])
    assert len(json.loads(data)["path"]) <= MAX_PATH * 4
    assert len(data) < select.PIPE_BUF


@given(st.floats(0, 4e9))
def test_time_is_rfc_3339_in_utc(ts: float) -> None:
    """To the millisecond, never rounded into the next one."""
    formatter = Formatter()
    for moment in (ts, ts + 0.5, ts):  # the second is remembered
        text = json.loads(formatter.lines([_record(ts=moment)]))["ts"]
        found = datetime.fromisoformat(text).timestamp()
        assert moment - 0.00100001 <= found <= moment + 1e-6
        assert text == datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + text[20:]


# ---------------------------------------------------------------- when it is written


def test_lines_are_written_a_few_milliseconds_later(tmp_path: Path) -> None:
    """In order, and no timer runs when nothing waits."""
    path = tmp_path / "access.log"

    async def scenario() -> None:
        log = AccessLog.open(config.AccessLog(path=str(path)), lambda lines: None)
        assert log is not None
        for number in range(3):
            log.add(_record(status=200 + number))
        assert path.read_bytes() == b""  # not within the request
        assert log._timer is not None
        await _written(path, 3)
        assert log._timer is None
        log.add(_record(status=299))
        log.close()

    asyncio.run(scenario())
    statuses = [json.loads(line)["status"] for line in path.read_text().splitlines()]
    assert statuses == [200, 201, 202, 299]
    assert path.stat().st_mode & 0o777 == 0o640


async def _written(path: Path, lines: int) -> None:
    async with asyncio.timeout(5):
        while path.read_bytes().count(b"\n") < lines:
            await asyncio.sleep(0.001)


def test_no_path_is_no_log() -> None:
    """The data path sees None and does nothing."""
    assert AccessLog.open(config.AccessLog(path=None), lambda lines: None) is None


def test_a_rotated_file_is_opened_again(tmp_path: Path) -> None:
    """What was added before belongs to the old file."""
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"

    async def scenario() -> None:
        log = AccessLog(Sink(str(path)))
        log.add(_record(request_id="before"))
        path.rename(old)
        log.reopen()
        log.add(_record(request_id="after"))
        log.close()

    asyncio.run(scenario())
    assert json.loads(old.read_text())["request_id"] == "before"
    assert json.loads(path.read_text())["request_id"] == "after"


def test_the_old_file_is_used_when_the_new_one_cannot_be_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Losing the log would be worse than a name that is out of date."""
    folder = tmp_path / "logs"
    folder.mkdir()
    moved = tmp_path / "moved"

    async def scenario() -> None:
        log = AccessLog(Sink(str(folder / "access.log")))
        folder.rename(moved)
        log.reopen()
        log.add(RECORD)
        log.close()

    asyncio.run(scenario())
    assert "cannot be opened again" in caplog.text
    assert (moved / "access.log").read_bytes().count(b"\n") == 1


# ---------------------------------------------------------------- slow and dead readers


def test_a_slow_pipe_loses_lines_and_says_so_but_never_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the backlog lines are dropped and counted; what came through is whole and in order."""
    monkeypatch.setattr(access_log, "BACKLOG", 100_000)
    dropped: list[int] = []

    async def scenario(reading: int, writing: int) -> bytes:
        sink = Sink("-", stdout=writing)
        log = AccessLog(sink, dropped=dropped.append, clock=lambda: 1763625600.5)
        slowest = 0.0
        for number in range(200):
            for _ in range(50):
                log.add(_record(query=number + 1))
            before = time.perf_counter()
            log.flush()
            slowest = max(slowest, time.perf_counter() - before)
        assert slowest < 0.5
        assert 100_000 < sink.waiting < 200_000
        assert sum(dropped) > 0
        found = b""
        while b"lines_lost" not in found:
            found += _read_available(reading)
            await asyncio.sleep(0.001)
        log.add(_record(query=777))
        await log.finish()
        log.close()
        return found + _read_available(reading)

    with _pipe() as (reading, writing):
        found = asyncio.run(scenario(reading, writing))
    lines = [json.loads(line) for line in found.splitlines()]
    notices = [line for line in lines if "event" in line]
    assert notices == [
        {
            "event": "access_log.lines_lost",
            "ts": "2025-11-20T08:00:00.500Z",
            "lines": sum(dropped),
        }
    ]
    queries = [line["query"] for line in lines if "event" not in line]
    assert queries == sorted(queries)
    assert len(queries) + sum(dropped) == 200 * 50 + 1


def test_the_inherited_pipe_stays_blocking_for_others() -> None:
    """A parent or a sibling that writes to the same stdout must not see EAGAIN."""
    with _pipe() as (_, writing):
        sink = Sink("-", stdout=writing)
        assert os.get_blocking(writing)
        sink.close()


def test_a_pipe_that_cannot_be_opened_again_is_borrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's pipe is made non-blocking while the log uses it, and given back."""
    really_open = os.open

    def refuse(path: str, *args: int) -> int:
        if path.startswith("/proc/self/fd/"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, *args)

    monkeypatch.setattr(os, "open", refuse)
    with _pipe() as (reading, writing):
        sink = Sink("-", stdout=writing)
        assert not os.get_blocking(writing)
        sink.write(b"{}\n")
        sink.close()
        assert os.get_blocking(writing)
        assert _read_available(reading) == b"{}\n"


def test_lines_of_two_workers_are_never_mixed() -> None:
    """Each writes whole lines that the kernel keeps in one piece."""
    with _pipe() as (reading, writing):
        sinks = [Sink("-", stdout=writing) for _ in range(2)]
        found = bytearray()
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set() or select.select([reading], [], [], 0)[0]:
                found.extend(_read_available(reading)[:])
                time.sleep(0.0005)

        reader = threading.Thread(target=read)
        reader.start()

        def write(sink: Sink, letter: str) -> None:
            data = Formatter().lines([_record(subject=letter * 100)] * 40)
            for _ in range(60):
                sink.write(data)
            while sink.waiting:
                sink.write(b"")

        writers = [
            threading.Thread(target=write, args=pair) for pair in zip(sinks, "ab", strict=True)
        ]
        for thread in writers:
            thread.start()
        for thread in writers:
            thread.join()
        stop.set()
        reader.join()
        for sink in sinks:
            sink.close()
    subjects = [json.loads(line)["subject"] for line in found.splitlines()]
    assert len(subjects) == 2 * 60 * 40
    assert set(subjects) == {"a" * 100, "b" * 100}


def test_a_socket_as_stdout_is_written_without_waiting() -> None:
    """A service manager may hand one over; it is full at some point and then lines wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Sink("-", stdout=ours.fileno())
        line = b'{"n":1}' + b" " * 1000 + b"\n"
        while not sink.waiting:
            sink.write(line)
        assert ours.getblocking()
        theirs.setblocking(False)
        found = b""
        while sink.waiting:
            found += theirs.recv(1 << 20)
            sink.write(b"")
        found += theirs.recv(1 << 20)
        sink.close()
    assert found == line * (len(found) // len(line))


def test_a_dead_reader_is_reported_once_and_its_lines_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is raised at the data path."""
    dropped: list[int] = []

    async def scenario(reading: int, writing: int) -> None:
        log = AccessLog(Sink("-", stdout=writing), dropped=dropped.append)
        os.close(reading)
        for _ in range(3):
            log.add(RECORD)
            log.flush()
        log.close()

    with _pipe() as (reading, writing):
        asyncio.run(scenario(reading, writing))
    assert sum(dropped) == 3
    assert caplog.text.count("access log lines are lost") == 1


def test_a_full_disk_loses_lines_until_there_is_room(tmp_path: Path) -> None:
    """Then the log says how many are missing, and goes on."""
    dropped: list[int] = []
    path = tmp_path / "access.log"
    path.symlink_to("/dev/full")

    async def scenario() -> None:
        log = AccessLog(Sink(str(path)), dropped=dropped.append)
        for _ in range(2):
            log.add(RECORD)
            log.flush()
        path.unlink()
        log.reopen()
        log.add(RECORD)
        log.close()

    asyncio.run(scenario())
    notice, line = map(json.loads, path.read_text().splitlines())
    assert (notice["lines"], sum(dropped)) == (2, 2)
    assert line["request_id"] == "req-1"


def test_a_line_that_was_begun_and_dropped_is_ended() -> None:
    """What follows stands on a line of its own."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Sink("-", stdout=ours.fileno())
        sink.write(b"x" * 10_000_000 + b"\n")
        assert sink.forget() == 1
        theirs.setblocking(False)
        begun = b""
        while select.select([theirs], [], [], 0)[0]:
            begun += theirs.recv(1 << 20)
        sink.write(b"{}\n")
        assert theirs.recv(100) == b"\n{}\n"
        sink.close()
    assert set(begun) == {ord("x")}


def test_finish_gives_a_slow_reader_time_and_no_more() -> None:
    """Lines that nobody takes do not keep the process from ending."""
    dropped: list[int] = []

    async def scenario(writing: int) -> float:
        log = AccessLog(Sink("-", stdout=writing), dropped=dropped.append)
        for _ in range(5000):
            log.add(RECORD)
        before = time.perf_counter()
        await log.finish(patience=0.05)
        log.close()
        return time.perf_counter() - before

    with _pipe() as (_, writing):
        assert 0.05 <= asyncio.run(scenario(writing)) < 2
    assert sum(dropped) > 0
