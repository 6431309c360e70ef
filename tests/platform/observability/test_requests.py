"""What every host shows of itself: ids, logs, probes, metrics."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from modules.platform.contracts import CallContext, current_context
from modules.platform.observability import probes
from modules.platform.observability.logs import redact
from modules.platform.observability.middleware import RequestMiddleware

DOORS_ID = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"  # trace and span, as it makes them


def test_request_id_is_taken_over_or_made(api: Client) -> None:
    """A well-formed X-Request-Id comes back; anything else is replaced."""
    assert api.get("/livez", headers={"X-Request-Id": "abc-1"})["X-Request-Id"] == "abc-1"
    made = api.get("/livez", headers={"X-Request-Id": "no spaces allowed"})["X-Request-Id"]
    assert len(made) == 32


def test_each_request_is_one_log_event(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, status and duration, once."""
    with caplog.at_level(logging.INFO, logger="ficus.request"):
        api.get("/api/v1/nothing")
    (event,) = [record.msg for record in caplog.records if record.name == "ficus.request"]
    assert isinstance(event, dict)
    assert (event["method"], event["path"], event["status"]) == ("GET", "/api/v1/nothing", 404)


def test_secrets_never_reach_a_log() -> None:
    """Fields whose name says so are blanked."""
    event = redact(None, "info", {"access_token": "x", "card_number": "4242", "sku": "A"})
    assert event == {"access_token": "[redacted]", "card_number": "[redacted]", "sku": "A"}


@pytest.mark.django_db
def test_ready_when_all_databases_answer(api: Client) -> None:
    """/readyz is 200 with everything there and 503 naming what it waits for."""
    assert api.get("/readyz").json() == {"ready": True, "waiting_for": {}}
    probes.add_readiness("moon", lambda: "not up yet")
    try:
        response = api.get("/readyz")
    finally:
        probes._checks.pop("moon")
    assert response.status_code == 503
    assert response.json()["waiting_for"] == {"moon": "not up yet"}


def test_live_without_anything(api: Client) -> None:
    """/livez asks nobody."""
    assert api.get("/livez").status_code == 200


def test_metrics_count_routes_not_paths(api: Client) -> None:
    """A request is counted under its route's pattern, so that ids do not make new series."""
    api.get("/livez")
    text = api.get("/metrics").content.decode()
    assert 'ficus_requests_total{method="GET",route="livez",status="200"}' in text


def test_front_doors_request_id_is_taken_over(api: Client) -> None:
    """So that its log lines and ours join."""
    assert api.get("/livez", headers={"X-Request-Id": DOORS_ID})["X-Request-Id"] == DOORS_ID


def served_with(**headers: str) -> CallContext:
    """The context in which a request with these headers is served."""
    contexts: list[CallContext] = []

    def remember(request: HttpRequest) -> HttpResponse:
        contexts.append(current_context())
        return HttpResponse()

    RequestMiddleware(remember)(RequestFactory().get("/livez", headers=headers))
    return contexts[0]


def test_front_doors_trace_is_taken_over() -> None:
    """The trace goes on with the span of the front door as its parent."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert served_with(traceparent=parent).traceparent == parent


def test_front_doors_deadline_is_taken_over() -> None:
    """A little sooner, so that our own answer is still in time."""
    before = datetime.now(UTC)
    deadline = served_with(**{"Ficus-Deadline": "5000"}).deadline
    assert deadline is not None
    assert timedelta(seconds=4.9) <= deadline - before <= timedelta(seconds=5)


@pytest.mark.parametrize("told", ["", "0", "-5", "soon", "12.5", "1" * 10, "٣"])
def test_deadline_that_says_nothing_is_none(told: str) -> None:
    """Zero is how the front door says that it waits for as long as it takes."""
    assert served_with(**{"Ficus-Deadline": told}).deadline is None


@pytest.mark.urls("tests.platform.rest.views")
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 29, 30),
        ({"Ficus-Deadline": "2000"}, 1.5, 1.9),
        ({"Ficus-Deadline": "60000"}, 29, 30),
        ({"Request-Timeout": "3"}, 2.5, 3),
        ({"Ficus-Deadline": "2000", "Request-Timeout": "3"}, 1.5, 1.9),
    ],
)
def test_operation_has_the_soonest_deadline(
    api: Client, headers: dict[str, str], least: float, most: float
) -> None:
    """Of the operation's own, the client's and the front door's."""
    assert least <= api.get("/api/v1/notes/deadline", headers=headers).json() <= most
