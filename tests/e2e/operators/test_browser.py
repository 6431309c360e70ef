"""In a real browser: nothing tells an operator which host made the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.operators.browser import PASSWORD
from tests.e2e.operators.office import FILES, PAGE, Office
from tests.e2e.test_admin import FLAGS

pytestmark = pytest.mark.debian
MENU = "#nav-sidebar #nav-sidebar-apps a"


@pytest.fixture
def page(office: Office) -> Iterator[Page]:
    """A page of the system's Chromium, signed in at the shop."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("Chromium is missing; install it with: make debian (as root)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1400, "height": 900})
        opened.goto(f"{office.base}/admin/")
        opened.fill("input[name=username]", "boss@office.example")
        opened.fill("input[name=password]", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_selector("text=Orders")
        yield opened
        browser.close()


def test_a_page_looks_the_same_at_either_host(office: Office, page: Page) -> None:
    """Address, heading, menu and its marked entry, links of the account; and a form that was open
    while the module moved is done by the button that was shown.
    """
    number = office.another_payment()  # on the first page, however much others have bought
    row, _ = office.payment(number)
    page.goto(office.base + PAGE)
    before = _seen(page)
    page.check(f"input.action-select[value='{row}']")
    page.select_option("select[name=action]", "refund")
    page.click("button[name=index]")
    page.fill("textarea[name=reason]", "found while moving")
    office.place(100)
    page.click("button:has-text('Refund all that is left')")
    page.wait_for_selector("text=refund of")
    assert FILES in page.content()
    page.wait_for_selector(f"{MENU}[href='/admin/orders/order/']", state="attached")
    assert _seen(page) == before
    assert office.payment(number) == (row, "refunded")


def _seen(page: Page) -> dict[str, object]:
    return {
        "address": page.url,
        "title": page.title(),
        "menu": page.eval_on_selector_all(MENU, "all => all.map(one => one.getAttribute('href'))"),
        "marked": page.eval_on_selector_all(f"{MENU}.active", "all => all.map(one => one.text)"),
        "account": page.eval_on_selector_all(
            "a[href='/admin/password_change/'], form[action='/admin/logout/']", "all => all.length"
        ),
    }
