"""Two servers with a bad network between them and whoever moves the module."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from modules.extraction.protocol import (
    Direction,
    Follower,
    NotDrained,
    NotYetGranted,
    State,
    Stream,
    SwapRefused,
    crashpoints,
    cutover,
    cutting_over,
    following,
    heal,
    rollback,
    sides,
)
from modules.extraction.protocol.controlling import Controlled, Controller
from modules.extraction.protocol.draining import catch_up
from modules.extraction.protocol.sides import connect
from modules.extraction.structure import tables_of
from tests.extraction.protocol import writing
from tests.extraction.protocol.machines import Machine, machines
from tests.extraction.protocol.shop import databases
from tests.extraction.protocol.test_following import Run, fences, running
from tests.extraction.protocol.wiring import INSERT, SOON, Wired, at, healed, wire, written
from tests.waiting import eventually

SHORT = 0.2  # seconds of silence where it is not the bound itself that is looked at
# Round trips in a pause, however much there is to bring: a read, BEGIN, the batch and COMMIT; of a
# cutover `give` and `learn`, of a rollback `take_back` and, beside the others, the disk.
TRIPS = 6
BESIDE = 1  # of them at most: the disk of where a rollback reads
LONG = timedelta(seconds=30)  # a fence over all of them, on a machine with much to do
LATE = 1.6  # seconds: longer than a fence stands


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Machine, Machine]]:
    """The monolith's and the service's, for all tests here."""
    with machines() as both:
        yield both


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can wait for, and writers that leave it a processor."""
    monkeypatch.setattr(sides, "SILENCE", SHORT)
    monkeypatch.setattr(sides, "CONNECTS_WITHIN", 4)  # with room for a busy machine
    monkeypatch.setattr(cutting_over, "GRANT_SECONDS", 0.2)
    monkeypatch.setattr(following, "AWAY", 0.1)
    monkeypatch.setattr(writing, "PACE", 0.02)
    monkeypatch.setattr(writing, "RETRY", 0.02)


@pytest.fixture
def wired(servers: tuple[Machine, Machine]) -> Iterator[Wired]:
    """Copied and scrubbed, with a link before each server."""
    with wire(servers, servers[0].url, servers[1].url) as wired:
        yield wired


def test_a_delay_lengthens_the_pause_by_its_round_trips(
    wired: Wired, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after another, and by no more of them than are counted out; there and back, without load
    and under it.
    """
    said = []
    for verb in ("cutover", "rollback"):
        wired.delay(0.001)
        trips, _lasted = pause(wired, verb, 0.001)
        assert trips <= TRIPS, verb
    with written(wired, tmp_path / "ledger"):
        for delay, verb in product((0.001, 0.01), ("cutover", "rollback")):
            wired.delay(delay)
            trips, lasted = pause(wired, verb, delay)
            assert trips <= TRIPS, verb
            said.append(f"{verb} at {delay * 1000:.0f} ms: {trips} trips, {lasted:.0f} ms")
    with capsys.disabled():
        print("\n" + "; ".join(said))


def pause(wired: Wired, verb: str, delay: float) -> tuple[int, float]:
    """Round trips within the pause of a swap, and its milliseconds: it is no shorter than they are.

    How much longer it is says how busy this machine is.
    """
    counts: dict[str, int] = {}

    def watch(step: str) -> None:
        counts[step] = sum(link.requests for link in wired.links)

    lasted = wired.swap(verb, ttl=LONG, watch=watch).pause_ms
    trips = counts["granted" if verb == "cutover" else "committed"] - counts["fenced"]
    assert lasted > (trips - BESIDE) * 2 * delay * 1000, (verb, trips)
    return trips, lasted


# Where the swap ends whose link is lost at a step: what it raises, what the databases say then, and
# who accepts writes while the link is still down.
Lost = dict[str, tuple[type[Exception], State, list[str]]]
AWAY = psycopg.OperationalError
NOBODY: list[str] = []
MONOLITH, SERVICE = ["monolith"], ["service"]
ANSWERED = "in the commit point's answer"
LOST: dict[tuple[str, str], Lost] = {
    ("cutover", "service"): {
        "held": (AWAY, State.MONOLITH, MONOLITH),
        "fenced": (NotDrained, State.MONOLITH, MONOLITH),
        "drained": (NotYetGranted, State.NOT_GRANTED, NOBODY),
        "committed": (NotYetGranted, State.NOT_GRANTED, NOBODY),
        "granted": (AWAY, State.SERVICE, SERVICE),
    },
    ("cutover", "monolith"): {
        "held": (AWAY, State.MONOLITH, MONOLITH),
        "fenced": (NotDrained, State.FENCE_LEFT, MONOLITH),  # it lapses
        "drained": (AWAY, State.FENCE_LEFT, MONOLITH),
        ANSWERED: (AWAY, State.NOT_GRANTED, NOBODY),
        "committed": (AWAY, State.SERVICE, SERVICE),
    },
    ("rollback", "service"): {
        "held": (AWAY, State.SERVICE, SERVICE),
        "fenced": (NotDrained, State.SERVICE_FENCE_LEFT, NOBODY),
        "drained": (AWAY, State.NOT_CLOSED, MONOLITH),
        "committed": (AWAY, State.NOT_CLOSED, MONOLITH),
        "closed": (AWAY, State.MONOLITH, MONOLITH),
    },
    ("rollback", "monolith"): {
        "held": (AWAY, State.SERVICE, SERVICE),
        "fenced": (NotDrained, State.SERVICE_FENCE_LEFT, NOBODY),
        "drained": (AWAY, State.SERVICE_FENCE_LEFT, NOBODY),
        ANSWERED: (AWAY, State.NOT_CLOSED, MONOLITH),
        "committed": (AWAY, State.MONOLITH, MONOLITH),
    },
}


def test_a_swap_that_is_cut_off_at_any_step_ends_and_is_healed(
    servers: tuple[Machine, Machine], tmp_path: Path
) -> None:
    """In bounded time and in a named state, as after a crash. While the link is down ``heal`` says
    so; when it is back, whoever heals finishes or takes back what was begun.

    All stories at once: most of the time they wait for a silence.
    """
    with ThreadPoolExecutor(len(LOST)) as pool:
        stories = [pool.submit(cut_off, servers, tmp_path, verb, name) for verb, name in LOST]
    for story in stories:
        story.result()


def cut_off(servers: tuple[Machine, Machine], folder: Path, verb: str, name: str) -> None:
    """The swap, once for each of its steps, with the link to one side lost there."""
    with (
        databases(servers[0].url, "far") as source,
        databases(servers[1].url, "far") as target,
        wire(servers, *source, *target) as wired,
        written(wired, folder / f"{verb}-{name}"),
    ):
        link = wired.monolith if name == "monolith" else wired.service
        for step, (error, found, accepting) in LOST[verb, name].items():
            asked = Run(heal, wired.move)

            def lose(run: Run = asked, is_asked: bool = step == "fenced") -> None:
                link.cut()
                if is_asked:
                    run.start()

            watch = at(step, lose)
            if step == ANSWERED:
                watch = at("drained", partial(link.in_next_answer, lose))
            wired.stand("monolith" if verb == "cutover" else "service")
            began = time.monotonic()
            with pytest.raises(error):
                wired.swap(verb, watch=watch)
            if step == "fenced":
                asked.join(SOON)
                assert isinstance(asked.outcome, AWAY)
            assert time.monotonic() - began < SOON, (verb, name, step)
            wired.accepts_in(accepting)
            link.heal()
            assert healed(wired) is found, (verb, name, step)
        wired.stand("monolith")


def test_a_commit_point_whose_answer_is_broken_off_is_found_out_by_whoever_heals(
    wired: Wired, tmp_path: Path
) -> None:
    """It has happened; the controller cannot know, touches nothing, and says so."""
    lose = partial(wired.monolith.in_next_answer, wired.monolith.reset)
    with written(wired, tmp_path / "ledger"):
        for verb, found in (("cutover", State.NOT_GRANTED), ("rollback", State.NOT_CLOSED)):
            with pytest.raises(AWAY):
                wired.swap(verb, watch=at("drained", lose))
            assert healed(wired) is found
            wired.stand("service" if verb == "cutover" else "monolith")


def test_a_swap_whose_other_answers_break_off_comes_to_its_end(
    wired: Wired, tmp_path: Path
) -> None:
    """The word that opens the service, or shuts it: it is said again, or left to whoever heals."""
    with written(wired, tmp_path / "ledger"):
        lose = partial(wired.service.in_next_answer, wired.service.reset)
        wired.swap("cutover", watch=at("committed", lose))
        assert wired.accepting() == SERVICE
        wired.stand("service")
        with pytest.raises(AWAY):  # it was to be read for the receipt, too
            wired.swap("rollback", watch=at("committed", lose))
        assert wired.accepting() == MONOLITH


def test_a_commit_point_that_the_network_delays_comes_too_late(
    wired: Wired, tmp_path: Path
) -> None:
    """By then the monolith's fence has lapsed; the service's was opened, and the epoch burnt."""

    def stall() -> None:
        wired.monolith.delay(LATE)
        threading.Timer(LATE / 2, lambda: wired.monolith.delay(0)).start()

    with written(wired, tmp_path / "ledger"), running(fences, wired.beside):
        for verb, owner in (("cutover", "monolith"), ("rollback", "service")):
            wired.stand(owner)
            with pytest.raises(SwapRefused):
                wired.swap(verb, watch=at("drained", stall))
            assert wired.accepting() == [owner]


def test_a_link_that_is_back_before_anyone_gives_up_costs_its_time_only(
    wired: Wired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was lost is sent again, and nobody hears of it."""
    monkeypatch.setattr(sides, "SILENCE", SOON)

    def blink() -> None:
        wired.service.cut()
        threading.Timer(0.3, wired.service.heal).start()

    with written(wired, tmp_path / "ledger"):
        receipt = wired.swap("cutover", watch=at("committed", blink))
        assert receipt.pause_ms > 300
        assert wired.accepting() == SERVICE


def test_streams_and_the_watch_outlive_a_partition(
    wired: Wired, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They notice within the silence, go on when the link is back, and apply nothing twice."""
    follow = Follower(wired.move, Direction.FORWARD, poll=0.005).run
    with written(wired, tmp_path / "ledger"), running(follow), running(fences, wired.move):
        wired.service.cut()
        eventually(lambda: "stream_away" in caplog.text, within=SOON, what="word of it")
        wired.service.heal()
        eventually(lambda: _has_arrived(wired), within=SOON, what="a change")
        wired.service.in_next_answer(wired.service.reset)
        eventually(lambda: _has_arrived(wired), within=SOON, what="a change")
        cutover(wired.beside, checked=False)
        wired.monolith.cut()
        with Controller(wired.beside) as control:
            control.fence(wired.beside.target, timedelta(seconds=60), 20)
        assert wired.accepting() == NOBODY
        wired.monolith.heal()
        wired.accepts_in(SERVICE)
        rollback(wired.beside)
        eventually(lambda: _has_arrived(wired), within=SOON, what="a change")


def _has_arrived(wired: Wired) -> bool:
    """A change that is made now."""
    (made,) = wired.source.execute(f"{INSERT} RETURNING id").fetchone() or (0,)
    there = "SELECT FROM till.account WHERE id = %s"
    return bool(
        eventually(
            lambda: wired.target.execute(there, [made]).rowcount, within=SOON, what="a change"
        )
    )


def test_who_is_cut_off_in_a_transaction_is_in_nobodys_way_for_long(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An applier that has its position's row, and a controller that has the move: the servers see
    that nobody is there any more, and the next ones get past.
    """

    def cut(point: str) -> None:
        if point == "apply.applied":
            for link in wired.links:
                link.cut()

    with Controller(wired.move) as control:
        # The server's answer finds nobody, either; what it has sent it sends again and again.
        answers = Run(control.source.execute, "SELECT pg_sleep(0.5)")
        wired.source.execute("UPDATE till.note SET text = 'held'")
        with Stream(wired.move, Direction.FORWARD) as lost:
            lost.standing()  # connected
            answers.start()
            monkeypatch.setattr(crashpoints, "_observer", cut)
            with pytest.raises(AWAY):
                lost.apply_once()
        monkeypatch.setattr(crashpoints, "_observer", None)
        with Stream(wired.beside, Direction.FORWARD) as stream:
            catch_up(stream, seconds=SOON)
        assert wired.same()
        eventually(lambda: _is_free(wired), within=SOON, what="the controller's lock")
        answers.join(SOON)
        assert isinstance(answers.outcome, AWAY)


def _is_free(wired: Wired) -> bool:
    with suppress(Controlled), Controller(wired.beside):
        return True
    return False


def test_a_session_without_a_network_ends_within_the_silence(wired: Wired) -> None:
    """One that waits for an answer, one that asks, those that are yet to be made, by the protocol
    and by the commands beside it, and ``heal``.
    """
    side = wired.move.target
    with (
        closing(connect(side, purpose="listens")) as listens,
        closing(connect(side, purpose="asks")) as asks,
    ):
        waits = Run(listens.execute, "SELECT pg_sleep(3)")
        waits.start()
        eventually(lambda: wired.at_it() == 2, within=SOON, what="its statement")
        time.sleep(0.1)
        wired.service.cut()
        begins = Run(lambda: connect(side, purpose="begins"))
        looks = Run(tables_of, side), Run(heal, wired.move)
        runs = [waits, Run(asks.execute, "SELECT 1"), begins, *looks]
        for run in runs[1:]:
            run.start()
        until = time.monotonic() + SOON
        for run in runs:
            run.join(max(0.0, until - time.monotonic()))
            assert isinstance(run.outcome, AWAY), run.outcome


def test_what_a_url_says_of_its_own_bounds_stays() -> None:
    """Whoever knows the network better says so there."""
    url = "postgresql://somebody@somewhere/shop?tcp_user_timeout=3000&keepalives_idle=7"
    known = conninfo_to_dict(sides.bounded(url))
    assert (known["tcp_user_timeout"], known["keepalives_idle"]) == ("3000", "7")
    assert known["connect_timeout"] == "4"
    assert (known["user"], known["host"], known["dbname"]) == ("somebody", "somewhere", "shop")
