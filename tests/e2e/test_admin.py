"""The operators' side in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from shop.running.preparing import ADMIN_EMAIL
from tests.e2e.running import RunningShop
from tests.e2e.shopper import Shopper, expect
from tests.waiting import eventually

pytestmark = pytest.mark.debian
PASSWORD = "a long enough passphrase"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser_page(shop: RunningShop) -> Iterator[Page]:
    """A page of the system's Chromium, logged in as an operator."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("Chromium is missing; install it with: make debian (as root)")
    secret = shop.home / "operator-password"
    secret.write_text(PASSWORD)
    shop.manage("create_admin", "--email", ADMIN_EMAIL, "--password-file", str(secret))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.goto(f"{shop.base}/admin/")
        page.fill("input[name=username]", ADMIN_EMAIL)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector("text=Orders")
        yield page
        browser.close()


def test_order_page_shows_its_timeline(
    shop: RunningShop, shopper: Shopper, browser_page: Page
) -> None:
    """An operator finds the order by its number and reads what happened to it, step by step."""
    order = expect(shopper.buy("E2E-9"), 201)
    eventually(
        lambda: shopper.look(order["id"])["state"] == "captured", what="capture of the order"
    )
    browser_page.goto(f"{shop.base}/admin/orders/order/?q={order['number']}")
    with browser_page.expect_navigation():
        browser_page.click(f"text={order['number']}")
    browser_page.wait_for_load_state()
    text = browser_page.inner_text("body")
    for word in ("reserved", "authorized", "confirmed", "captured", shopper.email):
        assert word.lower() in text.lower(), word
