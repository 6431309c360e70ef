"""The dashboard of extractions in a running shop: through the front door, by real web servers."""

from __future__ import annotations

import re

from tests.e2e.operators.browser import Operator, token_of
from tests.e2e.operators.office import Office
from tests.waiting import eventually

PAGE = "/admin/extraction/payment/"
LIVE = f"{PAGE}live/"


def test_news_pass_the_front_door_once(office: Office) -> None:
    """304 for who has them; 403 for staff of something else."""
    boss = office.signed_in("boss")
    first = boss.see(LIVE)
    assert first.status_code == 200, first.text
    assert boss.hops == [LIVE]
    assert {"standing", "guards", "history"} <= first.json()["parts"].keys()
    eventually(lambda: _has_no_news(boss), what="a look without news")
    assert office.signed_in("viewer").see(LIVE).status_code == 403
    for name in ("live.js", "dashboard.css"):
        assert boss.see(f"/static/extraction/{name}").status_code == 200


def test_button_begins_a_process_of_the_shop(office: Office) -> None:
    """Looked at, confirmed, done by a process that the web server has started, as who pressed."""
    boss = office.signed_in("boss")
    look = boss.see(f"{PAGE}do/doctor/")
    token = re.search(r'name="token" value="([^"]+)"', look.text)
    assert token, look.text
    form = {"csrfmiddlewaretoken": token_of(look), "token": token[1], "reason": "is all well?"}
    page = boss.send(f"{PAGE}do/doctor/", form)
    assert (page.status_code, boss.hops[-1]) == (200, PAGE)
    ended = eventually(lambda: _ended(boss), within=90, what="the end of doctor")
    assert ended == "done"
    assert "boss@office.example" in boss.see(LIVE).json()["parts"]["press"]


def _has_no_news(boss: Operator) -> bool:
    """Whether nothing is sent twice; something may have changed between two looks."""
    tag = boss.see(LIVE).headers["ETag"]
    again = boss.browser.get(LIVE, headers={"If-None-Match": tag})
    return (again.status_code, again.content) == (304, b"")


def _ended(boss: Operator) -> str:
    """How the last press ended; empty while it is at work."""
    found = re.search(r"ex-became-(\w+)", boss.see(LIVE).json()["parts"]["press"])
    return found[1] if found and found[1] != "open" else ""
