"""The shop and its services as one town: work is moved between them, and counted on each side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from shop.env import ROOT
from tests import plain
from tests.e2e.running import RunningShop
from tests.waiting import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A change of the table: when it was made (time of day), and its revision."""

    module: str
    percent: int
    at: float
    revision: int


class PlacementRefused(Exception):
    """It was not placed; the message is what a person would read."""


class Town:
    """``town.place("payment", 50)``; ``town.all_at_home()``. ``close()`` it."""

    def __init__(self, shop: RunningShop) -> None:
        self.shop = shop
        self.services = shop.services
        self._placer: subprocess.Popen[str] | None = None

    def all_at_home(self) -> None:
        """Have the monolith do everything."""
        for service in self.services:
            self.place(service, 0)

    def close(self) -> None:
        """End what places, if it runs."""
        if self._placer is not None:
            self._placer.communicate(timeout=15)
            self._placer = None

    # ---------------------------------------------------------------- the services

    def wait_for_services(self, within: float = 60.0) -> None:
        """Until each is announced, and its worker takes what the bus gives it."""
        for name in self.services:
            eventually(lambda name=name: self.instances(name), within=within, what=f"{name}'s word")
            eventually(
                lambda name=name: self._placeable(name), within=within, what=f"{name}'s worker"
            )

    def instances(self, module: str) -> list[dict[str, Any]]:
        """The live ones in the registry."""
        url = f"{self.shop.web}/registry/instances?module={module}"
        return list(plain.get(url, timeout=5).json()["instances"])

    def _placeable(self, module: str) -> bool:
        with suppress(PlacementRefused):
            self._asked({"module": module, "percent": 1, "reason": "asking", "dry_run": True})
            return True
        return False

    # ---------------------------------------------------------------- placing

    def place(self, module: str, percent: int, reason: str = "a test") -> Placed:
        """As ``manage.py placement set`` does. Raises PlacementRefused."""
        told = self._asked({"module": module, "percent": percent, "reason": reason})
        assert not told["doors"], f"{told['doors']} do not follow"
        return Placed(module=module, percent=percent, at=told["at"], revision=told["revision"])

    def _asked(self, question: dict[str, Any]) -> dict[str, Any]:
        placer = self._running_placer()
        assert placer.stdin is not None
        assert placer.stdout is not None
        placer.stdin.write(json.dumps(question) + "\n")
        placer.stdin.flush()
        line = placer.stdout.readline()
        assert line, f"the placer ended: {self.shop.said('placer')}"
        told: dict[str, Any] = json.loads(line)
        if told["error"]:
            raise PlacementRefused(told["error"])
        return told

    def _running_placer(self) -> subprocess.Popen[str]:
        if self._placer is None:
            with (self.shop.home / "placer.log").open("ab") as log:
                self._placer = subprocess.Popen(
                    [sys.executable, "-m", "tests.e2e.placer"],
                    cwd=ROOT,
                    env=self.shop.variables(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        return self._placer

    # ---------------------------------------------------------------- counting

    def counted(self, at: str, name: str, /, **labels: str) -> float:
        """Sum of the samples ``name`` there: ``monolith``, ``payment`` or ``notification``.

        A label's value may end with ``*``.
        """
        base = self.shop.web if at == "monolith" else self.shop.service_urls[at]
        return sum(samples(base, name, labels))


def samples(base: str, name: str, labels: dict[str, str]) -> Iterator[float]:
    """The values of a metric of the host at ``base``; a label's value may end with ``*``."""
    return samples_in(metrics_of(base), name, labels)


def metrics_of(base: str) -> str:
    """All that the host at ``base`` has counted: work for it, so once for several questions."""
    return plain.get(f"{base}/metrics", timeout=10).text


def samples_in(text: str, name: str, labels: dict[str, str]) -> Iterator[float]:
    """The values of one metric; a label's value may end with ``*``."""
    # Its lines alone: the parser takes longer for a host's thousands than the host for the text.
    lines = "\n".join(line for line in text.splitlines() if line.startswith(name))
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            if sample.name == name and all(
                _fits(sample.labels.get(key, ""), value) for key, value in labels.items()
            ):
                yield sample.value


def _fits(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted
