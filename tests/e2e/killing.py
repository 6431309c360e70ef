"""Each process of a running shop killed at each step of a swap, while people buy.

The controller stands still at the step, the victim gets SIGKILL, the controller goes on at once,
and the victim is started again, as the supervisor of ``manage.py up`` would.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx

from modules.notification.domain import SENDERS
from tests import plain
from tests.e2e.extracting import Controller
from tests.e2e.running import RunningShop
from tests.waiting import eventually

MODULE = "payment"
# The front door, the monolith, the service on its own database, and who carries the changes.
VICTIMS = (
    *("proxy", "web", "worker", "outside", "relay"),
    *("payment-own-web", "payment-own-worker", "payment-own-outside", "payment-own-relay"),
    "payment-watch",
)
SENDER = "outside"  # of those, the one whose threads send mails
STEPS = {
    "cutover": ("held", "fenced", "drained", "committed", "granted"),
    "rollback": ("held", "fenced", "drained", "committed", "closed"),
}
THERE = {"cutover": "extracted", "rollback": "shadow"}
SETTLED_WITHIN = 60.0  # seconds, on a busy machine; some of them wait for a process to begin
PATIENCE = 90.0  # seconds: what a dead web process was at may be taken over after 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Who is killed, when."""

    verb: str
    step: str
    victim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What came of it. ``code`` is the controller's: 0 done, 3 done and finished by others, 1 not
    done, and said again. ``seconds``: from the kill until the module stood where it should.
    """

    kill: Kill
    code: int
    said: str
    seconds: float


def killed_senders(shop: RunningShop, kills: Iterable[Kill]) -> int:
    """How many threads that may have been sending a mail die by these kills."""
    return SENDERS * sum(kill.victim == SENDER for kill in kills)


def all_kills(victims: Iterable[str] = VICTIMS, places: Iterable[int] = range(5)) -> Iterator[Kill]:
    """There and back for each victim and each place of the two lists of steps."""
    chosen = tuple(places)
    for victim in victims:
        for place in chosen:
            for verb, steps in STEPS.items():
                yield Kill(verb=verb, step=steps[place], victim=victim)


def killed(control: Controller, kill: Kill) -> Killed:
    """Do the swap, kill in it, and see that it comes to its end. Raises AssertionError."""
    shop = control.shop
    eventually(
        lambda: control.passes(kill.verb, MODULE),
        within=SETTLED_WITHIN,
        what=f"guards of {kill.verb} that pass",
    )
    at = time.monotonic()

    def murder() -> None:
        nonlocal at
        shop.kill(kill.victim)
        at = time.monotonic()

    code, said = control.stand_still(kill.verb, MODULE, kill.step, murder)
    shop.start(kill.victim)
    _settle(control, kill.verb)
    seconds = time.monotonic() - at
    # Killed again while it begins, the registry would forget the service, and the guards refuse.
    shop.wait_ready()
    eventually(lambda: _answers(control), within=SETTLED_WITHIN, what="the service's own web")
    return Killed(kill=kill, code=code, said=said, seconds=seconds)


def _settle(control: Controller, verb: str) -> None:
    """Nobody is at it, nothing is held, and it stands where the verb leads: or is said again."""
    until = time.monotonic() + SETTLED_WITHIN
    while not (_rests(control) and control.phase(MODULE) == THERE[verb]):
        assert time.monotonic() < until, f"{verb} does not settle: {control.phase(MODULE)}"
        if _rests(control) and control.passes(verb, MODULE):
            control.do(verb, MODULE)
        time.sleep(0.1)


def _answers(control: Controller) -> bool:
    with suppress(httpx.HTTPError):
        return plain.get(f"{control.own_url(MODULE)}/readyz", timeout=5).status_code == 200
    return False


def _rests(control: Controller) -> bool:
    with suppress(httpx.HTTPError):  # the front door is just beginning
        return control.is_free(MODULE) and not control.is_held(MODULE)
    return False
