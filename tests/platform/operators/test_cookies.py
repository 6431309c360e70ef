"""What hosts keep in one browser: names that never meet, and addresses that come back."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from modules.platform.operators.cookies import (
    SHOP_SESSION,
    asked_cookie,
    pages_of,
    pass_address,
    pass_cookie,
    session_cookie,
)


def test_no_two_cookies_have_one_name() -> None:
    """Of any two hosts, and of the shop."""
    kinds = (session_cookie, pass_cookie, asked_cookie)
    names = [kind(host) for kind in kinds for host in ("payment", "notification")]
    assert len({*names, SHOP_SESSION, "csrftoken", "messages"}) == len(names) + 3


def test_what_was_wanted_arrives_whole() -> None:
    """With its own question, and signs that mean something in an address."""
    wanted = f"{pages_of('payment')}payment/?q=a&b=c d%26#x"
    address = urlsplit(pass_address("payment", wanted))
    assert address.path == "/admin/pass/payment/"
    assert parse_qs(address.query) == {"next": [wanted]}
