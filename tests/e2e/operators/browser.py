"""A member of staff with a browser: cookies, forms and redirects as a browser has them."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import httpx

from tests import plain

PASSWORD = "a quiet corner of the warehouse"
LOGIN = "/admin/login/"


class Operator:
    """``browser`` keeps what hosts put into it; ``hops`` are the addresses of the last visit."""

    def __init__(self, base: str, email: str) -> None:
        self.base, self.email = base, email
        self.browser = plain.client(base_url=base, timeout=40, follow_redirects=True)
        self.hops: list[str] = []

    def sign_in(self) -> httpx.Response:
        """At the shop's admin, as anybody there does."""
        return self.fill_in(self.see(LOGIN))

    def fill_in(self, login: httpx.Response) -> httpx.Response:
        """The log-in that is shown, and on to where it leads."""
        form = {"username": self.email, "password": PASSWORD}
        form["next"] = login.url.params.get("next", "/admin/")
        return self.send(LOGIN, form | {"csrfmiddlewaretoken": token_of(login)})

    def sign_out(self, page: httpx.Response) -> httpx.Response:
        """By the button that ``page`` shows."""
        return self.send("/admin/logout/", {"csrfmiddlewaretoken": token_of(page)})

    def see(self, path: str) -> httpx.Response:
        return self._kept(self.browser.get(path))

    def send(self, path: str, form: dict[str, str], origin: str = "") -> httpx.Response:
        """POST a form, as a page of this origin does, or of another one."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": origin or self.base,
        }
        return self._kept(self.browser.post(path, content=urlencode(form), headers=headers))

    def cookies(self) -> dict[str, str]:
        """Names and values of all that the browser has now."""
        return {cookie.name: cookie.value or "" for cookie in self.browser.cookies.jar}

    def put(self, name: str, value: str, path: str = "/") -> None:
        """Have a cookie for the front door."""
        self.browser.cookies.set(name, value, domain="127.0.0.1", path=path)

    def is_asked_to_sign_in(self) -> bool:
        """Whether the last visit ended at the shop's log-in."""
        return self.hops[-1].startswith(LOGIN)

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        self.hops = [str(one.url.raw_path, "ascii") for one in (*answer.history, answer)]
        return answer


def token_of(page: httpx.Response) -> str:
    """The CSRF token of the first form of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found, page.text[:2000]
    return found[1]


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields with a value of the form that a page asks a use case with."""
    form = page.text.partition('<form method="post" class="max-w-2xl">')[2].partition("</form>")[0]
    pairs = re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
    assert pairs, page.text[:2000]
    return {unescape(name): unescape(value) for name, value in pairs}
