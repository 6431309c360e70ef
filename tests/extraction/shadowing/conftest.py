"""What the tests of shadowing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.extraction.shadowing import mirrors
from tests.extraction.commands import done
from tests.extraction.shadowing.sides import Both, begun, both_sides
from tests.standin import SECRET, StandIn


@pytest.fixture(scope="module")
def sides(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A monolith, a service and a real front door, for all tests of a file. The front door asks
    this process's registry from now on, whose pools must not be of a database before the tests'.
    """
    with both_sides(tmp_path_factory.mktemp("shadowing")) as running:
        yield running


@pytest.fixture
def both(
    sides: Both, place: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Both]:
    """The same, as they are when payment has come to phase shadow; what differs is confirmed
    sooner, as nothing here is behind by itself."""
    monkeypatch.setattr(mirrors, "CONFIRM", 0.05)
    with begun(sides, tmp_path) as ready:
        yield ready


@pytest.fixture(scope="module")
def standin_process() -> Iterator[StandIn]:
    """A stand-in for the provider of payments; its ledger tells orders apart."""
    with StandIn.started() as running:
        yield running


@pytest.fixture
def standin(standin_process: StandIn, settings: Any) -> StandIn:
    """The same, as this process's provider."""
    settings.PAYMENT_PROVIDER = "standin"
    settings.STANDIN_URL = standin_process.url
    settings.STANDIN_WEBHOOK_SECRET = SECRET
    return standin_process


@pytest.fixture
def shadowed(place: None, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payment in phase shadow, with all of its commands repeated."""
    monkeypatch.setenv("STANDIN_URL", standin.url)
    monkeypatch.setenv("STANDIN_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("PAYMENT_PROVIDER", "standin")
    done("create")
    done("backfill")
    done("shadow", "--percent", "0", "--commands", "100", "--learn", "0")
