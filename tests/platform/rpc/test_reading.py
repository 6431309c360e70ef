"""Answers are read from pieces of any size, and nothing is taken that could be read otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from modules.platform.rpc.reading import MOST_HEAD, Answer, BadAnswer, Reader

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = OK + b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n"
MOST = 100


def coming(*pieces: bytes) -> Callable[[], bytes]:
    """These, and then the end."""
    left: Iterator[bytes] = chain(pieces, repeat(b""))
    return lambda: next(left)


def read(*pieces: bytes) -> tuple[Answer, bool]:
    return Reader(most=MOST).answer(coming(*pieces))


@pytest.mark.parametrize("data", [SHORT, CHUNKED + b"\r\n"])
def test_pieces_may_be_of_any_size(data: bytes) -> None:
    """Down to single bytes; the connection stays open."""
    for size in (1, 2, 7, len(data)):
        answer, stays_open = read(*(data[at : at + size] for at in range(0, len(data), size)))
        assert (answer.status, answer.body, stays_open) == (200, b"ok", True)


def test_a_header_is_found_without_regard_to_case() -> None:
    """The first of several; empty when there is none."""
    head = b"ficus-OUTCOME: answered\r\nFicus-Outcome: raised\r\nName: Gr\xfc\xdfe\r\n"
    answer, _ = read(OK + head + b"Content-Length: 0\r\n\r\n")
    assert answer.header("Ficus-Outcome") == "answered"
    assert answer.header("name") == "Grüße"
    assert answer.header("Absent") == ""


def test_a_header_behind_the_body_says_nothing() -> None:
    """Whoever made the head has said what the answer is."""
    answer, _ = read(CHUNKED + b"Ficus-Outcome: answered\r\n\r\n")
    assert (answer.body, answer.header("Ficus-Outcome")) == (b"ok", "")


def test_to_go_on_is_no_answer() -> None:
    """Nor are the headers that came with it."""
    answer, stays_open = read(b"HTTP/1.1 103 Early\r\nFicus-Outcome: failed\r\n\r\n", SHORT)
    assert (answer.status, answer.body, stays_open) == (200, b"ok", True)
    assert answer.header("Ficus-Outcome") == ""


@pytest.mark.parametrize(
    "data",
    [
        SHORT + SHORT,
        SHORT + b"x",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_a_connection_is_not_kept_in_doubt(data: bytes) -> None:
    """More came than was asked for, or the server ends it: this answer is whole, and the last."""
    answer, stays_open = read(data)
    assert (answer.body, stays_open) == (b"ok", False)


def test_answers_do_not_mix() -> None:
    """One reader, one answer after another; one without a body has none."""
    reader = Reader(most=MOST)
    raised = b"HTTP/1.1 409 Conflict\r\nFicus-Outcome: raised\r\nContent-Length: 3\r\n\r\nno!"
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    found = [reader.answer(coming(data))[0] for data in (raised, SHORT, nothing, SHORT)]
    assert [one.status for one in found] == [409, 200, 204, 200]
    assert [one.body for one in found] == [b"no!", b"ok", b"", b"ok"]
    assert [one.header("Ficus-Outcome") for one in found] == ["raised", "", "", ""]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too soon"),
        (SHORT[:-1], "too soon"),
        (CHUNKED, "too soon"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nok", "too soon"),
        (OK + b"\r\nok", "no length"),
        (OK + b"Content-Length: 101\r\n\r\n" + b"x" * 101, "too large"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101, "too large"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "no HTTP"),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "no HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nz\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "no HTTP"),
        (b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "no HTTP"),
        (b"\x16\x03\x01", "no HTTP"),
    ],
)
def test_what_is_no_whole_answer_is_refused(data: bytes, reason: str) -> None:
    """Cut off, endless, too large, or to be understood in two ways."""
    with pytest.raises(BadAnswer, match=reason):
        read(data)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (OK, b"X: " + b"x" * 1000 + b"\r\n"),
        (OK + b"X: ", b"x" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED, b"X: " + b"x" * 1000 + b"\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000),
    ],
)
def test_what_does_not_end_is_not_read_for_ever(start: bytes, again: bytes) -> None:
    """Heads, what stands behind chunks, and "continue" fill no memory until the deadline."""
    taken = 0

    def endless() -> bytes:
        nonlocal taken
        taken += len(again)
        return again if taken > len(again) else start + again

    with pytest.raises(BadAnswer, match=r"too much|no HTTP"):
        Reader(most=MOST).answer(endless)
    assert taken <= MOST_HEAD + MOST + 2 * len(again)
