"""What the front door is told when a module's authority is moving or has moved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modules.platform.contracts import Actor, Fenced, Moved
from modules.platform.rest import authentication
from tests.platform.rest import views

pytestmark = [pytest.mark.urls("tests.platform.rest.views"), pytest.mark.django_db]


def post(api: Client, text: str, key: str = "k") -> Any:
    """POST a note as a guest."""
    headers = {"Cart-Token": "guest", "Idempotency-Key": key}
    return api.post("/api/v1/notes", {"text": text}, "application/json", headers=headers)


@pytest.mark.parametrize(
    ("text", "status", "code", "header", "epoch"),
    [
        ("fenced", 503, "fenced", "Ficus-Fenced", "7"),
        ("moved", 421, "moved", "Ficus-Moved", "8"),
    ],
)
def test_own_fence_and_move_say_that_it_may_be_sent_again(
    api: Client, text: str, status: int, code: str, header: str, epoch: str
) -> None:
    """Nothing was done here: the epoch is told, and when to come again."""
    response = post(api, text)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (response[header], response["Retry-After"]) == (epoch, "1")


@pytest.mark.parametrize("text", ["payment fenced", "payment moved"])
def test_fence_of_a_module_called_on_the_way_is_an_ordinary_503(api: Client, text: str) -> None:
    """The caller may have done its part already, so the front door must not send it again."""
    response = post(api, text)
    assert response.status_code == 503
    assert {name for name in response.headers if name.startswith("Ficus-")} == set()


@pytest.mark.parametrize("text", ["fenced", "moved"])
def test_key_is_free_again_after_a_fence_or_a_move(api: Client, text: str) -> None:
    """Authority may come back: the same key runs again, and does not replay the refusal."""
    views.runs.clear()
    assert post(api, text, "once").status_code == post(api, text, "once").status_code
    assert views.runs == [text, text]


def test_refusal_before_the_operation_begins(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is raised while the credentials are looked at names the epoch."""

    def verify(credential: str) -> Actor | None:
        raise Moved(module="accounts", epoch=3)

    monkeypatch.setattr(authentication, "_verifiers", [verify])
    response = api.get("/api/v1/notes", headers={"Authorization": "Bearer any"})
    assert (response.status_code, response["Ficus-Moved"]) == (421, "3")


def test_fence_without_an_epoch() -> None:
    """Who refuses may not know it."""
    assert Fenced(module="payment").epoch == 0
