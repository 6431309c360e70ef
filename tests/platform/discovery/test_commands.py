"""``manage.py registry`` and ``manage.py announce``: what they print, and how they end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command

from modules.platform.discovery import registry
from modules.platform.discovery.management.commands.announce import Command as Announce
from modules.platform.discovery.management.commands.registry import Command as Registry
from tests.platform.discovery.places import ROOT
from tests.platform.discovery.serving import FINGERPRINT, RegistryServer, said
from tests.waiting import eventually


def _run(command: type, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(command(stdout=out, stderr=err), *arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_list_shows_everybody_and_pipes_as_json() -> None:
    """State, age and load; --module leaves the others out."""
    assert _run(Registry, "list")[1] == "Nobody has registered.\n"
    registry.register("payment-1", said(capacity=4, version="1.2"), issuer="payment")
    registry.heartbeat("payment-1", issuer="payment", in_flight=3)
    grpc_url = "grpc://10.0.0.7:9101"
    registry.register("n-1", said(module="notification", grpc_url=grpc_url), issuer="notification")

    code, text, _ = _run(Registry, "list")
    assert code == 0
    for shown in ("payment-1", "live", "3/4", "n-1", "?/8", grpc_url):
        assert shown in text

    (one,) = json.loads(_run(Registry, "list", "--module", "payment", "--json")[1])["instances"]
    assert (one["id"], one["state"], one["in_flight"], one["capacity"]) == (
        "payment-1",
        "live",
        3,
        4,
    )
    assert 0 <= one["age"] < 60


@pytest.mark.django_db
def test_drop_and_restore_ask_why_and_show_the_outcome() -> None:
    """Dropped by whom and why is on the instance's page."""
    registry.register("payment-1", said(), issuer="payment")

    code, text, _ = _run(Registry, "drop", "payment-1", "--reason", "answers with errors")
    assert code == 0
    assert "by console: answers with errors" in text
    assert "dropped" in _run(Registry, "show", "payment-1")[1]
    assert registry.live() == ()

    back = json.loads(_run(Registry, "restore", "payment-1", "--reason", "mended", "--json")[1])
    assert back["state"] == "live"


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "  x ", "x" * 501])
def test_drop_without_a_reason_drops_nobody(reason: str) -> None:
    """A usage error, and the instance stays."""
    registry.register("payment-1", said(), issuer="payment")

    code, _, err = _run(Registry, "drop", "payment-1", "--reason", reason)

    assert code == 2
    assert "say why, in 3 to 500 characters" in err
    assert len(registry.live()) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("verb", [["show"], ["drop", "--reason", "because"]])
def test_instance_that_is_not_there(verb: list[str]) -> None:
    """One line, exit code 1."""
    code, _, err = _run(Registry, verb[0], "nobody", *verb[1:])

    assert code == 1
    assert err.strip() == "registry: The registry has no instance nobody."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--url": "127.0.0.1:8101"}, "$.url"),
        ({"--capacity": "1000"}, "$.capacity"),
        ({"--module": "nobody"}, "nobody has no contract here"),
        ({"--registry": ""}, "say --registry, or set REGISTRY_URL"),
    ],
)
def test_announce_says_what_is_wrong(change: dict[str, str], message: str) -> None:
    """Before it announces anything."""
    given = {"--module": "payment", "--url": "http://127.0.0.1:1", "--registry": "http://r"}
    arguments = [part for pair in (given | change).items() for part in pair]

    code, _, err = _run(Announce, *arguments)

    assert code == 2
    assert message in err


@pytest.fixture
def announcing(
    server: RegistryServer, elsewhere: Callable[[int, str], str]
) -> Iterator[subprocess.Popen[str]]:
    """``manage.py announce`` as a process, for a host that says it is ready."""
    url = elsewhere(200, '{"ready": true, "in_flight": 1}')
    command = ["-m", "django", "announce", "--json", "--module", "payment", "--url", url]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.platform.discovery.host_settings"}
    process = subprocess.Popen(
        [sys.executable, *command, "--registry", server.url, "--id", "payment-1"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_announce_deregisters_when_it_is_told_to_stop(
    announcing: subprocess.Popen[str], number: signal.Signals
) -> None:
    """The process registers with this tree's contract; its end takes it off the list."""
    eventually(lambda: announcing.poll() is not None or registry.entries())
    assert registry.entry("payment-1").contract == FINGERPRINT

    announcing.send_signal(number)
    out, err = announcing.communicate(timeout=30)

    assert announcing.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    assert (report["id"], report["stopped_by"]) == ("payment-1", number.name)
    assert registry.entries() == ()
