"""The pages as the tests use them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.test import Client

from modules.extraction import standings
from modules.extraction.phases import Phase, Standing

HOME = "/admin/extraction/"
PAYMENT = f"{HOME}payment/"
LIVE = f"{PAYMENT}live/"


def of_verb(verb: str, module: str = "payment") -> str:
    """The address of a button."""
    return f"{HOME}{module}/do/{verb}/"


def stands(phase: Phase, **more: Any) -> None:
    """Written down as such; nothing is made."""
    standings.put("payment", Standing(phase=phase, **more), reason="planted")


def token_in(answer: Any) -> str:
    """The token of the form that confirms."""
    found = re.search(r'name="token" value="([^"]+)"', answer.content.decode())
    assert found, text_of(answer.content.decode())
    return unescape(found[1])


def text_of(html: str) -> str:
    """What people read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def part(client: Client, name: str, of: str = LIVE) -> str:
    """The text of one part, as it is now."""
    answer = client.get(of)
    assert answer.status_code == 200
    return text_of(answer.json()["parts"][name])


def press(client: Client, verb: str, *, reason: str = "a test", **more: str) -> Any:
    """Look and confirm; ``more`` are fields, or instead of the token another one."""
    shown = client.get(of_verb(verb))
    form = {"token": token_in(shown), "reason": reason, **more}
    return client.post(of_verb(verb), form)
