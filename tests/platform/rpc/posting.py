"""Posts calls as another host does, with tokens that may be wrong."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from typing import Any

from django.http import HttpResponse
from django.test import Client

from modules.platform.contracts import ANONYMOUS
from modules.platform.keys import KeyRing
from modules.platform.rpc.replay import PREFIX
from modules.platform.rpc.tokens import issue
from tests.contracts.hosted import ISSUER
from tests.platform.rpc.desk import ID

URL = "/rpc/desk/notes"
BODY = json.dumps({"ids": [str(ID)]}).encode()


class Caller:
    """Posts as another host does; ``sent`` are the tokens, which no log may have."""

    def __init__(self, api: Client, keys: KeyRing) -> None:
        self._api = api
        self._keys = keys
        self.sent: list[str] = []

    def token(self, **changes: Any) -> str:
        given = {"issuer": ISSUER, "call": "desk.notes", "body": BODY, "actor": ANONYMOUS}
        given = given | {"now": time.time()} | changes
        return issue(self._keys.signing(), **given)

    def post(
        self, body: bytes = BODY, *, url: str = URL, token: str | None = None, **headers: str
    ) -> HttpResponse:
        call = url.removeprefix("/rpc/").replace("/", ".")
        token = self.token(call=call, body=body) if token is None else token
        self.sent.append(token)
        all_headers = {"Authorization": f"Bearer {token}"} | headers
        return self._api.post(url, body, content_type="application/json", headers=all_headers)


def told(answer: HttpResponse) -> tuple[int, str]:
    return answer.status_code, json.loads(answer.content)["reason"]


def key_of(token: str) -> str:
    """Where Redis remembers it."""
    part = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return f"{PREFIX}{claims['iss']}:{claims['jti']}"
