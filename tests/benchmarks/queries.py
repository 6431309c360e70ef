"""``python -m tests.benchmarks.queries <shop> <goods>``: what each request costs the databases.

Runs in the environment of the shop it is asked about; prints JSON.
"""

from __future__ import annotations

import json
import random
import sys
from importlib import import_module
from typing import Any

from tests.benchmarks.counting import WsgiClient, counted
from tests.benchmarks.flows import SHOPS

APPLICATIONS = {"ficus": "shop.wsgi", "oscar": "project.wsgi"}
WARM_UPS = 3  # connections, caches and plans are there after so many


class Counter:
    """Sends a flow's requests and keeps the tally of each."""

    def __init__(self, shop: str) -> None:
        self._client = WsgiClient(import_module(APPLICATIONS[shop]).application)
        self.seen: dict[str, dict[str, Any]] = {}

    def send(
        self, step: str, method: str, path: str, body: bytes, headers: str
    ) -> tuple[int, bytes]:
        with counted() as tally:
            answer = self._client.request(method, path, body, headers)
        self.seen[step] = {
            "statements": tally.statements,
            "commits": tally.commits,
            "journal": tally.journal,
        }
        return answer


def main(shop: str, goods: int) -> None:
    """Each flow a few times; the last one counts."""
    counter = Counter(shop)
    asked = SHOPS[shop](goods)
    for seed in range(WARM_UPS):
        asked.browse(counter.send, random.Random(seed))
        asked.order(counter.send, random.Random(seed))
    sys.stdout.write(json.dumps(counter.seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
