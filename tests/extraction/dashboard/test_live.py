"""What a page shows and how it stays current: parts that have changed, or 304."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.test import Client

from modules.extraction import targets
from modules.extraction.dashboard import parts, presses
from modules.extraction.dashboard.keeping import Kept, Pace
from modules.extraction.dashboard.presses import Ended
from modules.extraction.dashboard.records import Press
from modules.extraction.dashboard.sections import KEPT
from modules.extraction.models import Step
from modules.extraction.phases import Phase
from modules.extraction.targets import Target, source_url
from tests.extraction.dashboard.pages import HOME, LIVE, PAYMENT, part, stands, text_of

database = pytest.mark.django_db(transaction=True)


@database
def test_who_has_the_news_is_told_so(place: None, viewer: Client) -> None:
    """304 without a body for the tag that was given, also one that a front door made weak."""
    for page, live in ((HOME, f"{HOME}live/"), (PAYMENT, LIVE)):
        first = viewer.get(live)
        assert first.status_code == 200
        for tag in (first["ETag"], f"W/{first['ETag']}"):
            again = viewer.get(live, headers={"if-none-match": tag})
            assert (again.status_code, again.content) == (304, b"")
        assert viewer.get(live, headers={"if-none-match": '"other"'}).status_code == 200
        assert first["ETag"].strip('"') in viewer.get(page).content.decode()
        assert "no-store" in first["Cache-Control"]


@database
def test_news_come_when_something_changes(place: None, viewer: Client) -> None:
    """Another standing is another tag, and the parts that differ say so."""
    first = viewer.get(LIVE)
    stands(Phase.SHADOW)
    KEPT.forget()
    second = viewer.get(LIVE, headers={"if-none-match": first["ETag"]})
    assert second.status_code == 200
    before, after = first.json()["parts"], second.json()["parts"]
    changed = {name for name in before if before[name] != after[name]}
    assert {"standing", "guards"} <= changed
    assert "receipts" not in changed


@database
def test_what_is_said_is_of_the_moment_that_is_shown(
    place: None, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A press that ends while the page is drawn: said and shown as beginning, then as done."""
    who = {"module": "payment", "verb": "backfill", "actor": "ada", "reason": "planted"}
    press = Press.objects.create(**who, nonce=uuid4())
    read = parts.sections

    def ends_meanwhile(*arguments: Any) -> Any:
        presses.end(press.pk, Ended.DONE, "copied")
        return read(*arguments)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(parts, "sections", ends_meanwhile)
        first = viewer.get(LIVE)
    second = viewer.get(LIVE, headers={"if-none-match": first["ETag"]})
    for answer, became in ((first, "beginning"), (second, "done")):
        news = answer.json()
        assert news["say"] == f"backfill of payment: {became}"
        assert f"backfill {became}" in text_of(news["parts"]["press"])


@database
def test_end_of_a_press_shows_what_it_has_changed(place: None, viewer: Client) -> None:
    """The look that says that it is done shows what has come of it, however new the last one is."""
    who = {"module": "payment", "verb": "create", "actor": "ada", "reason": "planted"}
    press = Press.objects.create(**who, nonce=uuid4())
    before = viewer.get(LIVE).json()["parts"]
    stands(Phase.SHADOW)
    presses.end(press.pk, Ended.DONE, "created")
    after = viewer.get(LIVE).json()["parts"]
    assert "create done" in text_of(after["press"])
    assert {"standing", "guards"} <= {name for name in before if before[name] != after[name]}


@database
def test_board_has_every_module_in_its_phase(place: None, viewer: Client) -> None:
    """With owner, direction, epoch, who moved it, and what is possible next."""
    stands(Phase.EXTRACTED, percent=100, epoch=7)
    text = part(viewer, "board", f"{HOME}live/")
    assert "monolith 3 inventory" in text
    extracted = text.partition("extracted 1 payment")[2].partition("retired 0 none")[0]
    for words in ("team-payments", "100 %", "to monolith", "epoch 7", "planted", "rollback"):
        assert words in extracted


@database
def test_database_that_is_away_is_said_where_it_matters(place: None, viewer: Client) -> None:
    """The page comes, and each part that cannot be known says why."""
    stands(Phase.SHADOW)
    nowhere = "host=127.0.0.1 port=1 dbname=gone user=nobody connect_timeout=2"
    targets.keep("payment", Target(url=nowhere, admin_url=nowhere, is_ours=False))
    try:
        page = text_of(viewer.get(PAYMENT).content.decode())
    finally:
        targets.forget("payment")
    assert "databases say away" in page
    assert "First copy Not known:" in page
    assert "Digests Not known:" in page


@database
def test_tables_that_are_held_hold_no_page(place: None, viewer: Client) -> None:
    """Somebody's lock on the module's tables is said to, and the rest is there."""
    stands(Phase.SHADOW)
    url = source_url("payment")
    targets.keep("payment", Target(url=url, admin_url=url, is_ours=False))
    try:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE payment.payment_payment IN ACCESS EXCLUSIVE MODE")
            answer = viewer.get(PAYMENT)
            other.rollback()
    finally:
        targets.forget("payment")
    assert answer.status_code == 200
    assert "planted" in text_of(answer.content.decode())


@database
def test_what_people_typed_is_text(place: None, viewer: Client) -> None:
    """A reason is no HTML."""
    Step.objects.create(
        module="payment", verb="create", actor="<b>ada</b>", reason="<script>alert(1)</script>"
    )
    answer = viewer.get(PAYMENT).content.decode()
    assert "<script>alert" not in answer
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer
    assert "<b>ada" not in viewer.get(LIVE).json()["parts"]["history"]


@database
def test_page_needs_nothing_from_elsewhere(place: None, viewer: Client) -> None:
    """Scripts and styles are this host's, none stands in the parts."""
    page = viewer.get(PAYMENT).content.decode()
    assert "/static/extraction/live.js" in page
    assert "https://" not in page.partition("<head>")[2].partition("</head>")[0]
    for html in viewer.get(LIVE).json()["parts"].values():
        assert "<script" not in html
        assert " style=" not in html
        assert " onclick=" not in html


def test_answer_is_kept_for_a_while() -> None:
    """Who comes within its seconds gets the same; afterwards, and after forgetting, a new one."""
    now = [0.0]
    kept, made = Kept(clock=lambda: now[0]), iter(range(9))
    ask: Any = lambda: kept.get("a", 2.0, lambda: next(made))  # noqa: E731
    assert [ask(), ask()] == [0, 0]
    now[0] = 2.0
    assert ask() == 1
    kept.forget()
    assert ask() == 2
    assert kept.get("b", 2.0, lambda: "other") == "other"


def test_answer_is_of_its_occasion() -> None:
    """Neither a kept one nor one that is being made will do on another; what comes late of the
    former is not kept."""
    kept, go = Kept(), threading.Event()
    assert kept.get("a", 60, lambda: "old", occasion=1) == "old"
    late = kept.begin("a", 60, lambda: go.wait(10) and "late", occasion=2)[1]
    assert kept.get("a", 60, lambda: "new", occasion=3) == "new"
    go.set()
    assert late.result(10) == "late"
    assert kept.get("a", 60, lambda: "newer", occasion=3) == "new"


def test_error_is_not_kept() -> None:
    """The next one asks again."""
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.get("a", 60, lambda: 1 / 0)
    assert kept.get("a", 60, lambda: 3) == 3


def test_many_who_look_at_once_cost_one() -> None:
    """The others wait for the answer that is being made."""
    kept, made, go = Kept(), [], threading.Event()

    def make() -> int:
        go.wait(10)
        made.append(1)
        return len(made)

    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(kept.get("a", 60, make))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert (made, found) == ([1], [1] * 5)


def test_nobody_waits_for_long() -> None:
    """What takes its time is said to, and is there for who comes later; begun once."""
    kept, go, begun = Kept(patience=0.05), threading.Event(), []

    def make() -> str:
        begun.append(1)
        go.wait(10)
        return "late"

    for _ in range(3):
        with pytest.raises(TimeoutError):
            kept.get("a", 60, make)
    waiting = kept.begin("a", 60, make)[1]
    go.set()
    assert waiting.result(10) == "late"
    assert kept.get("a", 60, make) == "late"
    assert begun == [1]


def test_time_left_is_by_the_pace_of_late() -> None:
    """Unknown from one look, from standing still, and after a new beginning."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.seconds_left("a", 0, 1000) is None
    now[0] = 1.0
    assert pace.seconds_left("a", 0, 1000) is None
    now[0] = 2.0
    assert pace.seconds_left("a", 200, 1000) == pytest.approx(8.0)
    now[0] = 42.0  # what was more than half a minute ago counts no more
    for done in (400, 500):
        now[0] += 1.0
        left = pace.seconds_left("a", done, 1000)
    assert left == pytest.approx(5.0)
    assert pace.seconds_left("a", 10, 1000) is None
    assert pace.seconds_left("b", 10, 1000) is None
