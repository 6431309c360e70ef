"""The second phase: queued messages are claimed, sent outside any transaction, and marked.

Several are claimed at once; each is marked as soon as it has gone out, before the next one goes. A
sender that dies leaves the rest of them claimed, and when the lease ends another sends those. So
at most one message per dead sender can go out twice: the one it was at. No more can be had of
SMTP, for nobody can ask a server whether it took a mail. The double has the same Message-ID (or
webhook-id, or Idempotency-Key), by which receivers know it.
A sender that lives, but is refused because the module is being moved, hands its marks on instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random, SystemRandom
from uuid import UUID, uuid4

import structlog

from modules.notification import claims, preferences, refunds
from modules.notification.claims import Claimed, Settled
from modules.notification.composing import Unsendable, compose
from modules.notification.contract import Category, Channel
from modules.notification.contract.types import MessageState
from modules.notification.domain import (
    DOWN_PAUSE,
    MAX_ATTEMPTS,
    PATIENCE,
    is_hopeless,
    pause_after,
)
from modules.notification.providers.transport import Outcome, Outgoing, Transport, Verdict
from modules.platform.contracts import Fenced, Moved

log = structlog.get_logger(__name__)

BATCH = 10  # messages claimed at once: so many wait for the lease's end when a sender dies
BUDGET = 5.0  # seconds of claiming per task; then the worker's other tasks have their turn
BATCH_LIMIT = 60.0  # seconds for one batch; what is left goes back, well inside the lease


HandOn = Callable[[UUID, Sequence[Settled]], None]  # whose claim, and what is to be written


class Sender:
    """Sends what is due, one connection per channel for all of it."""

    def __init__(
        self,
        transports: Mapping[Channel, Transport],
        *,
        clock: Callable[[], datetime],
        random: Random | None = None,
        hand_on: HandOn | None = None,
    ) -> None:
        """``hand_on`` has the marks of what was sent written by whoever has the module next."""
        self._transports, self._clock, self._hand_on = transports, clock, hand_on
        self._random = random or SystemRandom()
        self._down: dict[Channel, Outcome] = {}
        self._batch_ends = 0.0
        self.more = False

    def run(self, *, budget: float = BUDGET) -> int:
        """Send until nothing is due or ``budget`` seconds are over; how many went out.

        ``more`` says afterwards whether there may be more to send.
        """
        sent, end = 0, time.monotonic() + budget
        self.more = True
        try:
            while self.more and time.monotonic() < end:
                claimed = self._claim()
                self.more = len(claimed) == BATCH
                sent += self._send_batch(claimed)
        finally:
            for transport in self._transports.values():
                transport.close()
        return sent

    def _claim(self) -> list[Claimed]:
        self._mine = uuid4()
        self._batch_ends = time.monotonic() + BATCH_LIMIT
        return claims.claim(self._mine, now=self._clock(), limit=BATCH)

    def _send_batch(self, claimed: Sequence[Claimed]) -> int:
        if not claimed:
            return 0
        unwanted = preferences.unwanted([(each.recipient, each.owner) for each in claimed])
        told = refunds.told(claimed)
        sent = 0
        unmarked: list[Settled] = []
        for each in claimed:
            unmarked.append(self._send_one(each, unwanted, told))
            # A commit for each that went out; those that did not can wait for the next of these.
            if unmarked[-1].state is MessageState.SENT:
                self._settle(unmarked)
                sent, unmarked = sent + 1, []
        self._settle(unmarked)
        return sent

    def _send_one(
        self, message: Claimed, unwanted: set[tuple[str, str]], told: Mapping[UUID, int]
    ) -> Settled:
        now = self._clock()
        if time.monotonic() > self._batch_ends:
            return _settled(message, MessageState.RETRYING, now, "", uncounted=1)
        if message.attempts > MAX_ATTEMPTS:
            # Whoever tried before died each time, perhaps of this very message.
            return _settled(message, MessageState.DEAD, now, "given up after too many attempts")
        if refunds.is_told(message, told):
            return _settled(message, MessageState.SUPPRESSED, now, "told by the order's message")
        try:
            outgoing, category, kept = compose(message)
        except Unsendable as error:
            return _settled(message, MessageState.DEAD, now, str(error))
        if _is_unwanted(message, category, unwanted):
            return _settled(message, MessageState.SUPPRESSED, now, "switched off")
        outcome = self._give(Channel(message.channel), outgoing)
        return self._judge(message, outcome, kept)

    def _give(self, channel: Channel, outgoing: Outgoing) -> Outcome:
        if channel in self._down:
            return self._down[channel]
        outcome = self._transports[channel].send(outgoing)
        if outcome.verdict is Verdict.DOWN:
            self._down[channel] = outcome
        return outcome

    def _judge(self, message: Claimed, outcome: Outcome, kept: Outgoing) -> Settled:
        now = self._clock()
        match outcome.verdict:
            case Verdict.SENT:
                return Settled(
                    message=message, state=MessageState.SENT, next_at=now, sent_at=now, kept=kept
                )
            case Verdict.DEAD:
                return _settled(message, MessageState.DEAD, now, outcome.reason)
            case Verdict.LATER:
                if is_hopeless(message.attempts, message.created_at, now):
                    return _settled(message, MessageState.DEAD, now, outcome.reason)
                later = now + pause_after(message.attempts, self._random)
                return _settled(message, MessageState.RETRYING, later, outcome.reason)
            case Verdict.DOWN:
                if now - message.created_at > PATIENCE:
                    return _settled(message, MessageState.DEAD, now, outcome.reason)
                later = now + timedelta(seconds=self._random.uniform(1, DOWN_PAUSE))
                return _settled(message, MessageState.RETRYING, later, outcome.reason, uncounted=1)

    def _settle(self, settled: Sequence[Settled]) -> None:
        if not settled:
            return
        try:
            written = claims.settle(self._mine, settled)
        except (Fenced, Moved) as error:
            if self._hand_on is None:
                raise
            log.info("message.marks_handed_on", messages=len(settled), why=type(error).__name__)
            self._hand_on(self._mine, settled)
            return
        for each in written:
            if each.state is not MessageState.SENT:
                log.warning(
                    "message.not_sent",
                    id=str(each.message.id),
                    template=each.message.template,
                    state=each.state,
                    reason=each.error,
                )


def _settled(
    message: Claimed, state: MessageState, next_at: datetime, reason: str, *, uncounted: int = 0
) -> Settled:
    return Settled(message=message, state=state, next_at=next_at, error=reason, uncounted=uncounted)


def _is_unwanted(message: Claimed, category: str, unwanted: set[tuple[str, str]]) -> bool:
    if message.channel == Channel.WEBHOOK:
        return False  # an endpoint says itself what it listens for
    holders = (preferences.email_holder(message.recipient), message.owner)
    if category == Category.TRANSACTIONAL:  # only staff can block those, by address
        return (holders[0], category) in unwanted
    return any((holder, category) in unwanted for holder in holders)
