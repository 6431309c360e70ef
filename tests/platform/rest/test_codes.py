"""The published list of problem codes."""

from __future__ import annotations

import re

from django.test import Client

from modules.platform.rest.codes import EDGE, FRONT_DOOR, problem_codes
from shop.env import ROOT

# How the front door writes a code: in a refusal, or as the code of a failure.
CODES = (r'efusal\(\s*(\d{3}),\s*"(\w+)"', r'^ +(?:status = (\d{3})\n +)?code = "(\w+)"')


def test_every_error_has_a_status_and_a_meaning() -> None:
    """No module's error falls through to a 500, and each says what it means."""
    codes = problem_codes().data
    assert [c.code for c in codes if c.status == 500 and c.code != "internal_error"] == []
    assert [c.code for c in codes if not c.meaning.endswith(".")] == []


def test_list_is_published(api: Client) -> None:
    """The address that problems name as their type lists their code."""
    listed = {entry["code"]: entry for entry in api.get("/api/v1/problems").json()["data"]}
    problem = api.get("/api/v1/nothing").json()
    assert problem["type"] == f"/api/v1/problems#{problem['code']}"
    assert listed[problem["code"]]["status"] == 404


def codes_of_the_front_door() -> dict[str, int | None]:
    """Read from its sources, because the shop must not import it. None: the status is inherited."""
    found: dict[str, int | None] = {}
    for path in (ROOT / "strangler_proxy").rglob("*.py"):
        if "control" in path.parts:  # the admin listener is not for the public
            continue
        for pattern in CODES:
            for status, code in re.findall(pattern, path.read_text(), re.MULTILINE):
                found[code] = int(status) if status else None
    return found


def test_front_doors_codes_are_listed() -> None:
    """Whatever the front door answers by itself is in the list, with its status; and no more."""
    known = {code: status for code, status, _ in (*EDGE, *FRONT_DOOR)}
    said = codes_of_the_front_door()
    assert len(said) > len(FRONT_DOOR)
    assert {code: said[code] for code in said if code not in known} == {}
    assert [code for code, status, _ in FRONT_DOOR if said[code] not in (None, status)] == []
