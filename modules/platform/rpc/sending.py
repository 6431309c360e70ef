"""One attempt of a call at one instance: its token, its breaker, and what carries it.

The carriers are tried in their order. One that reached nobody, or was cut off, is followed at once
by the next, with the same arguments and a token of its own: an instance may have lost the process
that answers one of them. That is no retry of the call, and takes nothing from its budget; there are
as many tries as carriers, and each way has a breaker of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from modules.platform.binding import Method
from modules.platform.contracts import CallContext
from modules.platform.discovery import Instance
from modules.platform.resilience import CircuitBreaker, CircuitOpen, Deadline
from modules.platform.rpc.calls import Calls
from modules.platform.rpc.carriers import Carrier, Told
from modules.platform.rpc.metrics import CARRIED, OPENED, RESENT
from modules.platform.rpc.tokens import issue
from modules.platform.rpc.transport import NoAnswer
from modules.platform.rpc.wire import Outcome, headers_of

log = structlog.get_logger(__name__)

# Less time than this says nothing about an instance that did not answer within it.
TELLING = 1.0  # seconds


class Sender:
    """Sends the arguments of one call, to any instance and as often as it is told."""

    def __init__(
        self,
        method: Method,
        carriers: Sequence[Carrier],
        calls: Calls,
        context: CallContext,
        deadline: Deadline,
    ) -> None:
        """The last of ``carriers`` reaches every instance."""
        self._name, self._module = method.full_name, method.module
        self._carriers, self._calls = carriers, calls
        self._actor, self._deadline = context.actor, deadline
        self._headers = headers_of(context)
        self._had_time = False

    def told_by(self, one: Instance) -> tuple[Told, Carrier, str]:
        """The answer, by which carrier, from where. Raises NoAnswer; CircuitOpen when every way
        to the instance is left alone.
        """
        failures: list[NoAnswer] = []
        resting: CircuitOpen | None = None
        for carrier, url in self._ways_to(one):
            if failures:
                RESENT.labels(self._name, "rpc.another_way").inc()
                log.debug(
                    "rpc.another_way", call=self._name, by=carrier.name, after=str(failures[-1])
                )
            try:
                return self._exchanged(one, carrier, url), carrier, url
            except CircuitOpen as error:
                resting = error
            except NoAnswer as error:
                failures.append(error)
                if not error.in_time:
                    break
        if resting is not None and not failures:
            raise resting
        raise _together(failures)

    def _ways_to(self, one: Instance) -> list[tuple[Carrier, str]]:
        return [(carrier, url) for carrier in self._carriers if (url := carrier.url_of(one))]

    def is_to_blame(self, error: NoAnswer) -> bool:
        """Whether it says something about the instance that it did not answer."""
        return error.in_time or self._had_time

    def _exchanged(self, one: Instance, carrier: Carrier, url: str) -> Told:
        """Raises NoAnswer, and CircuitOpen when this way is left alone."""
        breaker = self._calls.breaker(one, url)
        ticket = breaker.enter()
        failed: bool | None = None  # None: it says nothing about the instance
        try:
            told = self._sent(carrier, url)
            failed = tells_of_failure(told)
            return told
        except NoAnswer as error:
            failed = True if self.is_to_blame(error) else None
            raise
        finally:
            _settle(breaker, ticket, failed, one, url)

    def _sent(self, carrier: Carrier, url: str) -> Told:
        """Raises NoAnswer, CallMisunderstood."""
        calls, left = self._calls, self._deadline.remaining()
        if left <= 0:
            raise NoAnswer("no time is left", sent=False, in_time=False)
        self._had_time = left >= TELLING
        body = carrier.body()
        token = issue(
            calls.keys.signing(),
            issuer=calls.issuer,
            call=self._name,
            body=body,
            actor=self._actor,
            now=calls.clock(),
        )
        if len(self._carriers) > 1:
            CARRIED.labels(self._module, carrier.name).inc()
        headers = [*self._headers, (b"Authorization", b"Bearer " + token.encode())]
        return carrier.exchange(url, headers, body, self._deadline)


def _together(failures: list[NoAnswer]) -> NoAnswer:
    """One for all the ways to an instance; it may have arrived by any of them."""
    *before, last = failures
    if not before:
        return last
    reason = "; ".join(map(str, failures))
    return NoAnswer(reason, sent=any(one.sent for one in failures), in_time=last.in_time)


def tells_of_failure(told: Told) -> bool:
    """Whether such an answer counts against the instance: a gateway's, or an unforeseen error."""
    return told.outcome in ("", Outcome.FAILED)


def _settle(
    breaker: CircuitBreaker, ticket: int, failed: bool | None, one: Instance, url: str
) -> None:
    if failed is None:
        breaker.forget(ticket)
        return
    closed = breaker.opened_at is None
    breaker.leave(ticket, failed=failed)
    if closed and breaker.opened_at is not None:
        OPENED.labels(one.module).inc()
        log.warning("rpc.instance_left_alone", module=one.module, instance=one.id, url=url)
