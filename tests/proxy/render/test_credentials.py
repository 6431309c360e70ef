"""Credentials at data planes that can verify them, and at those that only look for them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strangler_proxy.auth.keys import KeySet, parse_keys
from strangler_proxy.config import Document
from strangler_proxy.render import Target, render
from tests.ports import free_port
from tests.proxy.issuing import Issuer
from tests.proxy.render.documents import document
from tests.proxy.render.echo import upstreams
from tests.proxy.render.planes import Plane, running
from tests.proxy.render.routing import Case, authentication, expected

# Envoy verifies EdDSA by the published keys, HAProxy ES256 by one of them.
VERIFYING = [
    (Target.ENVOY, "EdDSA"),
    pytest.param(Target.HAPROXY, "ES256", marks=pytest.mark.debian),
]
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


class Stage:
    """A data plane with keys, and what the front door would say."""

    def __init__(self, plane: Plane, whole: Document, issuer: Issuer, keys: KeySet) -> None:
        self.plane, self.whole, self.issuer, self.keys = plane, whole, issuer, keys

    def bearer(self, **claims: Any) -> dict[str, str]:
        """A header with a token that is good but for ``claims``."""
        return {"Authorization": f"Bearer {self.issuer.token(now=time.time(), **claims)}"}

    def differences(self, cases: list[Case], host: str = "shop.test") -> dict[str, Any]:
        """Cases in which the plane does not do what the front door decides."""
        wrong = {}
        for case in cases:
            fields = list(case.headers.items())
            outcome = self.plane.ask(case.method, case.target, fields, host=host).outcome
            wanted = expected(self.whole, case, time.time(), self.keys)
            if outcome != wanted:
                wrong[str(case)] = (outcome, wanted)
        return wrong


@contextmanager
def stage(
    target: Target, algorithm: str, folder: Path, opaque: tuple[str, ...] = ("Api-Key",)
) -> Iterator[Stage]:
    """Routes with every demand, below a capability in canary and one that has moved."""
    issuer, port = Issuer(algorithm=algorithm), free_port()
    published = json.dumps({"keys": [issuer.jwk]})
    (folder / "keys.json").write_text(published)
    public = issuer.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "keys.pem").write_bytes(pem)
    with upstreams("shop", "payment") as servers:
        whole = document(
            listen=[{"address": f"127.0.0.1:{port}", "limits": {"connections": 500}}],
            access_log={"path": None},
            authentication=authentication(
                issuer, str(folder / "keys.json"), opaque_headers=list(opaque)
            ),
            upstreams={
                name: {"instances": [{"address": server.address}]}
                for name, server in servers.items()
            },
            capabilities={
                "payment": {"monolith": "shop", "service": "payment", "phase": "canary"}
                | {"percent": 40},
                "cart": {"monolith": "shop", "service": "payment", "phase": "extracted"},
            },
            routes=[
                {"name": "required", "prefix": "/required", "capability": "payment"},
                {"name": "optional", "prefix": "/optional", "capability": "payment"}
                | {"authentication": "optional"},
                {"name": "none", "prefix": "/none", "capability": "payment"}
                | {"authentication": "none"},
                {"name": "scoped", "prefix": "/scoped", "upstream": "shop"}
                | {"scopes": ["payment:read", "orders:write"]},
                {"name": "moved", "prefix": "/moved", "capability": "cart"},
            ],
        )
        with running(target, render(whole, target), port) as plane:
            yield Stage(plane, whole, issuer, parse_keys(published.encode()))


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_credentials_are_judged_as_at_the_front_door(
    target: Target, algorithm: str, tmp_path: Path
) -> None:
    """None, good, expired, forged and opaque ones, below every demand."""
    now = int(time.time())
    with stage(target, algorithm, tmp_path) as at:
        other = Issuer(kid=at.issuer.kid, algorithm=algorithm)
        credentials: list[dict[str, str]] = [
            {},
            at.bearer(),
            at.bearer(exp=now - 60),
            at.bearer(iat=now + 600, nbf=now + 600),
            at.bearer(iss="https://other.example"),
            {"Authorization": f"Bearer {other.token(now=now)}"},
            {"Authorization": "Bearer nonsense"},
            {"Authorization": at.bearer()["Authorization"].replace("Bearer", "bearer")},
            {"Authorization": f"{at.bearer()['Authorization']}, Bearer nonsense"},
            {"Authorization": "Basic YTpi"},
            {"Api-Key": "key_1"},
            at.bearer() | {"Api-Key": "key_1"},
            {"Ficus-Subject": "somebody", "Ficus-Scopes": "*", "Ficus-Staff": "true"},
        ]
        cases = [
            Case(path, headers=headers)
            for path in ("/required", "/scoped", "/moved")
            for headers in credentials
        ]
        cases += [Case("/optional", headers=h) for h in credentials[1:8] if "Api-Key" not in h]
        cases += [Case(path, "OPTIONS", headers=PREFLIGHT) for path in ("/required", "/scoped")]
        cases += [Case("/required", "OPTIONS", headers={"Origin": "https://a.example"})]
        # Who has no identity is placed by address; an opaque credential has none there.
        cases = [case for case in cases if case.headers.get("Api-Key") != "key_1"]
        assert at.differences(cases) == {}
        for path, status in (("/required", 200), ("/optional", 200), ("/scoped", 403)):
            opaque = at.plane.ask("GET", path, [("Api-Key", "key_1")])
            assert opaque.status in {status, 401 if path == "/scoped" else status}


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_scopes_are_all_needed_and_may_be_granted_widely(
    target: Target, algorithm: str, tmp_path: Path
) -> None:
    """By name, for a whole module, or for everything; a part of a word is none."""
    with stage(target, algorithm, tmp_path) as at:
        granted = {
            "payment:read orders:write": 200,
            "orders:write a payment:read": 200,
            "*": 200,
            "payment:* orders:*": 200,
            "payment:read": 403,
            "payment:reader orders:write": 403,
            "xpayment:read orders:write": 403,
            "": 403,
        }
        found = {
            scope: at.plane.ask("GET", "/scoped", list(at.bearer(scope=scope).items())).status
            for scope in granted
        }
    assert found == granted


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_only_staff_choose_the_side(target: Target, algorithm: str, tmp_path: Path) -> None:
    """Ficus-Route counts for staff; a side that may not answer is 409, an unknown one 400."""
    with stage(target, algorithm, tmp_path) as at:
        wishes = ["service", "monolith", "Service", "nowhere"]
        cases = [
            Case(path, headers=at.bearer(kind=kind, sub=f"person-{n}") | {"Ficus-Route": wish})
            for path in ("/required", "/optional", "/moved")
            for kind in ("staff", "customer")
            for wish in wishes
            for n in range(3)
        ]
        cases += [Case("/none", headers={"Ficus-Route": "service"})]
        assert at.differences(cases) == {}
        seen = at.plane.ask("GET", "/required", list(cases[0].headers.items())).seen
    assert "ficus-route" not in seen["headers"]
    assert seen["upstream"] == "payment"


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_the_subject_of_the_token_is_the_sticky_key(
    target: Target, algorithm: str, tmp_path: Path
) -> None:
    """Who is signed in is in the same cohort as at the front door, and the upstream is told."""
    with stage(target, algorithm, tmp_path) as at:
        cases = [Case("/required", headers=at.bearer(sub=f"person-{n}")) for n in range(100)]
        assert at.differences(cases) == {}
        headers = at.bearer(sub="person-1", scope="orders:read") | {"Ficus-Subject": "forged"}
        seen = at.plane.ask("GET", "/required", list(headers.items())).seen["headers"]
    assert seen["ficus-subject"] == "person-1"
    assert seen["ficus-scopes"] == "orders:read"
    assert seen["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_what_authorization_carries_may_be_the_upstreams_own(
    target: Target, algorithm: str, tmp_path: Path
) -> None:
    """With Authorization among the opaque headers a bearer that is no JWT passes, a JWT must be
    good."""
    with stage(target, algorithm, tmp_path, ("Authorization", "Api-Key")) as at:
        expired = at.bearer(exp=int(time.time()) - 60)
        asked = {
            "opaque": {"Authorization": "Bearer key_0123456789"},
            "expired": expired,
            "nothing": {},
        }
        found = {
            name: at.plane.ask("GET", "/required", list(fields.items())).status
            for name, fields in asked.items()
        }
        scoped = at.plane.ask("GET", "/scoped", list(asked["opaque"].items())).status
    assert found == {"opaque": 200, "expired": 401, "nothing": 401}
    assert scoped in (401, 403)


@pytest.mark.parametrize(("target", "algorithm"), VERIFYING)
def test_tokens_of_another_sort_are_refused(target: Target, algorithm: str, tmp_path: Path) -> None:
    """Another audience or another ``typ`` does not pass, with 401 or, as a note says, 403."""
    with stage(target, algorithm, tmp_path) as at:
        twice = at.plane.ask("GET", "/required", [*at.bearer().items(), *at.bearer().items()])
        token = at.issuer.token(now=time.time(), headers={"typ": "id+jwt"})
        media = at.issuer.token(now=time.time(), headers={"typ": "application/AT+JWT"})
        refused = [at.bearer(aud="other"), {"Authorization": f"Bearer {token}"}]
        statuses = {
            at.plane.ask("GET", "/required", list(fields.items())).status for fields in refused
        }
        good = at.plane.ask("GET", "/required", [("Authorization", f"Bearer {media}")]).status
        several = at.plane.ask("GET", "/required", list(at.bearer(aud=["ficus-api"]).items()))
    assert statuses <= {401, 403}
    assert twice.status == 400
    assert (good, several.status) == (200, 200)


@contextmanager
def published(keys: str) -> Iterator[str]:
    """The URL at which ``keys`` are published."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server asks for
            self.send_response(200)
            self.send_header("Content-Length", str(len(keys)))
            self.end_headers()
            self.wfile.write(keys.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        finally:
            server.shutdown()
            thread.join(10)


def test_envoy_fetches_published_keys() -> None:
    """From the URL, before it serves anybody."""
    issuer, port = Issuer(), free_port()
    with (
        published(json.dumps({"keys": [issuer.jwk]})) as url,
        upstreams("shop") as servers,
    ):
        whole = document(
            listen=[{"address": f"127.0.0.1:{port}"}],
            access_log={"path": None},
            authentication=authentication(issuer, "") | {"keys": {"url": url}},
            upstreams={"shop": {"instances": [{"address": servers["shop"].address}]}},
            routes=[{"name": "all", "prefix": "/", "upstream": "shop"}],
        )
        with running(Target.ENVOY, render(whole, Target.ENVOY), port) as plane:
            token = issuer.token(now=time.time())
            good = plane.ask("GET", "/", [("Authorization", f"Bearer {token}")]).status
            forged = Issuer(kid=issuer.kid).token(now=time.time())
            bad = plane.ask("GET", "/", [("Authorization", f"Bearer {forged}")]).status
    assert (good, bad) == (200, 401)


@pytest.mark.debian
@pytest.mark.parametrize("target", [Target.HAPROXY, Target.NGINX])
def test_who_cannot_verify_only_asks_for_credentials_and_says_so(
    target: Target, tmp_path: Path
) -> None:
    """Without credentials 401, with any the request passes - and the rendering says it is lost."""
    with stage(target, "EdDSA", tmp_path) as at:
        found = {
            "nothing": at.plane.ask("GET", "/required").status,
            "opaque": at.plane.ask("GET", "/required", [("Api-Key", "key_1")]).status,
            "opaque, scopes": at.plane.ask("GET", "/scoped", [("Api-Key", "key_1")]).status,
            "basic": at.plane.ask("GET", "/required", [("Authorization", "Basic YTpi")]).status,
            "bearer": at.plane.ask("GET", "/required", [("Authorization", "Bearer x")]).status,
            "optional": at.plane.ask("GET", "/optional").status,
            "preflight": at.plane.ask("OPTIONS", "/required", list(PREFLIGHT.items())).status,
        }
        headers = at.bearer(kind="staff") | {"Ficus-Route": "service", "Ficus-Subject": "x"}
        seen = at.plane.ask("GET", "/required", list(headers.items())).seen["headers"]
        lost = {note.path for note in render(at.whole, target).lost}
    assert found == {
        "nothing": 401,
        "opaque": 200,
        "opaque, scopes": 401,
        "basic": 401,
        "bearer": 200,
        "optional": 200,
        "preflight": 200,
    }
    assert {"$.authentication", "$.routes[3].scopes"} <= lost
    assert not {"ficus-route", "ficus-subject"} & set(seen)
