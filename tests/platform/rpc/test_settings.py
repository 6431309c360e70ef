"""What a host says about its calls, its keys by command, and a fork of a process that calls."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from modules.platform.binding import use
from modules.platform.rpc import Calls
from modules.platform.rpc import settings as host_settings
from modules.platform.rpc.management.commands.service_keys import Command
from modules.platform.rpc.settings import BadTrust, keys_dir, trust
from tests.contracts.relay import Relay
from tests.platform.rpc.desk import ID, NOTE, Clerk, Desk


@pytest.mark.parametrize(
    "given", [" a=/keys/a , b=https://b.test/rpc/keys", ["a=/keys/a", "b=https://b.test/rpc/keys"]]
)
def test_trust_is_read_from_a_text_or_a_list(settings: Any, given: object) -> None:
    """Issuer to location."""
    settings.SERVICE_TRUST = given
    assert trust() == {"a": "/keys/a", "b": "https://b.test/rpc/keys"}


@pytest.mark.parametrize("given", ["a", "=x", "a=", "a=/x,b"])
def test_trust_that_cannot_be_read_is_named(settings: Any, given: str) -> None:
    """Better no host than one that trusts by mistake."""
    settings.SERVICE_TRUST = given
    with pytest.raises(BadTrust, match="SERVICE_TRUST"):
        trust()


def test_a_host_trusts_nobody_unless_told(settings: Any) -> None:
    """And keeps its keys apart from other hosts' on one machine."""
    del settings.SERVICE_TRUST
    settings.SERVICE_NAME, settings.FICUS_HOME = "shop", Path("/home/of")
    settings.SERVICE_KEYS_DIR = ""
    assert trust() == {}
    assert keys_dir() == Path("/home/of/service_keys/shop")


def test_keys_are_listed_rotated_and_retired(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By ``manage.py service_keys``; the key that signs is not retired."""
    settings.SERVICE_KEYS_DIR = str(tmp_path / "keys")

    def keys(*arguments: str) -> list[dict[str, Any]]:
        call_command(Command(), *arguments, "--json")
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["keys"]
        return found

    (first,) = keys("list")
    rotated = keys("rotate")
    assert [key["signs"] for key in rotated] == [True, False]
    with pytest.raises(SystemExit) as failure:
        keys("retire", rotated[0]["kid"])
    assert failure.value.code == 2
    assert "rotate" in capsys.readouterr().err
    assert [key["kid"] for key in keys("retire", first["kid"])] == [rotated[0]["kid"]]
    assert sorted(path.suffix for path in (tmp_path / "keys").glob("2*")) == [".pem", ".pub"]


def test_a_forked_child_calls_over_connections_of_its_own(
    calls: Calls, clerk: Clerk, relay: Relay
) -> None:
    """Parent and child go on, each with its own; a worker of Celery is such a child."""
    assert use(Desk).notes(ids=(ID,)) == (NOTE,)
    before = calls.transport
    child = os.fork()
    if child == 0:  # never return into pytest
        status = 1
        try:
            fine = use(Desk).notes(ids=(ID,)) == (NOTE,) and calls.transport is not before
            status = 0 if fine else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert calls.transport is before
    assert use(Desk).notes(ids=(ID,)) == (NOTE,)


def test_names_have_defaults() -> None:
    """A host that says nothing can call and is believed by nobody."""
    assert host_settings.service_name()
    assert host_settings.timeout() == 10.0
    assert host_settings.attempts() == 3
    assert host_settings.switched_off() == {}
