"""payment moved out of a shop that ``manage.py up`` runs, and retired there, as an operator would.

The shop itself begins and ends the service's processes meanwhile; here are the verbs alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from shop.env import ROOT
from tests import plain
from tests.e2e.conftest import write_goods
from tests.e2e.extracting import BEGUN_WITHIN, REASON
from tests.waiting import eventually

Say = Callable[..., None]
BEFORE = (("backfill",), ("verify",), ("cutover",), ("verify",))


def stock_and_retire(home: Path, env: Mapping[str, str]) -> None:
    """Goods to sell, and payment with its data where the monolith has nothing of it any more."""
    with _strangler(home, env) as say:
        say("create")
        stock(home, env)
        wait_for_own(env)
        for verb in BEFORE:
            say(*verb)
        say("retire", "--after", "0")


def wait_for_own(env: Mapping[str, str]) -> None:
    """Until the shop lists the service with its own database, and the service answers."""
    listed = f"http://127.0.0.1:{env['WEB_PORT']}/registry/instances?module=payment"
    ready = f"http://127.0.0.1:{env['PAYMENT_OWN_PORT']}/readyz"

    def begun() -> bool:
        try:
            found = plain.get(listed, timeout=5).json()["instances"]
            is_ready = plain.get(ready, timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
        return is_ready and any(one["role"] == "own" for one in found)

    eventually(begun, within=BEGUN_WITHIN, what="payment's own instance")


def wait_for_door(env: Mapping[str, str]) -> None:
    """Until the front door knows that instance, too: it asks who is listed from time to time."""
    upstreams = f"http://127.0.0.1:{env['PROXY_ADMIN_PORT']}/-/upstreams"

    def is_known() -> bool:
        known = plain.get(upstreams, timeout=5).json()["upstreams"]
        return bool(known["payment-own"]["members"])

    eventually(is_known, within=BEGUN_WITHIN, what="a front door that knows payment's own instance")


def stock(home: Path, env: Mapping[str, str]) -> None:
    """A dozen products, in stock."""
    goods = home / "goods.csv"
    write_goods(goods)
    command = [sys.executable, "manage.py", "import_catalog", str(goods)]
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=90)


@contextmanager
def _strangler(home: Path, env: Mapping[str, str]) -> Iterator[Say]:
    """Says verbs on payment, each of which must be done."""
    with (home / "controller.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.controller"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def say(verb: str, *more: str) -> None:
        asked = {"verb": verb, "module": "payment", "more": [*REASON, *more]}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, (home / "controller.log").read_text()
        told = json.loads(line)
        assert told["code"] == 0, told

    try:
        yield say
    finally:
        process.communicate(timeout=30)
