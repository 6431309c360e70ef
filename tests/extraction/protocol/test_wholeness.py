"""What is removed, asked for and begun anew around an installation, and by whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from modules.extraction.protocol import (
    Backfill,
    CaptureAway,
    Controlled,
    Direction,
    Diverged,
    FenceRefused,
    Refusal,
    Side,
    StillMoved,
    Stream,
    SwapRefused,
    cover,
    cutover,
    install,
    ownership,
    refusal,
    rollback,
    scrub,
    tune,
    uninstall,
)
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.sides import connect
from modules.extraction.protocol.uninstalling import remove, withdraw
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.shop import lines
from tests.extraction.protocol.test_installing import TRIGGERS, VOID, failed, write


def test_nothing_is_removed_while_the_service_is_away(pair: Pair) -> None:
    """Capture goes on, so no write is missed when it is back."""
    pair.ready()
    url = make_conninfo(pair.move.target.url, host="127.0.0.1", port=1, connect_timeout=2)
    away = replace(pair.move, target=replace(pair.move.target, url=url))
    with pytest.raises(psycopg.OperationalError):
        uninstall(away)
    write(pair)
    assert cutover(pair.move).epoch == 1
    assert pair.same()


def test_a_service_whose_database_is_no_more_keeps_nobody_from_uninstalling(pair: Pair) -> None:
    """It will not come back: there is nothing to remove but the monolith's part."""
    pair.ready()
    gone = replace(pair.move.target, url=make_conninfo(pair.move.target.url, dbname="move_no_more"))
    uninstall(replace(pair.move, target=gone))
    assert pair.source.execute(TRIGGERS).fetchone() == (0,)


def test_a_service_stays_shut_until_its_copy_is_removed(pair: Pair) -> None:
    """It must not take the copied rows for its own to work on."""
    pair.ready()
    withdraw(pair.move)
    assert pair.source.execute(TRIGGERS).fetchone() == (0,)
    with pytest.raises(psycopg.DatabaseError) as caught:
        pair.target.execute("DELETE FROM till.note")
    assert refusal(caught.value) is Refusal.MOVED
    assert ownership(pair.move.target).owner == "monolith"


@pytest.mark.parametrize(
    "gone",
    [
        "ALTER TABLE till.account DISABLE TRIGGER ficus_capture",
        "DROP TRIGGER ficus_guard ON till.account",
        "ALTER TABLE till.entry_1 DISABLE TRIGGER ficus_capture",
    ],
)
def test_a_trigger_that_is_gone_is_missed(pair: Pair, gone: str) -> None:
    """By whoever looks before a cutover; and who puts it back begins anew."""
    pair.ready()
    install(pair.move)
    assert failed(pair) == set()
    pair.source.execute(gone)
    write(pair)
    with pytest.raises(CaptureAway):
        cutover(pair.move)
    with pytest.raises(CaptureAway):
        cover(pair.move)
    install(pair.move)
    assert failed(pair) >= VOID


def test_no_fence_is_set_while_something_is_missing(pair: Pair) -> None:
    """Also by a controller that has looked before, or does not look."""
    pair.ready()
    with Controller(pair.move) as control:
        with pytest.raises(Controlled):
            uninstall(pair.move)
        pair.source.execute("UPDATE till_move.ownership SET life = NULL")
        with pytest.raises(FenceRefused):
            control.fence(pair.move.source, timedelta(seconds=1), 3)
    with pytest.raises(CaptureAway):
        cutover(pair.move, checked=False)
    write(pair)


def test_tables_that_are_not_copied_are_missed_at_the_marker(pair: Pair) -> None:
    """Who has looked at the first copy may have looked before it was begun anew."""
    install(pair.move)
    with pytest.raises(Diverged) as caught:
        cutover(pair.move, checked=False)
    assert caught.value.tables == pair.move.tables
    write(pair)


@pytest.mark.parametrize("word", ["monolith", "service"])
def test_what_the_service_has_is_not_emptied(pair: Pair, word: str) -> None:
    """Something of the protocol is gone by hand; whichever side is left says who has the module."""
    pair.ready()
    cutover(pair.move)
    side: Side = pair.move.target if word == "monolith" else pair.move.source
    before = lines(pair.target)
    with connect(side, purpose="test") as connection:
        remove(connection, side)
    for verb in (install, uninstall):
        with pytest.raises(StillMoved):
            verb(pair.move)
    assert lines(pair.target) == before


def test_a_copy_that_was_stopped_does_not_go_on_in_the_next_installation(pair: Pair) -> None:
    """It has read its cursor, and all is begun anew before its chunk is: rows would be left out."""
    install(pair.move)
    tune(pair.move, chunk_rows=30)
    with Backfill(pair.move) as stopped:
        stopped.step()
        at_one_moment = stopped.stream.at_one_moment

        def late() -> object:
            stopped.stream.at_one_moment = at_one_moment  # type: ignore[method-assign]
            with connect(pair.move.source, purpose="test") as source:
                remove(source, pair.move.source)
            install(pair.move)
            return at_one_moment()

        stopped.stream.at_one_moment = late  # type: ignore[method-assign, assignment]
        stopped.run(seconds=30)
    assert pair.same()
    assert scrub(pair.move).count == 0


def test_streams_live_through_a_new_installation(pair: Pair) -> None:
    """Which finds them under way: they go on from its own position."""
    pair.ready()
    with Stream(pair.move, Direction.FORWARD) as stream:
        stream.apply_once()
        pair.source.execute("ALTER TABLE till.note DISABLE TRIGGER ficus_capture")
        write(pair)
        install(pair.move)
        write(pair)
        with Backfill(pair.move) as backfill:
            backfill.run(seconds=30)
        write(pair)
        while pair.sync():
            pass
        assert stream.lag() == 0
    assert pair.same()


def test_epochs_go_on_where_the_last_installation_ended(pair: Pair) -> None:
    """The databases forget; whoever remembers for them says where to begin."""
    heard: list[int] = []
    pair.ready()
    with pytest.raises(SwapRefused):
        cutover(pair.move, ttl=timedelta(0))
    uninstall(pair.move, remember=heard.append)
    assert heard == [2]  # a fence, and its opening
    uninstall(pair.move, remember=heard.append)
    assert heard == [2, 0]
    install(pair.move, epoch=2)
    assert (ownership(pair.move.source).epoch, ownership(pair.move.target).epoch) == (2, 2)
    with connect(pair.move.source, purpose="test") as source:
        remove(source, pair.move.source)
    install(pair.move)  # the other side knows
    assert ownership(pair.move.source).epoch == 2
    install(pair.move, epoch=9)  # whole: nothing but the epoch
    with Backfill(pair.move) as backfill:
        backfill.run(seconds=30)
    assert scrub(pair.move).count == 0
    assert (cutover(pair.move).epoch, rollback(pair.move).epoch) == (10, 11)
