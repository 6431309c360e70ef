"""``manage.py placement``: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from modules.platform.placement import table
from modules.platform.placement.installing import placeable_modules
from modules.platform.placement.management.commands.placement import Command
from tests.platform.discovery.places import ROOT
from tests.platform.example import EXAMPLE
from tests.platform.placement.doorway import doorway
from tests.platform.placement.instances import enlist
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def _run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(Command(stdout=out, stderr=err), *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def _json(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = _run(*arguments, "--json")
    return code, json.loads(out)


def _set(percent: str, *more: str, module: str = EXAMPLE) -> tuple[int, str, str]:
    return _run("set", module, "--percent", percent, "--reason", "a test", *more)


@pytest.fixture
def instance(transactional_db: None) -> None:
    enlist()


@pytest.mark.usefixtures("instance")
def test_set_says_what_it_did_and_show_where_things_stand() -> None:
    """For people and as JSON, before or after the verb."""
    code, text, _ = _set("30")
    revision = table.placements()[EXAMPLE].revision
    assert code == 0
    assert text.strip() == f"{EXAMPLE}: 0 -> 30 % service, revision {revision}; 1 instances live"
    assert "stays at 30 % service" in _set("30")[1]

    code, shown = _json("show", EXAMPLE)
    (one,) = shown["modules"]
    assert code == 0
    assert (one["percent"], one["revision"], one["instances"]) == (30, revision, 1)
    assert (one["actor"], one["reason"]) == ("console", "a test")

    text = _run("show")[1]
    for part in (EXAMPLE, "30 %", "shipping", "0 %", "none"):
        assert part in text


@pytest.mark.usefixtures("instance")
def test_dry_run_stands_before_or_after_the_verb() -> None:
    """It says what would be, and changes nothing."""
    for arguments in (("set", "--dry-run"), ("--dry-run", "set")):
        code, text, _ = _run(*arguments, EXAMPLE, "--percent", "9", "--reason", "a test")
        assert code == 0
        assert "would go from 0 to 9 % service" in text
    assert table.placements() == {}


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["set", "bank", "--percent", "5", "--reason", "why"], 2, "There is no module bank here"),
        (["set", "orders", "--percent", "5", "--reason", "why"], 2, "orders stays in this host"),
        (["set", EXAMPLE, "--percent", "101", "--reason", "why"], 2, "from 0 to 100, not 101"),
        (["set", EXAMPLE, "--percent", "5"], 2, "Say why, in 3 to 500 characters."),
        (
            ["set", "shipping", "--percent", "5", "--reason", "why"],
            1,
            "No live instance of shipping",
        ),
        (["set", EXAMPLE, "--percent", "5", "--reason", "why", "--expect", "7"], 1, "not 7"),
        (["show", "bank"], 2, "There is no module bank here"),
        (["show", "orders"], 2, f"may be placed: {', '.join(placeable_modules())}"),
        (["follow"], 2, "set PLACEMENT_FRONT_DOORS"),
    ],
)
def test_what_cannot_be_ends_in_one_line(arguments: list[str], code: int, line: str) -> None:
    """Its exit code says whether the question or the state was wrong; nothing has changed."""
    ended, out, err = _run(*arguments)
    assert (ended, out) == (code, "")
    assert line in err
    assert err.count("\n") == 1
    assert table.placements() == {}


@pytest.mark.usefixtures("instance")
def test_front_door_that_does_otherwise_is_a_difference(tmp_path: Path) -> None:
    """Exit code 3 from both verbs, and what it is."""
    with doorway(tmp_path, module=EXAMPLE) as door:
        assert _set("5")[0] == 0
        assert _run("show")[0] == 0
        assert "canary 5 %" in _run("show", EXAMPLE)[1]

        door.admin("PATCH", f"/-/capabilities/{EXAMPLE}", json={"percent": 90})
        code, text, _ = _run("show", EXAMPLE)
        assert (code, "canary 90 %, differs" in text) == (3, True)
        door.stop()
        code, text, _ = _set("6")
        assert (code, "cannot be asked" in text, "does not follow yet" in text) == (3, True, True)
        code, shown = _json("show", EXAMPLE)
        assert (code, shown["modules"][0]["doors"][0]["follows"]) == (3, False)
        door.start()


@pytest.fixture
def following(tmp_path: Path, instance: None) -> Iterator[tuple[Any, subprocess.Popen[str]]]:
    """``manage.py placement follow`` as a process, and the front door that it tells."""
    with doorway(tmp_path, module=EXAMPLE) as door:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.platform.placement.host_settings",
            "PLACING_HOME": str(tmp_path),
            "PLACING_DOOR": door.admin_url,
            "PLACING_DATABASE": settings.DATABASES["default"]["NAME"],
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "placement", "follow", "--json"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        yield door, process
        process.kill()
        process.communicate()


@pytest.mark.processes
def test_follow_keeps_the_front_door_in_step_until_it_is_told_to_stop(
    following: tuple[Any, subprocess.Popen[str]],
) -> None:
    """Whoever changed the table, and whoever changed the front door."""
    door, process = following

    def percent() -> int:
        assert process.poll() is None, process.communicate()[1]
        found = door.admin("GET", "/-/table").json()
        return int(found["capabilities"][EXAMPLE]["percent"])

    table.swap(EXAMPLE, percent=35, actor="t", reason="behind its back")
    eventually(lambda: percent() == 35)
    door.admin("PATCH", f"/-/capabilities/{EXAMPLE}", json={"percent": 90})
    eventually(lambda: percent() == 35)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out) == {"doors": [door.admin_url], "stopped_by": "SIGTERM"}
