"""Shoppers at a front door, as many a second as asked for, until they are sent home."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests import plain
from tests.proxy.front import FrontDoor

PEOPLE = 400  # each keeps to one side


@contextmanager
def shoppers(door: FrontDoor, *, a_second: float = 150.0) -> Iterator[None]:
    """``GET /api/v1/payment``, one after the other on four connections."""
    home, turns = threading.Event(), itertools.count()

    def shop() -> None:
        with plain.client(trust_env=False, timeout=10) as client:
            while not home.wait(4 / a_second):
                who = f"shopper-{next(turns) % PEOPLE}"
                client.get(f"{door.url}/api/v1/payment", headers={"Shopper": who})

    crowd = [threading.Thread(target=shop) for _ in range(4)]
    for one in crowd:
        one.start()
    try:
        yield
    finally:
        home.set()
        for one in crowd:
            one.join()
