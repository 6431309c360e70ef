"""The server's side: what it refuses, with which status, and what it writes into the log."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY

from modules.platform.binding import LocalRoute, routed
from modules.platform.contracts import (
    ANONYMOUS,
    Conflict,
    ContractError,
    DeadlineExceeded,
    Fenced,
    Forbidden,
    Invalid,
    Moved,
    NotFound,
    StaleVersion,
    Unavailable,
)
from modules.platform.keys import KeyRing
from modules.platform.rpc.tokens import LEEWAY, LIFE, issue
from tests.contracts.hosted import ISSUER
from tests.platform.rpc.desk import ID, Clerk, Desk
from tests.platform.rpc.planned import raising
from tests.platform.rpc.posting import BODY, URL, Caller, told


def test_a_good_call_is_answered(caller: Caller, clerk: Clerk, refusals: Any) -> None:
    """200, the value, and no word in the log."""
    answer = caller.post()
    assert (answer.status_code, answer["Ficus-Outcome"]) == (200, "answered")
    assert json.loads(answer.content)[0]["id"] == str(ID)
    assert answer["Content-Length"] == str(len(answer.content))
    assert refusals() == []


def test_the_answer_is_always_of_this_host(caller: Caller, clerk: Clerk) -> None:
    """However calls of the module are routed here: a call must not go round."""
    elsewhere = Clerk(raising(AssertionError("routed on")))
    with routed(Desk, LocalRoute(elsewhere)):
        assert caller.post().status_code == 200
    assert elsewhere.given == []
    assert len(clerk.given) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuer": "stranger"}, "unknown_issuer"),
        ({"call": "orders.notes"}, "wrong_audience"),
        ({"call": "desk.keep"}, "wrong_binding"),
        ({"body": b"{}"}, "wrong_binding"),
        ({"now": time.time() - LIFE - LEEWAY - 60}, "expired"),
    ],
)
def test_a_wrong_token_is_refused_with_one_line(
    caller: Caller,
    clerk: Clerk,
    refusals: Any,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
    reason: str,
) -> None:
    """401; the line has the reason, who says to have signed it, from where; no token, no key."""
    assert told(caller.post(token=caller.token(**changes))) == (401, reason)
    (line,) = refusals()
    assert (line["reason"], line["status"], line["call"]) == (reason, 401, "desk.notes")
    assert (line["issuer"], line["peer"]) == (changes.get("issuer", ISSUER), "127.0.0.1")
    assert all(token not in caplog.text for token in caller.sent)
    assert clerk.given == []


def test_a_stranger_with_a_known_kid_is_refused(
    caller: Caller, clerk: Clerk, refusals: Any, keys: KeyRing, tmp_path: Path
) -> None:
    """The signature decides, not the names; the line says whose key it was said to be."""
    stranger, known = KeyRing(tmp_path / "stranger").signing(), keys.signing()
    wrong = dataclasses.replace(stranger, kid=known.kid)
    said = {"issuer": ISSUER, "call": "desk.notes", "body": BODY, "actor": ANONYMOUS}
    assert told(caller.post(token=issue(wrong, now=time.time(), **said))) == (401, "forged")
    (line,) = refusals()
    assert (line["issuer"], line["kid"], line["peer"]) == (ISSUER, known.kid, "127.0.0.1")
    assert clerk.given == []


def test_strangers_learn_nothing(api: Client, clerk: Clerk, refusals: Any) -> None:
    """Without a token every address, method and body is the same 401."""
    for url in (URL, "/rpc/desk/nothing", "/rpc/nobody/notes"):
        for scheme in ("", "Bearer", "Bearer a.b.c", "Basic YTpi"):
            answer = api.post(
                url, b"{", content_type="application/json", headers={"Authorization": scheme}
            )
            assert answer.status_code == 401
    assert api.get(URL).status_code == 401
    assert len(refusals()) == 13


@pytest.mark.parametrize(
    ("url", "reason"),
    [("/rpc/desk/nothing", "unknown_method"), ("/rpc/nobody/notes", "unknown_module")],
)
def test_what_is_not_answered_here_is_not_found(
    caller: Caller, refusals: Any, url: str, reason: str
) -> None:
    """404 with a sentence."""
    assert told(caller.post(url=url)) == (404, reason)
    assert len(refusals()) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `ids`"),
        (b'{"ids":["x"]}', "Invalid UUID - at `$.ids[0]`"),
        (b'{"ids":[],"limit":"1"}', "Expected `int`, got `str` - at `$.limit`"),
        (b'{"ids":[],"unheard":1}', "unknown field `unheard`"),
        (b'{"ids":["\xff"]}', "Invalid UUID"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
    ],
)
def test_bad_arguments_are_named(
    caller: Caller, clerk: Clerk, refusals: Any, body: bytes, sentence: str
) -> None:
    """400 with the field, nothing called, one line."""
    answer = caller.post(body)
    assert told(answer) == (400, "bad_arguments")
    assert sentence in json.loads(answer.content)["detail"]
    assert clerk.given == []
    assert len(refusals()) == 1


def test_other_requests_than_calls_are_refused(
    caller: Caller, api: Client, settings: Any, refusals: Any
) -> None:
    """Another method, a body that is too large, one that is compressed."""
    token = {"Authorization": f"Bearer {caller.token()}"}
    assert told(api.get(URL, headers=token)) == (405, "not_post")
    assert told(caller.post(**{"Content-Encoding": "gzip"})) == (415, "encoded")
    assert told(caller.post(b"")) == (411, "no_length")
    settings.RPC_MAX_BYTES = 10
    assert told(caller.post()) == (413, "too_large")
    settings.RPC_MAX_BYTES = 10_000
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert told(caller.post()) == (413, "too_large")
    assert len(refusals()) == 5


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid(), 422),
        (NotFound(), 404),
        (Conflict(), 409),
        (StaleVersion(expected=1, actual=2), 412),
        (Forbidden(), 403),
        (Unavailable(), 503),
        (DeadlineExceeded(method="x.y"), 504),
        (Fenced(module="desk", epoch=4), 503),
        (Moved(module="desk", epoch=4), 421),
        (ContractError(), 500),
    ],
)
def test_an_error_has_the_status_of_its_kind(
    caller: Caller, clerk: Clerk, refusals: Any, error: ContractError, status: int
) -> None:
    """And a body from which it is rebuilt. It is an answer, not a refusal."""
    clerk.deeds = [raising(error)]
    answer = caller.post()
    body = json.loads(answer.content)
    assert (answer.status_code, answer["Ficus-Outcome"]) == (status, "raised")
    assert (body["type"], body["code"]) == (type(error).__name__, error.code)
    assert body["retryable"] == error.retryable
    assert refusals() == []


def test_a_call_out_of_time_is_not_begun(caller: Caller, clerk: Clerk) -> None:
    """Nobody waits for it."""
    answer = caller.post(**{"Ficus-Deadline": "0"})
    assert (answer.status_code, json.loads(answer.content)["type"]) == (504, "DeadlineExceeded")
    assert clerk.given == []


@pytest.mark.parametrize("odd", ["", "x", "-1", "1e9", "9" * 20, "\u0663"])
def test_an_odd_deadline_is_none(caller: Caller, clerk: Clerk, odd: str) -> None:
    """It is not taken over."""
    assert caller.post(**{"Ficus-Deadline": odd}).status_code == 200
    assert clerk.contexts[0].deadline is None


def test_ids_that_are_none_are_not_taken_over(caller: Caller, clerk: Clerk) -> None:
    """They would stand in logs and events."""
    headers = {"X-Request-Id": "a b", "traceparent": "00-zz", "Ficus-Causation-Id": "x" * 200}
    caller.post(**headers)
    (context,) = clerk.contexts
    assert (context.request_id, context.traceparent, context.causation_id) == (None, None, None)


def test_calls_are_counted_by_outcome(caller: Caller, clerk: Clerk) -> None:
    """Made-up names are not: they would be without end."""

    def counted(outcome: str, call: str = "desk.notes") -> float:
        labels = {"call": call, "outcome": outcome}
        return REGISTRY.get_sample_value("ficus_rpc_served_total", labels) or 0.0

    before = counted("answered"), counted("raised")
    caller.post()
    clerk.deeds = [raising(Conflict())]
    caller.post()
    caller.post(url="/rpc/desk/made_up")
    assert (counted("answered"), counted("raised")) == (before[0] + 1, before[1] + 1)
    assert counted("refused", "desk.made_up") == 0


def test_keys_are_public(api: Client, clerk: Clerk, settings: Any) -> None:
    """No token is needed, and nothing private is in it."""
    answer = api.get("/rpc/keys")
    (key,) = json.loads(answer.content)["keys"]
    assert answer.status_code == 200
    assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
    assert key["kid"] == KeyRing(Path(settings.SERVICE_KEYS_DIR)).signing().kid
