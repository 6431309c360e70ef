"""In a real browser: a module goes out by buttons alone, and the page tells without a reload."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright

from modules.extraction import targets
from modules.extraction.dashboard.records import Press
from modules.extraction.models import Step
from tests.e2e.test_admin import FLAGS
from tests.extraction.commands import leftovers, pay
from tests.extraction.dashboard.conftest import Started
from tests.extraction.dashboard.pages import HOME, PAYMENT

pytestmark = [
    pytest.mark.debian,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]
WITHIN = 90_000  # ms: a process starts in one second, on a busy machine in thirty
# Where to put pictures of what is tested here: see tests/docs/pictures.py.
PICTURES = os.environ.get("DASHBOARD_PICTURES", "")
PAYMENTS = 120


@pytest.fixture
def page(processes: Started, live_server: Any, mover: Client, monkeypatch: Any) -> Iterator[Page]:
    """A page of the system's Chromium, where ada is signed in."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("Chromium is missing; install it with: make debian (as root)")
    # Playwright's own loop runs in this thread; the tables are asked between its calls.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    session = mover.cookies["sessionid"].value
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1280, "height": 900}
        )
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        opened = context.new_page()
        opened.set_default_timeout(WITHIN)
        expect.set_options(timeout=WITHIN)
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        yield opened
        browser.close()
    assert faults == []


def picture(page: Page, name: str, *, height: int = 900) -> None:
    """Keep what is seen, where pictures are asked for."""
    if PICTURES:
        page.set_viewport_size({"width": 1280, "height": height})
        page.wait_for_timeout(2500)  # a look has come in between
        page.screenshot(path=str(Path(PICTURES) / f"extraction-{name}.png"))
        page.set_viewport_size({"width": 1280, "height": 900})


def press(page: Page, verb: str) -> None:
    """Look, say why, confirm; the module's page is there again."""
    page.click(f"#do-{verb}")
    expect(page.locator("#confirm")).to_be_visible()
    page.fill("textarea[name=reason]", "INC-42: payment on its own")
    if page.locator("input[name=meant]").count():
        page.check("input[name=meant]")
    if verb == "create":
        picture(page, "confirm")
    _leave(page, "#confirm button[type=submit]")


def _leave(page: Page, selector: str) -> None:
    """Click, and mark the page that comes then."""
    with page.expect_navigation():
        page.click(selector)
    page.evaluate("window.stayed = true")


def becomes(page: Page, verb: str, outcome: str) -> None:
    """The page says so, and it is still the same one."""
    expect(page.locator("[data-part=press] h2")).to_have_text(f"{verb} {outcome}")
    assert page.evaluate("window.stayed") is True
    said = page.locator("[data-say]")
    expect(said).to_have_text(f"{verb} of payment: {outcome}")


def test_out_and_back_by_buttons(page: Page, processes: Started) -> None:
    """create, backfill (killed, then done), verify (stopped, then done), pause, resume, cancel."""
    pay(PAYMENTS)
    page.goto(HOME)
    card = page.locator("article", has_text="team-payments")
    with page.expect_navigation():
        card.get_by_role("link", name="create").click()
    page.go_back()
    card.get_by_role("link", name="payment").click()
    press(page, "create")
    becomes(page, "create", "done")
    expect(page.locator("[data-part=standing] h2")).to_contain_text("shadow")
    expect(page.locator("[data-part=guards]")).to_contain_text("Guards of cutover")
    _killed_and_copied(page, processes)
    _stopped_and_verified(page)
    _stands_still_and_goes_on(page)
    _undone(page)
    _on_record()


def _killed_and_copied(page: Page, processes: Started) -> None:
    """What is killed shows as killed, and the next one goes on."""
    with _held():
        press(page, "backfill")
        becomes(page, "backfill", "under way")
        expect(page.locator("[data-part=buttons] a")).to_have_count(0)
        processes[-1].kill()
        becomes(page, "backfill", "killed")
    press(page, "backfill")
    becomes(page, "backfill", "done")
    copied = page.locator("[data-part=copied]")
    expect(copied).to_contain_text(f"tables are copied, {PAYMENTS} rows")


def _stopped_and_verified(page: Page) -> None:
    """Stop interrupts; the same begins anew, and cutover's guards follow."""
    with _held():
        press(page, "verify")
        becomes(page, "verify", "under way")
        picture(page, "working", height=560)
        _leave(page, "text=Stop it")
        becomes(page, "verify", "stopped")
    press(page, "verify")
    becomes(page, "verify", "done")
    expect(page.locator("[data-part=digests]")).to_contain_text("equal")
    expect(page.locator("[data-part=guards] tr", has_text="scrub")).to_contain_text("yes")
    picture(page, "module", height=1270)


def _stands_still_and_goes_on(page: Page) -> None:
    press(page, "pause")
    becomes(page, "pause", "done")
    expect(page.locator("[data-part=standing] h2")).to_contain_text("paused")
    press(page, "resume")
    becomes(page, "resume", "done")
    expect(page.locator("[data-part=standing] h2")).not_to_contain_text("paused")
    page.goto(HOME)
    expect(page.locator("article", has_text="team-payments")).to_contain_text("to service")
    picture(page, "board", height=890)
    page.click("text=team-payments >> xpath=.. >> role=link[name=payment]")


def _undone(page: Page) -> None:
    """Nothing is left in the database."""
    press(page, "cancel")
    becomes(page, "cancel", "done")
    expect(page.locator("[data-part=standing] h2")).to_have_text("monolith")
    assert leftovers() == []
    assert targets.known("payment") is None


def _on_record() -> None:
    """Every press is a step of ada's; the killed one was never ended, and shows."""
    steps = list(Step.objects.order_by("id").values_list("verb", "actor", "outcome"))
    assert [(verb, outcome) for verb, _, outcome in steps] == [
        *(("create", "done"), ("backfill", ""), ("backfill", "done")),
        *(("verify", "stopped"), ("verify", "done")),
        *(("pause", "done"), ("resume", "done"), ("cancel", "done")),
    ]
    assert {actor for _, actor, _ in steps} == {"ada@shop.test"}
    assert Press.objects.filter(outcome="killed").count() == 1


class _held:
    """A table that nobody can read for a while: whoever copies or compares it waits."""

    def __enter__(self) -> None:
        self._connection = psycopg.connect(targets.source_url("payment"))
        self._connection.execute("LOCK TABLE payment.payment_payment IN ACCESS EXCLUSIVE MODE")

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def test_who_is_signed_out_is_told(page: Page, mover: Client) -> None:
    """The page stays, and says that there will be no news."""
    page.goto(PAYMENT)
    expect(page.locator("[data-state]")).to_have_text("Live")
    mover.logout()
    expect(page.locator("[data-state]")).to_contain_text("not signed in any more")


def test_by_keyboard_in_the_dark_on_a_phone(page: Page) -> None:
    """A button is reached and pressed by keys; nothing is wider than a narrow screen."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.goto(PAYMENT)
    for address in (PAYMENT, HOME):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    page.goto(PAYMENT)
    page.evaluate("document.documentElement.classList.add('dark')")
    box = page.locator(".ex-box").first
    assert box.evaluate("one => getComputedStyle(one).backgroundColor") != "rgb(255, 255, 255)"
    page.focus("#do-create")
    page.wait_for_timeout(1500)  # a look has come in between, and the focus stays
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_visible()
