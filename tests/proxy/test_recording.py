"""Recorded pairs: what is written, hidden and bounded, and that nobody waits for it."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import resource
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler_proxy.config import Recording
from strangler_proxy.errors import Field
from strangler_proxy.mirror import recorded, recording
from strangler_proxy.mirror.exchanged import Answered, Asked, Exchanged, Tap
from strangler_proxy.mirror.recorded import Pair, RecordingUnreadable, read_pairs
from strangler_proxy.mirror.recording import Recorder
from strangler_proxy.mirror.redaction import Redaction

KEY = bytes(range(32))
JSON: Field = (b"Content-Type", b"application/json")
AT = 1_772_366_400.25


def body(content: bytes, limit: int = 65_536, key: bytes = KEY) -> Tap:
    """A body that went by in two pieces."""
    tap = Tap(limit, key)
    tap.feed(content[:5])
    tap.feed(content[5:])
    return tap


def answered(content: bytes = b'{"id":1}', *fields: Field, **more: Any) -> Answered:
    """An answer with a body."""
    given = {"upstream": "monolith", "seconds": 0.012, "status": 200, **more}
    return Answered(fields=(JSON, *fields), body=body(content), **given)


def pair(route: str = "catalog", **changes: Any) -> Exchanged:
    """A request for a product and the answers of both."""
    given: dict[str, Any] = {
        "at": AT,
        "route": route,
        "capability": "catalog",
        "request_id": "r-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "revision": 7,
        "epoch": 3,
        "request": Asked(method=b"GET", target=b"/api/v1/products/1", fields=()),
        "primary": answered(),
        "mirrored": answered(upstream="catalog"),
    }
    return Exchanged(**given | changes)


def write(folder: Path, *pairs: Exchanged, **rules: Any) -> Recorder:
    """Record pairs and close."""
    recorder = Recorder(folder, Recording(**rules), key=KEY)
    for one in pairs:
        assert recorder.record(one)
    assert recorder.close()
    return recorder


def written(folder: Path, one: Exchanged, **rules: Any) -> Pair:
    """A pair as it is read after it was recorded."""
    write(folder, one, **rules)
    (found,) = read_pairs(folder, one.route)
    return found


def files(folder: Path) -> list[Path]:
    """All files of pairs, oldest first."""
    return sorted(folder.glob("*/*.jsonl"), key=lambda path: path.name)


def size(folder: Path) -> int:
    """Bytes of all files of pairs."""
    return sum(path.stat().st_size for path in files(folder))


# ---------------------------------------------------------------- format


def test_pair_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    """Every member comes back, and the two answers can be told apart."""
    failed = Answered(upstream="catalog", seconds=1.0, failure="upstream_timeout")
    found = written(tmp_path, pair(mirrored=failed))
    assert (found.version, found.route, found.capability) == (1, "catalog", "catalog")
    assert found.at.isoformat() == "2026-03-01T12:00:00.250000+00:00"
    assert (found.request_id, found.revision, found.epoch) == ("r-1", 7, 3)
    assert (found.request.method, found.request.target) == ("GET", "/api/v1/products/1")
    assert found.request.body is None
    assert (found.primary.upstream, found.primary.status) == ("monolith", 200)
    assert found.primary.headers == (("Content-Type", "application/json"),)
    assert found.primary.body is not None
    assert (found.primary.body.text, found.primary.body.bytes) == ('{"id":1}', 8)
    assert not found.primary.body.cut
    assert (found.mirrored.status, found.mirrored.failure) == (None, "upstream_timeout")


def test_documented_example_is_a_pair() -> None:
    """The example in the documentation has exactly the members that are written."""
    _, _, rest = (recorded.__doc__ or "").partition("Version 1:\n\n")
    example = textwrap.dedent(rest.partition("\n\n``bytes``")[0])
    found = msgspec.json.decode(example, type=Pair)
    assert found.version == recorded.VERSION
    assert json.loads(msgspec.json.encode(found)) == json.loads(example)


def test_each_route_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Reading one route meets no pair of another; an unknown route has none."""
    write(tmp_path, pair("catalog"), pair("cart"), pair("cart"))
    assert [found.route for found in read_pairs(tmp_path, "cart")] == ["cart", "cart"]
    assert list(read_pairs(tmp_path, "orders")) == []


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Recorded exchanges are people's data: no one else's to read."""
    write(tmp_path / "pairs", pair())
    (path,) = files(tmp_path / "pairs")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_line_without_its_end_is_not_read_yet(tmp_path: Path) -> None:
    """A line that is being written is no pair, and no fault."""
    write(tmp_path, pair(), pair())
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert len(list(read_pairs(tmp_path, "catalog"))) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"version":2}\n', "version 2; this program reads 1"),
        (b'{"version":1}\n', "missing required field"),
        (b"nonsense\n", "malformed"),
        (b'{"at":1}\n', "missing required field `version`"),
    ],
)
def test_line_that_is_no_pair_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    """File, line and reason; nothing is passed over in silence."""
    write(tmp_path, pair())
    (path,) = files(tmp_path)
    with path.open("ab") as file:
        file.write(line)
    with pytest.raises(RecordingUnreadable, match=rf"{path.name}, line 2: .*{reason}"):
        list(read_pairs(tmp_path, "catalog"))


@pytest.mark.parametrize("route", ["../secrets", "", "/etc", "A", "a/b"])
def test_name_that_is_no_route_is_refused(tmp_path: Path, route: str) -> None:
    """A reader cannot be led out of the folder."""
    with pytest.raises(RecordingUnreadable, match="is not the name of a route"):
        list(read_pairs(tmp_path, route))


# ---------------------------------------------------------------- bodies


def test_long_body_is_cut_and_known_by_its_digest(tmp_path: Path) -> None:
    """Size and digest are of the whole; two bodies that differ after the cut look different."""
    one, other = (
        Answered(upstream="a", seconds=0, status=200, body=body(b"x" * 90 + end, limit=64))
        for end in (b"1", b"2")
    )
    found = written(tmp_path, pair(primary=one, mirrored=other), body_bytes=64)
    assert found.primary.body is not None
    assert found.mirrored.body is not None
    assert found.primary.body.cut
    assert found.primary.body.text == found.mirrored.body.text == "x" * 64
    assert found.primary.body.bytes == found.mirrored.body.bytes == 91
    assert found.primary.body.digest != found.mirrored.body.digest


def test_digest_says_nothing_to_who_has_not_the_key() -> None:
    """The same body has another digest under another key."""
    assert body(b"hunter2").digest == body(b"hunter2").digest
    assert body(b"hunter2").digest != body(b"hunter2", key=b"k").digest
    assert Recorder(Path("unused")).tap().digest != Recorder(Path("unused")).tap().digest


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(0, 40))
def test_tap_keeps_the_beginning_whatever_the_pieces(pieces: list[bytes], limit: int) -> None:
    """Content, size and digest do not depend on how the body was cut into pieces."""
    tap, whole = Tap(limit, KEY), Tap(limit, KEY)
    for piece in pieces:
        tap.feed(piece)
    whole.feed(b"".join(pieces))
    assert tap.content == whole.content == b"".join(pieces)[:limit]
    assert (tap.size, tap.digest, tap.kept) == (whole.size, whole.digest, len(tap.content))


@pytest.mark.parametrize(
    ("content", "limit", "text"),
    [
        ("größe".encode(), 99, "größe"),
        ("größe".encode(), 3, "gr"),
        ("a☃".encode(), 3, "a"),
        ("😀".encode(), 3, ""),
        (b"\xff\xfe", 99, None),
        (b"ab\xffcdefgh", 8, None),
    ],
)
def test_body_is_text_where_it_is_utf8(
    tmp_path: Path, content: bytes, limit: int, text: str | None
) -> None:
    """A character that the cut went through is left out; other bytes are base64."""
    one = Answered(upstream="a", seconds=0, status=200, body=body(content, limit))
    found = written(tmp_path, pair(primary=one)).primary.body
    assert found is not None
    assert found.text == text
    expected = base64.b64encode(content[:limit]).decode() if text is None else None
    assert found.base64 == expected


def test_gzip_is_undone(tmp_path: Path) -> None:
    """Two codings of one content can be compared, and its secrets are hidden."""
    content = gzip.compress(b'{"id":1,"token":"abc"}')
    found = written(tmp_path, pair(primary=answered(content, (b"Content-Encoding", b"gzip"))))
    assert found.primary.body is not None
    assert found.primary.body.text is not None
    assert found.primary.body.text.startswith('{"id":1,"token":"hidden:')
    assert found.primary.body.bytes == len(content)
    assert not found.primary.body.cut


def test_gzip_bomb_is_cut(tmp_path: Path) -> None:
    """Not more comes out of a coded body than of a plain one."""
    bomb = gzip.compress(b"0" * 10_000_000)
    one = answered(bomb, (b"content-encoding", b"gzip"))
    found = written(tmp_path, pair(primary=one), body_bytes=1000).primary.body
    assert found is not None
    assert found.text == "0" * 1000
    assert found.cut


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, br"])
def test_content_in_other_codings_is_not_kept(tmp_path: Path, coding: bytes) -> None:
    """Nobody could hide what is in it; size and digest still compare."""
    found = written(tmp_path, pair(primary=answered(b"\x8b\x01", (b"Content-Encoding", coding))))
    assert found.primary.body is not None
    assert (found.primary.body.text, found.primary.body.base64) == (None, None)
    assert found.primary.body.cut
    assert found.primary.body.bytes == 2


def test_what_calls_itself_gzip_and_is_not_keeps_nothing(tmp_path: Path) -> None:
    """A wrong coding is no fault of the recorder."""
    one = answered(b"plainly not", (b"Content-Encoding", b"gzip"))
    found = written(tmp_path, pair(primary=one)).primary.body
    assert found is not None
    assert (found.text, found.cut) == ("", True)


# ---------------------------------------------------------------- hidden


def test_credentials_and_cookies_are_hidden_but_still_compare(tmp_path: Path) -> None:
    """The secret is nowhere in the file; scheme, cookie names and attributes stay."""
    asked = Asked(
        method=b"GET",
        target=b"/x?token=s3cret&page=2",
        fields=(
            *((b"Authorization", b"Bearer s3cret"), (b"Cookie", b"sid=s3cret; theme=s3cret")),
            *((b"Api-Key", b"s3cret"), (b"cart-token", b"s3cret"), (b"X-Mine", b"s3cret")),
            *((b"Referer", b"https://shop/?access_token=s3cret"), (b"Accept", b"*/*")),
        ),
    )
    cookie = (b"Set-Cookie", b"sid=s3cret; Path=/; HttpOnly")
    found = written(
        tmp_path,
        pair(request=asked, primary=answered(b"{}", cookie), mirrored=answered(b"{}", cookie)),
        hidden_headers=("x-mine",),
    )
    (path,) = files(tmp_path)
    assert b"s3cret" not in path.read_bytes()
    hidden = Redaction(KEY).hide("s3cret")
    assert found.request.target == f"/x?token={hidden}&page=2"
    assert dict(found.request.headers) == {
        "Authorization": f"Bearer {hidden}",
        "Cookie": f"sid={hidden}; theme={hidden}",
        "Api-Key": hidden,
        "cart-token": hidden,
        "X-Mine": hidden,
        "Referer": f"https://shop/?access_token={hidden}",
        "Accept": "*/*",
    }
    assert found.primary.headers[1] == ("Set-Cookie", f"sid={hidden}; Path=/; HttpOnly")
    assert found.primary.headers == found.mirrored.headers


def test_hidden_value_depends_on_the_key() -> None:
    """Who reads the file cannot try out values."""
    assert Redaction(b"a").hide("x") != Redaction(b"b").hide("x")
    assert Redaction(b"a").hide("x") != Redaction(b"a").hide("y")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"password":"a\\"b","x":1}', '{"password":"~","x":1}'),
        ('{"a":[{"Token" : "t"}],"tokens":"t"}', '{"a":[{"Token" : "~"}],"tokens":"t"}'),
        ('{"pin": 1234}', '{"pin": "~"}'),
        ('{"note":"\\"password\\":\\"x\\""}', '{"note":"\\"password\\":\\"x\\""}'),
        ('{"a":"password","b":"x"}', '{"a":"password","b":"x"}'),
        ('{"token":{"a":1}}', '{"token":{"a":1}}'),
        ('{"token":null}', '{"token":null}'),
        ('{"mine":"x"}', '{"mine":"~"}'),
        ('{"password":"cut off', '{"password":"~"'),
        ('{"password":"cut off\\', '{"password":"~"'),
        ('{"password":', '{"password":'),
    ],
)
def test_secrets_in_json_are_hidden(text: str, expected: str) -> None:
    """Members of such names, anywhere, also where the body was cut; what only looks so stays."""
    hidden = Redaction(KEY, members=("mine",)).json(text)
    pieces = expected.split("~")
    assert hidden.startswith(pieces[0])
    assert hidden.endswith(pieces[-1])
    assert ("hidden:" in hidden) == (len(pieces) > 1)
    if len(pieces) == 1:
        assert hidden == text


def test_secrets_in_forms_are_hidden(tmp_path: Path) -> None:
    """A login form's password, however its name is spelled."""
    asked = Asked(
        method=b"POST",
        target=b"/login",
        fields=((b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),),
        body=body(b"user=jo&pass%77ord=s3cret&remember"),
    )
    found = written(tmp_path, pair(request=asked)).request.body
    assert found is not None
    assert found.text == f"user=jo&pass%77ord={Redaction(KEY).hide('s3cret')}&remember"


@given(st.text(max_size=30))
def test_hiding_leaves_other_json_as_it_is(value: str) -> None:
    """A document without such members is not changed, whatever its values are."""
    text = json.dumps({"name": value, "list": [value], value[:0] + "x": value})
    assert Redaction(KEY).json(text) == text


# ---------------------------------------------------------------- bounds


def test_files_rotate_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    """No file is larger than its limit, no route has more than its files, the newest stay."""
    pairs = [pair(request_id=f"r-{number}") for number in range(900)]
    write(tmp_path, *pairs, file_bytes=65_536, files=3)
    found = [one.request_id for one in read_pairs(tmp_path, "catalog")]
    assert len(files(tmp_path)) == 3
    assert all(path.stat().st_size <= 65_536 for path in files(tmp_path))
    assert found == [one.request_id for one in pairs[-len(found) :]]
    assert size(tmp_path) > 65_536


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    """Several routes share one limit; the oldest file of any of them goes."""
    pairs = [pair(f"route-{number % 5}") for number in range(1000)]
    recorder = write(tmp_path, *pairs, file_bytes=65_536, files=100, total_bytes=200_000)
    assert recorder.recorded == 1000
    assert 100_000 < size(tmp_path) <= 200_000


def test_limits_count_what_was_there_before(tmp_path: Path) -> None:
    """A new process finds the files of the last one and keeps within the same bounds."""
    for _ in range(4):
        write(tmp_path, *[pair() for _ in range(150)], file_bytes=65_536, total_bytes=150_000)
    assert size(tmp_path) <= 150_000
    assert len(list(read_pairs(tmp_path, "catalog"))) > 150


def test_workers_share_the_bounds(tmp_path: Path) -> None:
    """Each sees what the others wrote when it begins a file: at most a file each is too much."""
    rules = Recording(file_bytes=65_536, files=100, total_bytes=200_000)
    workers = [Recorder(tmp_path, rules, key=KEY) for _ in range(3)]
    largest = 0
    for number in range(1, 401):
        for worker in workers:
            assert worker.record(pair())
        _wait(lambda number=number: all(worker.recorded == number for worker in workers))
        largest = max(largest, size(tmp_path))
    assert all(worker.close() for worker in workers)
    assert 150_000 < largest <= 200_000 + 3 * 65_536


def test_writer_goes_on_when_its_file_was_removed(tmp_path: Path) -> None:
    """Somebody cleans the folder up: the next pair begins a new file."""
    recorder = Recorder(tmp_path, key=KEY)
    recorder.record(pair(request_id="first"))
    _wait(lambda: recorder.recorded == 1)
    for path in files(tmp_path):
        path.unlink()
    recorder.record(pair(request_id="second"))
    assert recorder.close()
    assert [found.request_id for found in read_pairs(tmp_path, "catalog")] == ["second"]


def test_file_that_goes_away_while_it_is_read_is_over(tmp_path: Path) -> None:
    """The reader does not mind a writer that makes room."""
    write(tmp_path, pair(), pair())
    write(tmp_path, pair())
    reading = read_pairs(tmp_path, "catalog")
    next(reading)
    files(tmp_path)[-1].unlink()
    assert len(list(reading)) == 1


# ---------------------------------------------------------------- nobody waits


def test_full_queue_drops_and_counts_without_waiting(tmp_path: Path) -> None:
    """While the disk hangs, pairs beyond the queue are dropped; the loop does not notice."""
    free = threading.Event()

    def hanging_clock() -> float:
        free.wait(30)
        return AT

    recorder = Recorder(tmp_path, Recording(queue=8), clock=hanging_clock, key=KEY)
    one = pair()
    started = time.perf_counter()
    taken = sum(recorder.record(one) for _ in range(500))
    assert time.perf_counter() - started < 1.0
    assert 8 <= taken <= 9  # one may be in the writer's hands
    assert recorder.dropped == 500 - taken
    free.set()
    assert recorder.close()
    assert recorder.recorded == taken == len(list(read_pairs(tmp_path, "catalog")))


def test_bodies_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of few pairs may still be too much memory."""
    monkeypatch.setattr(recording, "WAITING_BYTES", 100)
    free = threading.Event()
    recorder = Recorder(tmp_path, clock=lambda: AT if free.wait(30) else 0.0, key=KEY)
    big = pair(primary=answered(b"x" * 60), mirrored=answered(b""))
    assert recorder.record(big)
    assert not recorder.record(big)
    free.set()
    _wait(lambda: recorder.recorded == 1)
    _wait(lambda: recorder.record(big))
    assert recorder.close()


def test_recorder_that_recorded_nothing_closes_at_once(tmp_path: Path) -> None:
    """No thread, no folder."""
    recorder = Recorder(tmp_path / "pairs")
    assert "recorder" not in [thread.name for thread in threading.enumerate()]
    assert recorder.close()
    assert not (tmp_path / "pairs").exists()


def test_closed_recorder_drops(tmp_path: Path) -> None:
    """What comes after the end is counted, not an error."""
    recorder = write(tmp_path, pair())
    assert not recorder.record(pair())
    assert (recorder.recorded, recorder.dropped) == (1, 1)


def test_close_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """The process can end; the caller is told that not all was written."""
    free = threading.Event()
    recorder = Recorder(tmp_path, clock=lambda: AT if free.wait(30) else 0.0, key=KEY)
    recorder.record(pair())
    assert not recorder.close(timeout=0.05)
    free.set()
    assert recorder.close()


def test_folder_that_cannot_be_written_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each pair counts as failed, the log has one line; when it works again, one more."""
    blocked = tmp_path / "pairs"
    blocked.write_text("a file where a folder should be")
    recorder = Recorder(blocked, key=KEY)
    with caplog.at_level(logging.WARNING, logger="strangler_proxy.mirror.recording"):
        for _ in range(3):
            assert recorder.record(pair())
        _wait(lambda: recorder.failed == 3)
        blocked.unlink()
        recorder.record(pair())
        assert recorder.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert f"pairs for {blocked} are not recorded: " in caplog.text
    assert "are recorded again; 3 were not" in caplog.text
    assert (recorder.recorded, recorder.failed) == (1, 3)


@contextmanager
def disk_of(limit: int) -> Iterator[None]:
    """No file can become larger, as on a disk that is full: the write breaks off in the middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_only_whole_pairs(tmp_path: Path) -> None:
    """A line that did not fit is taken back; the pairs before and after it can be read."""
    one = pair(primary=answered(b"x" * 4000))
    recorder = Recorder(tmp_path, key=KEY)
    recorder.record(pair(request_id="before"))
    _wait(lambda: recorder.recorded == 1)
    with disk_of(3000):
        recorder.record(one)
        _wait(lambda: recorder.failed == 1)
    recorder.record(pair(request_id="after"))
    assert recorder.close()
    found = [found.request_id for found in read_pairs(tmp_path, "catalog")]
    assert found == ["before", "after"]


def test_pair_that_cannot_be_written_down_does_not_end_the_recorder(tmp_path: Path) -> None:
    """One bad pair is counted; the next is recorded."""
    recorder = Recorder(tmp_path, key=KEY)
    recorder.record(pair(at=float("nan")))
    recorder.record(pair())
    assert recorder.close()
    assert (recorder.failed, recorder.recorded) == (1, 1)


def _wait(until: Any) -> None:
    deadline = time.monotonic() + 10
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.002)
