"""A token is good for one call: nothing is done before that is known, strangers leave nothing."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import Client

from modules.platform.contracts import ANONYMOUS
from modules.platform.keys import KeyRing
from modules.platform.rpc.serving import gate
from modules.platform.rpc.tokens import LEEWAY, LIFE, issue
from tests.contracts.hosted import ISSUER
from tests.platform.rpc.desk import Clerk
from tests.platform.rpc.posting import BODY, URL, Caller, key_of, told
from tests.platform.rpc.withholding import Withholding


def test_a_token_is_used_up_by_its_call(caller: Caller, clerk: Clerk, refusals: Any) -> None:
    """The same bytes again are a replay."""
    token = caller.token()
    assert caller.post(token=token).status_code == 200
    assert told(caller.post(token=token)) == (401, "replayed")
    assert len(clerk.given) == 1
    (line,) = refusals()
    assert (line["reason"], line["issuer"], line["peer"]) == ("replayed", ISSUER, "127.0.0.1")


def test_a_token_used_elsewhere_is_refused(caller: Caller, clerk: Clerk, settings: Any) -> None:
    """By another process: Redis alone knows of it, and is asked before anything is called."""
    token = caller.token()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.set(key_of(token), "", ex=30)
    assert told(caller.post(token=token)) == (401, "replayed")
    assert clerk.given == []


def test_nothing_is_called_before_redis_has_answered(
    caller: Caller, clerk: Clerk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes: what is done meanwhile is no more than to make ready."""
    monkeypatch.setattr("modules.platform.rpc.replay.PATIENCE", 60)
    with Withholding(settings.REDIS_URL) as memory, ThreadPoolExecutor(1) as pool:
        settings.SERVICE_REPLAY_URL = memory.url
        gate.cache_clear()
        answer = pool.submit(caller.post)
        assert memory.withholds.wait(30)
        time.sleep(0.05)
        assert (clerk.given, answer.done()) == ([], False)
        memory.let_go.set()
        assert answer.result(30).status_code == 200
    assert len(clerk.given) == 1


@pytest.mark.parametrize(
    ("url", "body", "first"),
    [
        (URL, b'{"ids":[],"unheard":1}', (400, "bad_arguments")),
        ("/rpc/desk/nothing", BODY, (404, "unknown_method")),
        ("/rpc/nobody/notes", BODY, (404, "unknown_module")),
    ],
)
def test_a_refused_call_uses_its_token_up(
    caller: Caller, refusals: Any, url: str, body: bytes, first: tuple[int, str]
) -> None:
    """And that it was used before is said first, whatever else is wrong."""
    token = caller.token(call=url.removeprefix("/rpc/").replace("/", "."), body=body)
    assert told(caller.post(body, url=url, token=token)) == first
    assert told(caller.post(body, url=url, token=token)) == (401, "replayed")
    assert [line["reason"] for line in refusals()] == [first[1], "replayed"]


def test_only_a_token_found_good_is_remembered(
    caller: Caller, api: Client, keys: KeyRing, tmp_path: Path, settings: Any
) -> None:
    """Strangers, and those with a token for something else, leave nothing in Redis."""
    stranger = KeyRing(tmp_path / "stranger").signing()
    said = {"issuer": ISSUER, "call": "desk.notes", "body": BODY, "actor": ANONYMOUS}
    forged = issue(dataclasses.replace(stranger, kid=keys.signing().kid), now=time.time(), **said)
    head, claims, signature = caller.token().split(".")
    tampered = ".".join((head, caller.token(call="desk.keep").split(".")[1], signature))
    wrong = [
        *(forged, tampered, f"{head}.{claims}."),
        *(caller.token(issuer="stranger"), caller.token(body=b"{}")),
        *(caller.token(call="desk.keep"), caller.token(call="orders.notes")),
        *(caller.token(now=time.time() - LIFE - LEEWAY - 60), caller.token(now=time.time() + 60)),
    ]
    for token in wrong:
        assert caller.post(token=token).status_code == 401
    good = [caller.token() for _ in range(3)]
    assert api.get(URL, headers={"Authorization": f"Bearer {good[0]}"}).status_code == 405
    assert caller.post(token=good[1], **{"Content-Encoding": "gzip"}).status_code == 415
    settings.RPC_MAX_BYTES = 10
    assert caller.post(token=good[2]).status_code == 413
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.exists(*map(key_of, wrong + good)) == 0
        settings.RPC_MAX_BYTES = 10_000
        assert caller.post(token=good[0]).status_code == 200
        assert client.exists(*map(key_of, good)) == 1
