"""Who asks, as the real door finds out and tells: tokens, opaque credentials, forged fields."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.proxy.client import Reply, ask, crowd, patch
from tests.proxy.front import FrontDoor, front_door
from tests.proxy.issuing import AUDIENCE, ISSUER, SUBJECT, Issuer, jwks
from tests.proxy.origin import Got, Origin, ok, origin, talk
from tests.proxy.stage import capability, instances, route, stage
from tests.waiting import eventually

READ = "payment:read"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def keys(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of published keys."""
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_bytes(jwks(issuer))
    return path


def authentication(keys: Path, **more: Any) -> dict[str, Any]:
    """As a document has it."""
    source = {"keys": {"file": str(keys)}, "issuer": ISSUER, "audience": AUDIENCE}
    return {**source, "leeway_seconds": 0, **more}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture(scope="module")
def door(
    keys: Path, upstream: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontDoor]:
    document = {
        "authentication": authentication(keys, opaque_headers=["X-Api-Key"]),
        "rate_limits": {"five": {"requests": 5, "seconds": 86_400}},
        "upstreams": {"up": instances(upstream)},
        "routes": [
            route("required", upstream="up") | {"authentication": "required"},
            route("scoped", upstream="up", scopes=[READ]) | {"authentication": "required"},
            route("optional", upstream="up") | {"authentication": "optional"},
            route("none", upstream="up"),
            route("limited", upstream="up", rate_limits=["five"]) | {"authentication": "optional"},
        ],
    }
    with front_door(tmp_path_factory.mktemp("door"), document) as running:
        yield running


def bearer(issuer: Issuer, **claims: Any) -> dict[str, str]:
    """Good from now on, but for what is changed."""
    return {"Authorization": f"Bearer {issuer.token(now=time.time(), **claims)}"}


def told(got: Got) -> dict[str, str]:
    """What the upstream is told of the caller."""
    return {name: value for name, value in got.headers.items() if name.startswith("ficus-")}


# ---------------------------------------------------------------- tokens


@pytest.fixture
def careful(keys: Path, upstream: Origin, tmp_path: Path) -> Iterator[FrontDoor]:
    """One that looks at five forged tokens of an address in a minute, and believes in addresses."""
    document = {
        "listen": [{"address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.0/8"]}],
        "authentication": authentication(keys, bad_tokens_per_minute=5),
        "upstreams": {"up": instances(upstream)},
        "routes": [route("forged", upstream="up") | {"authentication": "required"}],
    }
    with front_door(tmp_path, document) as running:
        yield running


def test_forged_tokens_are_bounded_by_address(
    careful: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """Over the limit 429 with the time to wait, and nothing reaches the upstream."""
    known, forger = bearer(issuer), Issuer(issuer.kid)
    assert ask(careful.port, "GET", "/forged", headers=known).status == 200
    before = len(upstream.got)
    source = {"X-Forwarded-For": "198.51.100.7"}
    found = [
        ask(careful.port, "GET", "/forged", headers=bearer(forger, jti=str(number)) | source)
        for number in range(8)
    ]
    assert [one.status for one in found] == [401] * 5 + [429] * 3
    assert found[-1].headers["retry-after"] == "1"
    assert len(upstream.got) == before
    new = bearer(issuer, sub="new")
    assert ask(careful.port, "GET", "/forged", headers=new | source).status == 429
    assert ask(careful.port, "GET", "/forged", headers=known | source).status == 200
    assert ask(careful.port, "GET", "/forged", headers=new).status == 200


def test_identity_of_a_token_is_forwarded(
    door: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """Subject, scopes and staff, once each; the token goes along for who wants to see it."""
    headers = bearer(issuer, scope=f"{READ} cart:*", kind="staff")
    assert ask(door.port, "GET", "/scoped", headers=headers).status == 200
    got = upstream.got[-1]
    assert told(got) == {
        "ficus-subject": SUBJECT,
        "ficus-scopes": f"cart:* {READ}",
        "ficus-staff": "true",
        "ficus-deadline": "30000",
    }
    assert got.headers["authorization"] == headers["Authorization"]
    ask(door.port, "GET", "/required", headers=bearer(issuer))
    assert told(upstream.got[-1]) == {"ficus-subject": SUBJECT, "ficus-deadline": "30000"}


def _tampered(issuer: Issuer) -> str:
    head, claims, signature = issuer.token(now=time.time()).split(".")
    return f"Bearer {head}.{claims[:-3]}AAA.{signature}"


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda issuer: "", 401),
        (lambda issuer: "Basic YTpi", 401),
        (lambda issuer: "Bearer", 400),
        (lambda issuer: "Bearer opaque", 401),
        (_tampered, 401),
        (lambda issuer: bearer(issuer, exp=int(time.time()) - 1)["Authorization"], 401),
        (lambda issuer: bearer(issuer, nbf=int(time.time()) + 60)["Authorization"], 401),
        (lambda issuer: bearer(issuer, aud="another")["Authorization"], 401),
        (lambda issuer: bearer(issuer, iss="https://evil.example")["Authorization"], 401),
        (lambda issuer: bearer(Issuer("another"))["Authorization"], 401),
    ],
)
def test_without_a_good_token_nothing_is_sent(
    spoil: Any, status: int, door: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """The answer says what is missing (RFC 6750), the upstream hears nothing."""
    before = len(upstream.got)
    value = spoil(issuer)
    headers = {"Authorization": value} if value else {}
    reply = ask(door.port, "POST", "/required", body=b"x", headers=headers)
    assert reply.status == status
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert len(upstream.got) == before


def test_scope_that_is_missing_is_named(door: FrontDoor, issuer: Issuer) -> None:
    """403, and which one."""
    reply = ask(door.port, "GET", "/scoped", headers=bearer(issuer, scope="payment:write"))
    assert reply.status == 403
    assert f'scope="{READ}"' in reply.headers["www-authenticate"]


def test_optional_credentials_must_be_good_if_they_are_there(
    door: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """None: passes as nobody. Wrong: refused. On an open route nobody looks."""
    assert ask(door.port, "GET", "/optional").status == 200
    assert "ficus-subject" not in told(upstream.got[-1])
    ask(door.port, "GET", "/optional", headers=bearer(issuer))
    assert told(upstream.got[-1])["ficus-subject"] == SUBJECT
    wrong = bearer(issuer, exp=1)
    assert ask(door.port, "GET", "/optional", headers=wrong).status == 401
    assert ask(door.port, "GET", "/none", headers=wrong).status == 200
    assert "ficus-subject" not in told(upstream.got[-1])


def test_two_credentials_are_refused(door: FrontDoor, issuer: Issuer) -> None:
    """The upstream might believe the other one."""
    one = bearer(issuer)["Authorization"]
    sent = f"GET /required HTTP/1.1\r\nHost: a\r\nAuthorization: {one}\r\nAuthorization: {one}\r\n"
    assert talk(door.port, f"{sent}Connection: close\r\n\r\n".encode()).startswith(b"HTTP/1.1 400")


# ---------------------------------------------------------------- forged fields


FORGED = (
    *("Ficus-Subject", "FICUS-SUBJECT", "ficus-subject", "Ficus_Subject", "FICUS_SUBJECT"),
    *("X-Ficus-Subject", "X_Ficus_Subject", "x_ficus-subject", "Ficus-Scopes", "Ficus-Staff"),
    *("Ficus_Staff", "Ficus-Mirror", "Ficus-Route", "Ficus_Route", "Ficus-Deadline"),
    *("Ficus-Epoch", "Ficus-Fenced", "Ficus-Moved", "Ficus_Moved", "Ficus-Anything"),
    *("Forwarded", "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Proto", "X-Real-Ip"),
    *("X_Forwarded_Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X_Real_Ip", "X_Request_Id"),
)


@pytest.mark.parametrize("target", ["/none", "/optional", "/required"])
@pytest.mark.parametrize("name", FORGED)
def test_forged_field_never_arrives(
    name: str, target: str, door: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """However it is spelled, once or twice, alone or named in Connection."""
    token = bearer(issuer)["Authorization"] if target == "/required" else ""
    for more in ("", f"{name}: forged\r\n", f"Connection: keep-alive, {name}\r\n"):
        sent = f"GET {target} HTTP/1.1\r\nHost: a\r\n{name}: forged\r\n{more}X-Last: 1\r\n"
        sent += f"Authorization: {token}\r\n" if token else ""
        before = len(upstream.got)
        # The second request closes, so that the first is seen to leave its connection in order.
        last = f"GET /none HTTP/1.1\r\nHost: a\r\n{name}: forged\r\nConnection: close\r\n\r\n"
        received = talk(door.port, f"{sent}\r\n{last}".encode())
        assert received.count(b"HTTP/1.1 200") == 2, received
        first, second = upstream.got[before:]
        assert b"forged" not in first.raw + second.raw
        assert first.headers["x-last"] == "1"
        assert ("ficus-subject" in first.headers) == (target == "/required")


def test_connection_cannot_take_out_what_we_tell(
    door: FrontDoor, upstream: Origin, issuer: Issuer
) -> None:
    """Naming our fields as options of the connection removes none of them."""
    token = bearer(issuer)["Authorization"]
    sent = (
        "GET /required HTTP/1.1\r\nHost: a\r\nConnection: close, Ficus-Subject, X-Forwarded-For,"
        f" Host, Authorization\r\nAuthorization: {token}\r\n\r\n"
    )
    assert talk(door.port, sent.encode()).startswith(b"HTTP/1.1 200")
    got = upstream.got[-1]
    assert told(got)["ficus-subject"] == SUBJECT
    assert (got.headers["x-forwarded-for"], got.headers["host"]) == ("127.0.0.1", "a")
    assert got.headers["authorization"] == token


def test_internal_fields_of_an_answer_stay_inside(keys: Path, tmp_path: Path) -> None:
    """An upstream tells the client nothing of ours, spelled in any way."""
    more = "Ficus-Subject: x\r\nX-Ficus-Load: 1\r\nficus_epoch: 3\r\nX-Own: 1\r\n"
    with origin(ok(more=more)) as upstream:
        document = {
            "upstreams": {"up": instances(upstream)},
            "routes": [route("all", upstream="up") | {"prefix": "/"}],
        }
        with front_door(tmp_path, document) as door:
            reply = ask(door.port)
    assert [name for name in reply.headers if "ficus" in name] == []
    assert reply.headers["x-own"] == "1"


# ---------------------------------------------------------------- opaque credentials


def test_opaque_credential_is_the_upstreams_to_verify(door: FrontDoor, upstream: Origin) -> None:
    """It passes, and nothing is claimed of it; where scopes count it is not enough."""
    key = {"X-Api-Key": "key-1"}
    assert ask(door.port, "GET", "/required", headers=key).status == 200
    assert upstream.got[-1].headers["x-api-key"] == "key-1"
    assert told(upstream.got[-1]) == {"ficus-deadline": "30000"}
    assert ask(door.port, "GET", "/scoped", headers=key).status == 403


def test_limits_are_counted_by_credential(door: FrontDoor, issuer: Issuer) -> None:
    """Token, opaque credential and address each have their own five."""

    def allowed(headers: dict[str, str]) -> int:
        replies = [ask(door.port, "GET", "/limited", headers=headers) for _ in range(7)]
        assert {reply.status for reply in replies} == {200, 429}
        assert all("ratelimit" in reply.headers for reply in replies)
        assert int(replies[-1].headers["retry-after"]) > 1000
        return sum(reply.status == 200 for reply in replies)

    assert allowed(bearer(issuer)) == 5
    assert allowed({"X-Api-Key": "one"}) == 5
    assert allowed({"X-Api-Key": "two"}) == 5
    assert allowed({}) == 5


# ---------------------------------------------------------------- keys


def test_first_token_of_a_new_key_is_taken(tmp_path: Path) -> None:
    """The key was published after the door had read them: it reads again, and who asks waits."""
    old, new, path = Issuer("old"), Issuer("new"), tmp_path / "jwks.json"
    path.write_bytes(jwks(old))
    with origin() as upstream:
        document = {
            "authentication": authentication(path),
            "upstreams": {"up": instances(upstream)},
            "routes": [route("one", upstream="up") | {"authentication": "required"}],
        }
        with front_door(tmp_path, document) as door:
            assert ask(door.port, "GET", "/one", headers=bearer(old)).status == 200
            time.sleep(3)  # so often it reads at the most
            path.write_bytes(jwks(old, new))
            headers = {**bearer(new), "Content-Type": "text/plain"}
            reply = ask(door.port, "POST", "/one", body=[b"a", b"b"], headers=headers)
            assert reply.status == 200
            assert upstream.got[-1].body == b"ab"
            assert ask(door.port, "GET", "/one", headers=bearer(old)).status == 200


def test_without_keys_nobody_is_let_in_and_told_to_come_again(tmp_path: Path) -> None:
    """503, not 401: it is not the client's fault. When they are there, they are used."""
    issuer, port = Issuer(), free_port()
    source = {"keys": {"url": f"http://127.0.0.1:{port}/jwks"}}
    with origin() as upstream:
        document = {
            "authentication": {**source, "issuer": ISSUER, "audience": AUDIENCE},
            "upstreams": {"up": instances(upstream)},
            "routes": [
                route("one", upstream="up") | {"authentication": "required"},
                route("two", upstream="up"),
            ],
        }
        with front_door(tmp_path, document) as door:
            reply = ask(door.port, "GET", "/one", headers=bearer(issuer))
            assert (reply.status, b"keys_unavailable" in reply.body) == (503, True)
            assert int(reply.headers["retry-after"]) >= 1
            assert ask(door.port, "GET", "/two").status == 200
            with origin(ok(jwks(issuer)), port):
                eventually(
                    lambda: ask(door.port, "GET", "/one", headers=bearer(issuer)).status == 200
                )


def test_token_that_expires_while_its_command_waits_is_good_enough(
    keys: Path, issuer: Issuer, tmp_path: Path
) -> None:
    """It was good when the request came; that the authority moved is not the client's fault."""

    def change(document: dict[str, Any]) -> None:
        document["authentication"] = authentication(keys)
        document["routes"][0]["authentication"] = "required"

    with stage(tmp_path, {"one": capability()}, change=change) as play, crowd() as people:
        play.hold("one")
        headers = bearer(issuer, exp=int(time.time()) + 2)
        waiting = people.ask(play.port, "POST", "/one", headers=headers)
        play.wait_until_held("one", 1)
        eventually(lambda: ask(play.port, "GET", "/one", headers=headers).status == 401)
        patch(play.door, "one", phase="extracted", epoch=9, held=False)
        reply: Reply = waiting.result()
        assert (reply.status, reply.text) == (200, "service")
        assert play.service.got("one")[0].headers["ficus-subject"] == SUBJECT
