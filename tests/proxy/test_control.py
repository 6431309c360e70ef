"""The admin listener: a real listener and a real client, over a fleet kept in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
import uvloop
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from strangler_proxy.config import Admin, Document
from strangler_proxy.control.fleet import (
    Accepted,
    Question,
    RevisionConflict,
    Unknown,
    UpstreamSnapshot,
    WorkerFailed,
    WorkerSnapshot,
    lowered_epochs,
    next_revision,
    registry_of,
)
from strangler_proxy.control.listener import AdminListener, AdminUnavailable
from strangler_proxy.control.masking import has_mask, masked
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.document.loading import dump, load
from strangler_proxy.document.text import SIZE_LIMIT
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.metrics import Metrics
from strangler_proxy.upstreams import Upstreams

TOKEN = "a-token-for-operators"
REGISTRATION_TOKEN = "a-token-for-instances"
AS_OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
AS_INSTANCE = {"Authorization": f"Bearer {REGISTRATION_TOKEN}"}
TABLE = """
version: 1
revision: 7
listen: [{address: "127.0.0.1:8000"}]
upstreams:
  monolith: {instances: [{address: "127.0.0.1:9000"}]}
  orders-service: {registry: {ttl_seconds: 4}}
capabilities:
  orders: {monolith: monolith, service: orders-service, phase: canary, percent: 5, epoch: 3}
  catalog: {monolith: monolith}
routes:
  - {name: orders, prefix: /api/v1/orders, capability: orders}
  - {name: health, prefix: /healthz, exact: true, answer: {status: 200}, methods: [GET]}
  - {name: rest, prefix: /, upstream: monolith, hosts: [shop.example.org]}
"""


class InMemoryFleet:
    """One process without a data path; says no to a canary without a service."""

    def __init__(self, document: Document | None) -> None:
        self.current = document
        self.reasons: tuple[str, ...] = ()
        self.file = TABLE
        self.instances: dict[tuple[str, str], Announcement] = {}
        self.drained: set[tuple[str, str]] = set()
        self.drains = 0
        self.workers: list[WorkerSnapshot] = []
        self.before_apply: Callable[[], None] = lambda: None

    def document(self) -> Document | None:
        return self.current

    def unready(self) -> tuple[str, ...]:
        return self.reasons

    async def apply(self, document: Document, *, expect: int | None) -> int:
        self.before_apply()
        current = self.current.revision if self.current else None
        if expect not in (None, current):
            raise RevisionConflict(expect or 0, current)
        findings = [
            Finding(path=f"$.capabilities.{name}.service", reason="is missing", line=3)
            for name, one in document.capabilities.items()
            if one.phase == "canary" and not one.service
        ]
        if findings:
            raise TableRefused(findings)
        await asyncio.sleep(0)
        self.current = replace(document, revision=next_revision(self.current, document))
        return self.current.revision

    async def reload(self) -> int:
        if self.file == "gone":
            raise FileNotFoundError(2, "No such file or directory", "table.yaml")
        return await self.apply(load(self.file), expect=None)

    async def snapshots(self) -> list[WorkerSnapshot]:
        return self.workers

    async def register(self, upstream: str, instance: str, announcement: Announcement) -> Accepted:
        ttl = registry_of(self.current, upstream).ttl_seconds
        new = (upstream, instance) not in self.instances
        self.instances[upstream, instance] = announcement
        return Accepted(new=new, ttl_seconds=ttl)

    async def deregister(self, upstream: str, instance: str) -> None:
        registry_of(self.current, upstream)
        if self.instances.pop((upstream, instance), None) is None:
            raise Unknown(f"instance {instance} of {upstream}")

    async def drain_instance(self, upstream: str, address: str, *, draining: bool) -> None:
        change = self.drained.add if draining else self.drained.discard
        change((upstream, address))

    async def begin_drain(self) -> None:
        self.drains += 1
        self.reasons = ("draining",)

    async def explain(self, question: Question) -> dict[str, Any]:
        if question.target == "/worker-failed":
            raise WorkerFailed("worker 1 did not answer")
        return {"route": "orders", "asked": question.target, "headers": question.headers}


@asynccontextmanager
async def _serving(admin: Admin, fleet: InMemoryFleet) -> AsyncIterator[httpx.AsyncClient]:
    listener = AdminListener(admin, fleet)
    await listener.start()
    try:
        unix = listener.address.removeprefix("unix:")
        # Plain HTTP: reading the authorities' certificates would take longer than the test.
        transport = httpx.AsyncHTTPTransport(
            verify=False,
            uds=unix if unix != listener.address else None,
        )
        base = "http://proxy" if unix != listener.address else f"http://{listener.address}"
        async with httpx.AsyncClient(base_url=base, transport=transport) as client:
            yield client
    finally:
        await listener.stop()


Scenario = Callable[[httpx.AsyncClient, InMemoryFleet], Awaitable[None]]
Run = Callable[[Scenario], InMemoryFleet]


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """A listener on a free port with both tokens."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "registration").write_text(REGISTRATION_TOKEN)
    return Admin(
        address="127.0.0.1:0",
        token_file=str(tmp_path / "token"),
        registration_token_file=str(tmp_path / "registration"),
    )


@pytest.fixture
def run(admin: Admin) -> Run:
    """Plays a scenario against a listener and returns the fleet behind it."""

    def play(scenario: Scenario) -> InMemoryFleet:
        fleet = InMemoryFleet(load(TABLE))

        async def main() -> None:
            async with _serving(admin, fleet) as client:
                await scenario(client, fleet)

        uvloop.run(main())
        return fleet

    return play


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["detail"]
    return body


# ---------------------------------------------------------------- the listener


def test_it_serves_inside_a_running_loop_and_leaves_signals_alone(admin: Admin) -> None:
    """The process has its own handlers; the listener must not replace them."""

    async def main() -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        async with _serving(admin, InMemoryFleet(load(TABLE))) as client:
            assert (await client.get("/-/live")).json() == {"live": True}
            during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        assert during == before

    asyncio.run(main())


def test_it_serves_on_a_unix_socket_for_its_user_only(tmp_path: Path) -> None:
    """A socket that a dead process left is replaced; the file goes when the listener stops."""
    path = tmp_path / "admin.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    async def main() -> None:
        fleet = InMemoryFleet(load(TABLE))
        async with _serving(Admin(address=f"unix:{path}"), fleet) as client:
            assert path.stat().st_mode & 0o777 == 0o600
            assert (await client.get("/-/ready")).status_code == 200
        assert not path.exists()

    uvloop.run(main())


def test_it_serves_on_ipv6(admin: Admin) -> None:
    """The address is written in brackets."""

    async def main() -> None:
        there = replace(admin, address="[::1]:0")
        async with _serving(there, InMemoryFleet(None)) as client:
            assert str(client.base_url).startswith("http://[::1]:")
            assert (await client.get("/-/live")).status_code == 200

    uvloop.run(main())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_taken_address_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    """The message names the option, the address and the reason."""
    address = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path / 'admin.sock'}"

    async def main() -> None:
        first = AdminListener(Admin(address=address), InMemoryFleet(None))
        await first.start()
        second = AdminListener(Admin(address=first.address), InMemoryFleet(None))
        try:
            with pytest.raises(AdminUnavailable, match=r"admin\.address .*already in use"):
                await second.start()
        finally:
            await second.stop()
            await first.stop()

    asyncio.run(main())


# ---------------------------------------------------------------- reading


def test_ready_says_why_not(run: Run) -> None:
    """A load balancer sees 503 and an operator the reasons."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        assert (await client.get("/-/ready")).json() == {"ready": True, "revision": 7}
        fleet.reasons = ("no listener", "draining")
        problem = _problem(await client.get("/-/ready"), 503, "not_ready")
        assert problem["because"] == ["no listener", "draining"]
        fleet.current, fleet.reasons = None, ()
        _problem(await client.get("/-/ready"), 503, "no_table")
        _problem(await client.get("/-/routes"), 503, "no_table")
        assert (await client.get("/-/live")).status_code == 200

    run(scenario)


def test_metrics_are_prometheus_text(run: Run) -> None:
    """Of all workers together."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        counted = Metrics()
        counted.observe("orders", "monolith", 200, 0.01, 1, 2)
        fleet.workers = [
            WorkerSnapshot(worker=n, pid=n, revision=7, metrics=counted.snapshot())
            for n in range(2)
        ]
        answer = await client.get("/-/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = {one.name: one for one in text_string_to_metric_families(answer.text)}
        assert families["ficus_proxy_requests"].samples[0].value == 2
        assert families["ficus_proxy_ready"].samples[0].value == 1

    run(scenario)


def test_routes_show_where_each_leads_and_capabilities_by_phase(run: Run) -> None:
    """As JSON for programs."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.get("/-/routes")
        shown = answer.json()
        assert answer.headers["etag"] == '"7"'
        assert [route["name"] for route in shown["routes"]] == ["orders", "health", "rest"]
        assert shown["routes"][0]["capability"] == "orders"
        assert shown["routes"][1]["answer"] == 200
        assert shown["routes"][2]["upstream"] == "monolith"
        assert shown["capabilities"]["canary"]["orders"]["percent"] == 5
        assert list(shown["capabilities"]["monolith"]) == ["catalog"]

    run(scenario)


def test_routes_are_shown_to_people_as_a_table(run: Run) -> None:
    """One line a route."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        text = (await client.get("/-/routes?format=text")).text
        assert text == (
            "revision 7\n"
            "\n"
            "ROUTE   METHODS  HOSTS             PATH             LEADS TO\n"
            "orders  any      any               /api/v1/orders*  orders: canary 5% (epoch 3),"
            " monolith -> orders-service\n"
            "health  GET      any               /healthz         answer 200\n"
            "rest    any      shop.example.org  /*               upstream monolith\n"
        )

    run(scenario)


def _upstream(**changes: Any) -> UpstreamSnapshot:
    member = {
        "address": "10.0.0.1:80", "weight": 1, "inflight": 2, "healthy": True,
        "checked": True, "draining": False, "ejected_seconds": 0.0, "breaker": "closed",
        "consecutive_failures": 0, "requests": 5, "failed": 1,
    }  # fmt: skip
    shown = {"inflight": 2, "waiting": 0, "panic": False, "members": [{**member, **changes}]}
    shown["pools"] = {"10.0.0.1:80": {"open": 4, "idle": 3}}
    said = [Announcement(address="10.0.0.1:80", role="own", version="1.4")]
    return UpstreamSnapshot.of(shown, said)


def test_upstreams_show_instances_over_all_workers(run: Run) -> None:
    """Numbers are added up, the worst state is shown; those without an instance are there too."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        fleet.workers = [
            WorkerSnapshot(
                worker=n,
                pid=n,
                revision=7,
                metrics=Metrics().snapshot(),
                upstreams={"orders-service": _upstream(breaker=state)},
            )
            for n, state in enumerate(["closed", "half_open"])
        ]
        shown = (await client.get("/-/upstreams")).json()
        assert shown["workers"] == 2
        assert shown["upstreams"]["monolith"]["members"] == []
        (member,) = shown["upstreams"]["orders-service"]["members"]
        assert member["breaker"] == "half_open"
        assert (member["inflight"], member["idle"], member["open"]) == (4, 6, 8)
        assert (member["role"], member["version"]) == ("own", "1.4")

    run(scenario)


def test_the_upstreams_of_the_data_path_can_be_shown() -> None:
    """What they say of themselves is what the listener understands."""

    async def main() -> dict[str, UpstreamSnapshot]:
        upstreams = Upstreams(clock=time.monotonic, rng=random.Random(1), metrics=Metrics())
        wanted = load(TABLE).upstreams
        upstreams.configure(wanted, upstreams.prepare(wanted))
        shown = {name: UpstreamSnapshot.of(one) for name, one in upstreams.snapshot().items()}
        upstreams.stop()
        return shown

    shown = asyncio.run(main())
    assert [one.address for one in shown["monolith"].members] == ["127.0.0.1:9000"]
    assert shown["orders-service"].members == ()


def test_the_schema_describes_what_the_table_is(run: Run) -> None:
    """An editor that uses it accepts the document in force, and not a misspelt one."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        schema = (await client.get("/-/schema")).json()
        table = (await client.get("/-/table")).json()
        validator = jsonschema.Draft202012Validator(schema)
        validator.validate(table)
        assert list(validator.iter_errors({**table, "rotues": []}))

    run(scenario)


def test_explain_asks_the_fleet_and_sends_nothing(run: Run) -> None:
    """Method and address have defaults."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        question = {"target": "/api/v1/orders?x=1", "headers": {"Ficus-Route": "service"}}
        answer = await client.post("/-/explain", json=question)
        assert answer.json() == {
            "route": "orders",
            "asked": "/api/v1/orders?x=1",
            "headers": {"Ficus-Route": "service"},
        }
        wrong = await client.post("/-/explain", json={"target": "/", "method": "get"})
        assert _problem(wrong, 422, "refused")["findings"][0]["path"] == "$.method"
        failed = await client.post("/-/explain", json={"target": "/worker-failed"})
        _problem(failed, 503, "worker_failed")

    run(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/-/nothing", 404, "not_found"),
        ("POST", "/-/table", 405, "method_not_allowed"),
        ("DELETE", "/-/ready", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    run: Run, method: str, path: str, status: int, code: str
) -> None:
    """Every error has the same shape."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        _problem(await client.request(method, path), status, code)

    run(scenario)


def test_a_bug_is_logged_and_tells_the_caller_nothing(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback leaves the process."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        fleet.workers = [None]  # type: ignore[list-item]
        answer = await client.get("/-/metrics")
        assert "AttributeError" not in answer.text
        _problem(answer, 500, "failed")

    run(scenario)
    assert "AttributeError" in caplog.text


# ---------------------------------------------------------------- who may change something

CHANGES = [
    ("PUT", "/-/table"),
    ("PATCH", "/-/capabilities/orders"),
    ("POST", "/-/reload"),
    ("POST", "/-/drain"),
    ("POST", "/-/upstreams/monolith/instances/127.0.0.1:9000/drain"),
    ("POST", "/-/upstreams/monolith/instances/127.0.0.1:9000/undrain"),
    ("PUT", "/-/upstreams/orders-service/instances/a"),
    ("DELETE", "/-/upstreams/orders-service/instances/a"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nothing_changes_without_the_token(run: Run, method: str, path: str) -> None:
    """No token, a wrong one, one in the wrong scheme: 401 before the body is looked at."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer"},
        ):
            answer = await client.request(method, path, headers=headers, content=b"{")
            _problem(answer, 401, "wrong_token")
            assert answer.headers["www-authenticate"] == "Bearer"

    fleet = run(scenario)
    assert fleet.current == load(TABLE)
    assert not fleet.drains


def test_every_endpoint_that_changes_something_is_among_those_tested() -> None:
    """A new one must not be forgotten above."""
    listener = AdminListener(Admin(), InMemoryFleet(None))
    tested = {method for method, _ in CHANGES}
    there = [
        (method, route.path)
        for route in listener._app.routes
        for method in getattr(route, "methods", ())
        if method in tested and route.path != "/-/explain"
    ]
    assert len(there) == len(CHANGES)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_without_a_token_file_changing_is_not_configured(method: str, path: str) -> None:
    """The answer says which option to set."""

    async def main() -> None:
        admin = Admin(address="127.0.0.1:0")
        async with _serving(admin, InMemoryFleet(load(TABLE))) as client:
            answer = await client.request(method, path, headers=AS_OPERATOR)
            problem = _problem(answer, 403, "changes_not_configured")
            assert "admin.token_file" in problem["detail"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "token_unreadable"), ("", "token_too_short"), ("abc", "token_too_short")],
)
def test_a_token_file_that_protects_nothing_lets_nobody_in(
    tmp_path: Path, content: str | None, code: str
) -> None:
    """An empty file must not mean that the empty token is right."""
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)

    async def main() -> None:
        admin = Admin(address="127.0.0.1:0", token_file=str(path))
        async with _serving(admin, InMemoryFleet(load(TABLE))) as client:
            for given in ("", content or "", TOKEN):
                headers = {"Authorization": f"Bearer {given}".strip()}
                answer = await client.post("/-/drain", headers=headers)
                assert str(path) in _problem(answer, 403, code)["detail"]

    asyncio.run(main())


def test_a_new_token_counts_at_once(run: Run, admin: Admin) -> None:
    """Tokens are exchanged by replacing the file; no restart."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        Path(str(admin.token_file)).write_text("another-token-of-operators")
        _problem(await client.post("/-/drain", headers=AS_OPERATOR), 401, "wrong_token")
        headers = {"Authorization": "bearer another-token-of-operators"}
        assert (await client.post("/-/drain", headers=headers)).status_code == 202

    run(scenario)


@pytest.mark.parametrize(("method", "path"), [one for one in CHANGES if "/a" not in one[1][-2:]])
def test_the_registration_token_only_registers(run: Run, method: str, path: str) -> None:
    """A service that announces itself cannot change the table."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.request(method, path, headers=AS_INSTANCE)
        _problem(answer, 401, "wrong_token")

    run(scenario)


# ---------------------------------------------------------------- the table


def test_the_table_can_be_read_changed_and_sent_back(run: Run) -> None:
    """YAML or JSON; the revision goes up by one and is the ETag."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        read = await client.get("/-/table", headers=AS_OPERATOR)
        assert read.headers["etag"] == '"7"'
        table = read.json()
        table["routes"][2]["prefix"] = "/shop"
        headers = {**AS_OPERATOR, "If-Match": read.headers["etag"]}
        sent = await client.put("/-/table", json=table, headers=headers)
        assert sent.json() == {"revision": 8, "restart_needed_for": []}
        assert sent.headers["etag"] == '"8"'
        text = (await client.get("/-/table?format=yaml")).text
        assert yaml.safe_load(text)["routes"][2]["prefix"] == "/shop"
        again = await client.put("/-/table", content=text, headers=AS_OPERATOR)
        assert again.json()["revision"] == 8  # nothing has changed

    fleet = run(scenario)
    assert fleet.current is not None
    assert fleet.current.routes[2].prefix == "/shop"


def test_a_higher_revision_of_the_document_is_kept(run: Run) -> None:
    """The control plane counts its own revisions."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        text = TABLE.replace("revision: 7", "revision: 40")
        sent = await client.put("/-/table", content=text, headers=AS_OPERATOR)
        assert sent.json()["revision"] == 40

    run(scenario)


def test_options_that_need_a_restart_are_named(run: Run) -> None:
    """They are accepted, but what is in force is not quite what was sent."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        text = TABLE.replace("127.0.0.1:8000", "127.0.0.1:8080") + "workers: 3\n"
        sent = await client.put("/-/table", content=text, headers=AS_OPERATOR)
        assert sent.json()["restart_needed_for"] == ["listen", "workers"]

    run(scenario)


@pytest.mark.parametrize("given", ['"6"', '"8"'])
def test_a_table_that_somebody_changed_meanwhile_is_not_overwritten(run: Run, given: str) -> None:
    """Compare and swap by If-Match."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        headers = {**AS_OPERATOR, "If-Match": given}
        for answer in (
            await client.put("/-/table", content=TABLE, headers=headers),
            await client.patch("/-/capabilities/orders", json={"percent": 9}, headers=headers),
        ):
            assert "7 is in force" in _problem(answer, 412, "revision_conflict")["detail"]

    assert run(scenario).current == load(TABLE)


def test_a_change_between_comparison_and_swap_is_seen(run: Run) -> None:
    """The fleet compares once more; only If-Match makes it an error."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        def somebody_else() -> None:
            assert fleet.current is not None
            fleet.current = replace(fleet.current, revision=fleet.current.revision + 1)
            fleet.before_apply = lambda: None

        fleet.before_apply = somebody_else
        headers = {**AS_OPERATOR, "If-Match": '"7"'}
        patch = "/-/capabilities/orders"
        answer = await client.patch(patch, json={"percent": 9}, headers=headers)
        _problem(answer, 412, "revision_conflict")
        fleet.before_apply = somebody_else
        answer = await client.patch(patch, json={"percent": 9}, headers=AS_OPERATOR)
        assert answer.json()["revision"] == 10

    fleet = run(scenario)
    assert fleet.current is not None
    assert fleet.current.capabilities["orders"].percent == 9


@pytest.mark.parametrize("given", ["7", 'W/"7"', '"7", "8"', '"x"', '""'])
def test_an_if_match_that_is_none_of_ours_is_refused(run: Run, given: str) -> None:
    """Rather than taken for no condition at all."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        headers = {**AS_OPERATOR, "If-Match": given}
        answer = await client.put("/-/table", content=TABLE, headers=headers)
        _problem(answer, 400, "bad_if_match")

    run(scenario)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (TABLE.replace("prefix: /,", "prefix: nowhere,"), "$.routes[2].prefix"),
        (TABLE.replace("catalog: {", "catalog: {phase: canary, percent: 3, "), "service"),
        (TABLE + "rotues: []\n", "rotues"),
        ("version: [", "$"),
        ("", "$"),
    ],
)
def test_a_table_with_faults_is_refused_and_the_old_one_stays(
    run: Run, caplog: pytest.LogCaptureFixture, content: str, path: str
) -> None:
    """The findings say where and why, to the caller and in the log."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.put("/-/table", content=content, headers=AS_OPERATOR)
        findings = _problem(answer, 422, "table_refused")["findings"]
        assert all(set(one) == {"line", "path", "reason"} for one in findings)
        assert any(path in one["path"] for one in findings), findings

    assert run(scenario).current == load(TABLE)
    assert "table from 127.0.0.1:" in caplog.text


def test_a_file_that_the_table_names_and_nobody_can_read_is_named(run: Run) -> None:
    """The document may be right and its certificate missing."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        def missing() -> None:
            raise FileNotFoundError(2, "No such file or directory", "tls.pem")

        fleet.before_apply = missing
        text = TABLE.replace("percent: 5", "percent: 6")
        answer = await client.put("/-/table", content=text, headers=AS_OPERATOR)
        assert "tls.pem" in _problem(answer, 422, "unreadable")["detail"]

    assert run(scenario).current == load(TABLE)


def test_a_table_that_is_no_text_or_too_large_is_refused(run: Run) -> None:
    """Before it is parsed."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.put("/-/table", content=b"\xff\xfe", headers=AS_OPERATOR)
        _problem(answer, 422, "not_utf8")
        answer = await client.put("/-/table", content=b" " * (9 << 20), headers=AS_OPERATOR)
        _problem(answer, 413, "too_large")

    run(scenario)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_table_may_be_as_long_as_a_document_and_no_longer(run: Run, chunked: bool) -> None:
    """One bound for files and for what is sent; beyond it 413 says which, announced or not."""

    async def pieces(text: bytes) -> AsyncIterator[bytes]:
        yield text[:1000]
        yield text[1000:]

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        longest = TABLE.encode().ljust(SIZE_LIMIT, b"\n")
        for text, status in ((longest, 200), (longest + b"\n", 413)):
            content = pieces(text) if chunked else text
            answer = await client.put("/-/table", content=content, headers=AS_OPERATOR)
            assert answer.status_code == status
        problem = _problem(answer, 413, "too_large")
        assert str(SIZE_LIMIT) in problem["detail"]

    run(scenario)


def test_every_change_is_logged_with_revisions_and_source(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Who looks for what happened at three at night finds it."""
    caplog.set_level(logging.INFO, "strangler_proxy.control")

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        await client.patch("/-/capabilities/orders", json={"percent": 9}, headers=AS_OPERATOR)
        await client.post("/-/reload", headers=AS_OPERATOR)

    run(scenario)
    lines = [one.getMessage() for one in caplog.records if "strangler_proxy" in one.name]
    assert lines[0].startswith("capability orders: revision 7 -> 8, by 127.0.0.1:")
    assert lines[1].startswith("reload: revision 8 -> 9, by 127.0.0.1:")
    assert TOKEN not in caplog.text


# ---------------------------------------------------------------- secrets

SECRETS = (
    TABLE.replace(
        "upstream: monolith, hosts",
        "upstream: monolith, request: {headers: {set: {x-api-key: k3y, x-shop: ficus}}}, hosts",
    )
    + "shared_limits: {redis: 'redis://user:pa@ss@cache:6379/0'}\n"
)


def test_secrets_are_shown_to_operators_only(run: Run) -> None:
    """Reads are open, but not for passwords in URLs and values of secret headers."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        fleet.current = load(SECRETS)
        for query in ("", "?format=yaml"):
            shown = (await client.get(f"/-/table{query}")).text
            assert "redis://***@cache:6379/0" in shown
            assert "ficus" in shown
            assert "k3y" not in shown
            assert "ss@cache" not in shown
            shown = (await client.get(f"/-/table{query}", headers=AS_OPERATOR)).text
            assert "redis://user:pa@ss@cache:6379/0" in shown
            assert "k3y" in shown

    run(scenario)


def test_a_masked_table_cannot_be_sent_back(run: Run) -> None:
    """Its secrets would be stars from then on."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        fleet.current = load(SECRETS)
        text = (await client.get("/-/table")).text
        _problem(await client.put("/-/table", content=text, headers=AS_OPERATOR), 422, "masked")
        url, header = json.loads(text), json.loads(text)
        url["routes"][2]["request"] = None
        header["shared_limits"] = None
        for one in (url, header):
            answer = await client.put("/-/table", json=one, headers=AS_OPERATOR)
            _problem(answer, 422, "masked")

    assert run(scenario).current == load(SECRETS)


def test_a_document_without_secrets_is_shown_as_it_is() -> None:
    """Stars in a route's host are no mask."""
    document = load(TABLE.replace("shop.example.org", "'*.example.org'"))
    assert not has_mask(document)
    assert msgspec.convert(masked(document), Document) == document


# ---------------------------------------------------------------- capabilities


def test_a_capability_moves_by_merge_patch(run: Run) -> None:
    """What is not said stays as it is."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        path = "/-/capabilities/orders"
        patch = {"service": "catalog", "phase": "extracted", "epoch": 4, "held": True}
        headers = {**AS_OPERATOR, "If-Match": '"7"'}
        assert (await client.patch(path, json=patch, headers=headers)).json()["revision"] == 8
        headers = {**AS_OPERATOR, "Content-Type": "application/merge-patch+json"}
        content = b'{"held": false}'
        assert (await client.patch(path, content=content, headers=headers)).json()["revision"] == 9
        assert (await client.patch(path, content=content, headers=headers)).json()["revision"] == 9

    fleet = run(scenario)
    assert fleet.current is not None
    orders = fleet.current.capabilities["orders"]
    assert (orders.phase, orders.percent, orders.epoch, orders.held) == ("extracted", 5, 4, False)
    assert orders.service == "catalog"
    assert fleet.current.capabilities["catalog"] == load(TABLE).capabilities["catalog"]


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"percent": 101}, "$.percent"),
        ({"percent": None}, "$.percent"),
        ({"phase": "gone"}, "$.phase"),
        ({"held": "yes"}, "$.held"),
        ({"service": None}, "$.service"),
        ({"monolith": "other"}, "$"),
        ([], "$"),
    ],
)
def test_a_patch_with_faults_says_where(run: Run, patch: Any, path: str) -> None:
    """Only service, phase, percent, epoch and held can be patched, and none can be removed."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.patch("/-/capabilities/orders", json=patch, headers=AS_OPERATOR)
        assert _problem(answer, 422, "refused")["findings"][0]["path"] == path

    assert run(scenario).current == load(TABLE)


def test_a_patch_is_json_of_a_known_capability_that_the_table_allows(run: Run) -> None:
    """415, 404 with the names there are, and 422 by the table's own rules."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        path = "/-/capabilities/orders"
        _problem(await client.patch(path, content=b"{}", headers=AS_OPERATOR), 415, "not_json")
        headers = {**AS_OPERATOR, "Content-Type": "application/json"}
        _problem(await client.patch(path, content=b"{", headers=headers), 422, "refused")
        big = b" " * 70_000
        _problem(await client.patch(path, content=big, headers=headers), 413, "too_large")
        answer = await client.patch("/-/capabilities/odrers", json={}, headers=AS_OPERATOR)
        assert "orders, catalog" in _problem(answer, 404, "unknown")["detail"]
        canary = {"phase": "canary", "percent": 1}
        answer = await client.patch("/-/capabilities/catalog", json=canary, headers=AS_OPERATOR)
        _problem(answer, 422, "table_refused")

    assert run(scenario).current == load(TABLE)


def test_an_epoch_never_goes_down(run: Run) -> None:
    """Neither by a patch nor by a whole table: an old authority would answer again."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.patch(
            "/-/capabilities/orders", json={"epoch": 2}, headers=AS_OPERATOR
        )
        assert "3 is known" in _problem(answer, 409, "epoch_went_down")["detail"].replace(
            "but ", ""
        )
        old = TABLE.replace("epoch: 3", "epoch: 2")
        answer = await client.put("/-/table", content=old, headers=AS_OPERATOR)
        _problem(answer, 409, "epoch_went_down")
        answer = await client.patch(
            "/-/capabilities/orders", json={"epoch": 3}, headers=AS_OPERATOR
        )
        assert answer.status_code == 200

    assert run(scenario).current == load(TABLE)


@given(before=st.integers(0, 50), after=st.integers(0, 50))
def test_only_a_lower_epoch_is_found(before: int, after: int) -> None:
    """And it names the capability; one that is new or gone has none to compare."""
    current = load(TABLE.replace("epoch: 3", f"epoch: {before}"))
    document = load(TABLE.replace("epoch: 3", f"epoch: {after}"))
    found = [finding.path for finding in lowered_epochs(current, document)]
    assert found == (["$.capabilities.orders.epoch"] if after < before else [])
    assert lowered_epochs(None, document) == ()
    assert lowered_epochs(current, replace(document, capabilities={})) == ()


@given(current=st.integers(0, 50), given_revision=st.integers(0, 50))
def test_revisions_only_grow(current: int, given_revision: int) -> None:
    """Whatever the document says of itself."""
    document = load(TABLE)
    in_force = replace(document, revision=current)
    found = next_revision(in_force, replace(document, revision=given_revision))
    assert found > current
    assert found >= given_revision
    assert next_revision(None, replace(document, revision=given_revision)) == given_revision


# ---------------------------------------------------------------- reload, instances, drain


def test_reload_reads_the_file_again(run: Run) -> None:
    """A file with faults or without existence changes nothing."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        fleet.file = TABLE.replace("percent: 5", "percent: 6")
        answer = await client.post("/-/reload", headers=AS_OPERATOR)
        assert answer.json()["revision"] == 8
        fleet.file = "version: 1"
        answer = await client.post("/-/reload", headers=AS_OPERATOR)
        assert _problem(answer, 422, "table_refused")["findings"]
        fleet.file = "gone"
        answer = await client.post("/-/reload", headers=AS_OPERATOR)
        assert "table.yaml" in _problem(answer, 422, "unreadable")["detail"]

    fleet = run(scenario)
    assert fleet.current is not None
    assert fleet.current.capabilities["orders"].percent == 6


@pytest.mark.parametrize("headers", [AS_INSTANCE, AS_OPERATOR])
def test_an_instance_registers_and_goes(
    run: Run, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    """201 the first time, 200 with each heartbeat; only news are logged."""
    caplog.set_level(logging.INFO, "strangler_proxy.control")

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        path = "/-/upstreams/orders-service/instances/pod-1"
        body = {"address": "10.0.0.1:8000", "weight": 2, "role": "own", "version": "1.4"}
        for status in (201, 200, 200):
            answer = await client.put(path, json=body, headers=headers)
            assert (answer.status_code, answer.json()) == (status, {"ttl_seconds": 4.0})
        assert fleet.instances["orders-service", "pod-1"].weight == 2
        assert (await client.delete(path, headers=headers)).status_code == 204
        _problem(await client.delete(path, headers=headers), 404, "unknown")

    assert run(scenario).instances == {}
    assert caplog.text.count("pod-1 is at 10.0.0.1:8000") == 1
    assert caplog.text.count("pod-1 is gone") == 1


def test_a_wrong_registration_says_what_is_wrong(run: Run) -> None:
    """The address, the id, the upstream, or that the upstream has no registry here."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        async def put(upstream: str, instance: str, body: dict[str, Any]) -> httpx.Response:
            path = f"/-/upstreams/{upstream}/instances/{instance}"
            return await client.put(path, json=body, headers=AS_INSTANCE)

        right = {"address": "10.0.0.1:8000"}
        answer = await put("orders-service", "a", {"address": "nowhere"})
        assert _problem(answer, 422, "refused")["findings"][0]["path"] == "$.address"
        _problem(await put("orders-service", "a%20b", right), 422, "bad_instance")
        _problem(await put("nothing", "a", right), 404, "unknown")
        answer = await put("monolith", "a", right)
        assert "registry" in _problem(answer, 409, "not_registrable")["detail"]

    assert run(scenario).instances == {}


@pytest.mark.parametrize("address", ["10.0.0.1:8000", "[::1]:8000", "unix:/run/orders.sock"])
def test_an_instance_is_drained_by_its_address(run: Run, address: str) -> None:
    """Whatever kind of address it has."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        path = f"/-/upstreams/monolith/instances/{address}"
        assert (await client.post(f"{path}/drain", headers=AS_OPERATOR)).status_code == 204
        assert fleet.drained == {("monolith", address)}
        assert (await client.post(f"{path}/undrain", headers=AS_OPERATOR)).status_code == 204
        assert fleet.drained == set()

    run(scenario)


def test_a_drain_begins_and_ready_says_so(run: Run) -> None:
    """The listener itself stays, for probes and metrics."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.post("/-/drain", headers=AS_OPERATOR)
        assert (answer.status_code, answer.json()) == (202, {"draining": True})
        problem = _problem(await client.get("/-/ready"), 503, "not_ready")
        assert problem["because"] == ["draining"]
        assert (await client.get("/-/metrics")).status_code == 200

    assert run(scenario).drains == 1


def test_what_is_sent_back_is_what_dump_writes(run: Run) -> None:
    """The short form of a document is taken as well as the long one."""

    async def scenario(client: httpx.AsyncClient, fleet: InMemoryFleet) -> None:
        answer = await client.put("/-/table", content=dump(load(TABLE)), headers=AS_OPERATOR)
        assert answer.json()["revision"] == 7

    run(scenario)
