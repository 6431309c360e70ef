"""Words (NOTIFY) are waited for without looking up meanwhile, and none is missed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from modules.platform.databases.listening import wait_for_word

# Of this process alone: the tests of all workers are in one database here.
CHANNEL = f"test_listening_{os.getpid()}"


@pytest.fixture
def both() -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """An ear and a mouth."""
    with (
        psycopg.connect(settings.DATABASE_URL, autocommit=True) as ear,
        psycopg.connect(settings.DATABASE_URL, autocommit=True) as mouth,
    ):
        ear.execute(f"LISTEN {CHANNEL}")
        yield ear, mouth


def _waited(ear: psycopg.Connection, seconds: float) -> tuple[bool, float]:
    began = time.monotonic()
    heard = wait_for_word(ear, seconds)
    return heard, time.monotonic() - began


def test_silence_lasts_as_long_as_was_said(both: tuple[psycopg.Connection, ...]) -> None:
    """And takes no time of the processor: 10 ms of the half second would be twenty times that."""
    worked = time.thread_time()
    heard, seconds = _waited(both[0], 0.5)
    assert (heard, seconds >= 0.5) == (False, True)
    assert time.thread_time() - worked < 0.01


def test_word_ends_the_wait(both: tuple[psycopg.Connection, ...]) -> None:
    """Whoever waits for 20 s is awake at once; a second wait has nothing left to hear."""
    ear, mouth = both
    saying = threading.Timer(0.1, mouth.execute, [f"NOTIFY {CHANNEL}, 'now'"])
    saying.start()
    heard, seconds = _waited(ear, 20)
    saying.join()
    assert (heard, seconds < 10) == (True, True)
    assert not wait_for_word(ear, 0)


def test_word_that_came_with_an_answer_is_heard(both: tuple[psycopg.Connection, ...]) -> None:
    """Said while the ear was asking something else: what it read may be older than the word."""
    ear, mouth = both
    mouth.execute(f"NOTIFY {CHANNEL}")
    ear.execute("SELECT 1")
    heard, seconds = _waited(ear, 20)
    assert (heard, seconds < 10) == (True, True)


def test_server_that_hangs_up_ends_the_wait(both: tuple[psycopg.Connection, ...]) -> None:
    """Not after its time; whoever asks next is told."""
    ear, mouth = both
    going = "SELECT pg_terminate_backend(%s)"
    ending = threading.Timer(0.1, mouth.execute, [going, [ear.info.backend_pid]])
    ending.start()
    _, seconds = _waited(ear, 20)
    ending.join()
    assert seconds < 10
    with pytest.raises(psycopg.OperationalError):
        ear.execute("SELECT 1")
