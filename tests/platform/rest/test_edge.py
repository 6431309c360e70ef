"""The edge: parsing, problems, ETags, idempotency; over a small API of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest import authentication
from tests.platform.rest import views

pytestmark = [pytest.mark.urls("tests.platform.rest.views")]
NOTE = f"/api/v1/notes/{views.NOTES.text(views.KNOWN)}"
GUEST = {"Cart-Token": "guest-token"}


@pytest.fixture(autouse=True)
def staff_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential ``staff`` is staff with notes:write; runs start at none."""
    views.runs.clear()
    views.subjects.clear()
    actor = Actor(kind=ActorKind.STAFF, id="s1", scopes=frozenset({"notes:write"}))
    reader = Actor(kind=ActorKind.STAFF, id="s2", scopes=frozenset({"notes:read"}))
    known = {"staff": actor, "reader": reader}
    monkeypatch.setattr(authentication, "_verifiers", [known.get])


def post(api: Client, body: Any, **headers: str) -> Any:
    """POST a note as a guest."""
    return api.post("/api/v1/notes", body, "application/json", headers={**GUEST, **headers})


@pytest.mark.parametrize(
    ("body", "status", "pointer", "code"),
    [
        ('{"text": ""}', 422, "/text", "invalid"),
        ('{"text": 5}', 422, "/text", "invalid"),
        ("{}", 422, "/text", "missing"),
        ('{"text": "a", "more": 1}', 422, "/more", "unknown_field"),
        ('{"text": "a", "tags": ["x", "too long"]}', 422, "/tags/1", "invalid"),
        ('{"text": "a\\u0000"}', 422, "", "bad_character"),
        ("[]", 422, "", "invalid"),
        ("{", 400, None, None),
        (b"\xff\xfe", 400, None, None),
        ("", 400, None, None),
    ],
)
def test_wrong_body_is_a_problem_that_points_at_the_field(
    api: Client, body: Any, status: int, pointer: str | None, code: str | None
) -> None:
    """A malformed body gets a 4xx problem naming field and reason, and nothing runs."""
    response = post(api, body, **{"Idempotency-Key": "k"})
    problem = response.json()
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    if pointer is not None:
        assert (problem["errors"][0]["pointer"], problem["errors"][0]["code"]) == (pointer, code)
    assert problem["request_id"] == response["X-Request-Id"]
    assert views.runs == []


@pytest.mark.parametrize(
    "query", ["stars__gte=6", "stars__gte=x", "limit=0", "limit=101", "nope=1", "stars__gte=%00"]
)
def test_wrong_query_parameter_is_named(api: Client, query: str) -> None:
    """A query parameter out of bounds or unknown is a 422 that names it."""
    response = api.get(f"/api/v1/notes?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"query/{query.partition('=')[0]}"


def test_sparse_fields_keep_only_what_is_asked(api: Client) -> None:
    """``fields`` trims each entry of a list."""
    response = api.get("/api/v1/notes?fields=text&stars__gte=2")
    assert response.json()["data"] == [{"text": "one"}]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/v1/nothing", 404),
        ("get", "/api/v1/notes/note_zzz", 404),
        ("patch", "/api/v1/notes", 405),
    ],
)
def test_no_html_error_page_under_api(api: Client, method: str, path: str, status: int) -> None:
    """What no view answers is a problem too."""
    response = getattr(api, method)(path)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.django_db
def test_a_bug_is_a_500_problem_that_tells_nothing(api: Client) -> None:
    """An unforeseen exception answers 500 without its text, and the key may be used again."""
    first = post(api, {"text": "crash"}, **{"Idempotency-Key": "k1"})
    assert first.status_code == 500
    assert "hunter2" not in first.content.decode()
    assert post(api, {"text": "crash"}, **{"Idempotency-Key": "k1"}).status_code == 500
    assert views.runs == ["crash", "crash"]


def test_other_media_type_is_refused(api: Client) -> None:
    """A body that is not JSON by its own header is a 415."""
    response = api.post("/api/v1/notes", "text=a", "text/plain", headers=GUEST)
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthenticated"),
        ({"Authorization": "Bearer forged"}, 401, "unauthenticated"),
        ({"Authorization": "Basic staff"}, 401, "unauthenticated"),
        ({"Authorization": "Bearer reader"}, 403, "forbidden"),
        ({"Authorization": "Bearer staff"}, 428, "precondition_required"),
        ({"Authorization": "Bearer staff", "If-Match": '"6"'}, 412, "stale_version"),
        ({"Authorization": "Bearer staff", "If-Match": '"x"'}, 412, "stale_version"),
    ],
)
def test_access_then_precondition(
    api: Client, headers: dict[str, str], status: int, code: str
) -> None:
    """Nobody known is 401, lacking scope 403, no If-Match 428, a stale one 412."""
    response = api.delete(NOTE, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_matching_version_may_change_it(api: Client) -> None:
    """With the right ETag, or any by ``*``, the change is made."""
    for tag in ('"7"', "*"):
        headers = {"Authorization": "Bearer staff", "If-Match": tag}
        assert api.delete(NOTE, headers=headers).status_code == 204


def test_known_version_is_not_sent_again(api: Client) -> None:
    """If-None-Match with the version that stands is a 304 without a body."""
    fresh = api.get(NOTE)
    again = api.get(NOTE, headers={"If-None-Match": fresh["ETag"]})
    assert (fresh["ETag"], again.status_code, again.content) == ('"7"', 304, b"")
    assert (fresh["Deprecation"], fresh["Sunset"]) == (
        "@1767225600",
        "Fri, 01 Jan 2027 00:00:00 GMT",
    )


@pytest.mark.django_db
def test_same_key_same_answer_byte_for_byte(api: Client) -> None:
    """The second request with a key replays the first one's answer and does not run."""
    first = post(api, {"text": "a"}, **{"Idempotency-Key": "k"})
    second = post(api, {"text": "a"}, **{"Idempotency-Key": "k"})
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert (second["ETag"], second["Location"]) == (first["ETag"], first["Location"])
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert views.runs == ["a"]


@pytest.mark.django_db
def test_business_errors_are_replayed_too(api: Client) -> None:
    """A 409 is an answer like any other; a 503 is forgotten, so that the client may retry."""
    for _ in range(2):
        assert post(api, {"text": "many"}, **{"Idempotency-Key": "k"}).status_code == 409
        assert post(api, {"text": "busy"}, **{"Idempotency-Key": "b"}).status_code == 503
    assert views.runs == ["many", "busy", "busy"]


@pytest.mark.django_db
def test_conflict_of_the_moment_is_not_kept(api: Client) -> None:
    """A 409 that says to ask again would else be said for two days."""
    for _ in range(2):
        answer = post(api, {"text": "in a moment"}, **{"Idempotency-Key": "k"})
        assert (answer.status_code, answer["Retry-After"]) == (409, "1")
    assert views.runs == ["in a moment", "in a moment"]
    assert len(set(views.subjects)) == 1


@pytest.mark.django_db
def test_what_a_dead_request_was_to_make_is_what_the_next_one_makes(api: Client) -> None:
    """Its key is given to nobody for a minute, then with the same id for the thing to be made."""

    def ask() -> int:
        return int(post(api, {"text": "crash"}, **{"Idempotency-Key": "k"}).status_code)

    assert ask() == 500
    running("0 seconds")
    assert ask() == 409
    running("61 seconds")
    assert ask() == 500
    assert ask() == 500
    assert views.runs == ["crash"] * 3
    assert len(set(views.subjects)) == 1
    assert views.subjects[0] is not None


@pytest.mark.django_db
def test_what_was_not_made_is_made_as_another_thing(api: Client) -> None:
    """A 503 says that nothing was kept, so its id means nothing either; nor do keys share one."""
    for key in ("k", "k", "l"):
        post(api, {"text": "busy"}, **{"Idempotency-Key": key})
    assert len(set(views.subjects)) == 3


@pytest.mark.django_db
def test_claim_of_an_older_version_is_taken_over(api: Client) -> None:
    """It named nothing; who takes over is given an id all the same."""
    post(api, {"text": "crash"}, **{"Idempotency-Key": "k"})
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE idempotency_record SET subject = NULL")
    post(api, {"text": "crash"}, **{"Idempotency-Key": "k"})
    assert None not in views.subjects


@pytest.mark.django_db(transaction=True)
def test_lost_database_is_a_503_and_the_same_key_goes_on(api: Client) -> None:
    """At once, over another session, and with the same id: the request may have been done."""
    for _ in range(2):
        answer = post(api, {"text": "lost"}, **{"Idempotency-Key": "k"})
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert answer.json()["code"] == "database_unavailable"
    assert views.runs == ["lost", "lost"]
    assert len(set(views.subjects)) == 1


@pytest.mark.django_db(transaction=True)
def test_answer_that_could_not_be_kept_is_not_given(api: Client) -> None:
    """The session was lost after the work was done; who repeats the request is answered."""
    statuses = [
        post(api, {"text": "lost at first"}, **{"Idempotency-Key": "k"}).status_code
        for _ in range(3)
    ]
    assert statuses == [503, 201, 201]
    assert views.runs == ["lost at first"] * 2
    assert len(set(views.subjects)) == 1


def running(since: str) -> None:
    """The request with the only key began so long ago, and is at work or dead."""
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE idempotency_record SET started_at = now() - %s::interval", [since])


@pytest.mark.django_db
def test_key_rules(api: Client) -> None:
    """No key is 400, another body 422, another guest's same key a request of its own."""
    assert post(api, {"text": "a"}).status_code == 400
    post(api, {"text": "a"}, **{"Idempotency-Key": "k"})
    assert post(api, {"text": "b"}, **{"Idempotency-Key": "k"}).status_code == 422
    other = post(api, {"text": "b"}, **{"Idempotency-Key": "k", "Cart-Token": "somebody else"})
    assert other.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_one_key_fifty_times_at_once_runs_once() -> None:
    """Of fifty requests with one key one runs; the others replay it or are told to wait."""

    def send(_: int) -> int:
        try:
            return int(post(Client(), {"text": "a"}, **{"Idempotency-Key": "k"}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(send, range(50)))
    assert views.runs == ["a"]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
