"""One call of another host, from its arguments to its value or error.

What is repeated: an attempt that reached nobody, was cut off, or was answered 502, 503 or 504 by
something in between (commands carry an idempotency key and queries change nothing, so each may be
sent again); and retryable errors, but of a command only those that no module has made its own: what
a module says of its command ("the provider was not asked") must reach the caller, and would be
blurred if the answer to the next attempt were lost. Waits have full jitter, and retries are bounded
by attempts, the deadline and a budget. ``Fenced`` and ``Moved`` of the called module are no
failures: nothing was done there, and the same command is sent again until the deadline.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from modules.platform.contracts import (
    CallContext,
    ContractError,
    DeadlineExceeded,
    Fenced,
    Moved,
    Unavailable,
    current_context,
)
from modules.platform.contracts.codec import CodecError, decode
from modules.platform.discovery import Instance
from modules.platform.resilience import (
    BulkheadFull,
    CircuitBreaker,
    CircuitOpen,
    Deadline,
    RetryPolicy,
    SwitchedOff,
    retry,
)
from modules.platform.rpc.calls import Calls
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.errors import (
    CallMisunderstood,
    CallRefused,
    ErrorNotUnderstood,
    MethodSwitchedOff,
    ModuleFailed,
    ModuleOverloaded,
    ModuleResting,
    ModuleUnreachable,
)
from modules.platform.rpc.metrics import OPENED, RESENT
from modules.platform.rpc.tokens import issue
from modules.platform.rpc.transport import Answer, NoAnswer
from modules.platform.rpc.wire import (
    DEADLINE,
    OUTCOME,
    Outcome,
    Raised,
    Refused,
    Wire,
    headers_of,
    rebuilt,
)

log = structlog.get_logger(__name__)

# A fence stands for 10 to 100 ms: ask early, then less and less often.
FENCE = RetryPolicy(attempts=1, base=0.02, longest=0.25)
# Less time than this says nothing about an instance that did not answer within it.
TELLING = 1.0  # seconds
IN_BETWEEN = frozenset({502, 503, 504})  # statuses of gateways: the module has not been asked
NEW_KEY = 1.1  # seconds until the other host looks again for a key that it does not know

_raised = msgspec.json.Decoder(Raised)
_refused = msgspec.json.Decoder(Refused)


def perform(wire: Wire, chooser: Chooser, calls: Calls, body: bytes) -> Any:
    """Call ``wire.method`` with the packed arguments ``body``.

    Raises the contract's errors, and those of ``rpc.errors``.
    """
    module, name = wire.method.module, wire.method.full_name
    context = current_context()
    deadline = _deadline_of(context, calls.policy.timeout_of(name))
    try:
        calls.switches.check(name)
        with calls.bulkhead(module).enter(timeout=deadline.remaining()):
            return _Call(wire, chooser, calls, body, context, deadline).made()
    except SwitchedOff as error:
        raise MethodSwitchedOff(module=module, method=name, reason=error.reason) from error
    except BulkheadFull as error:
        limit = calls.policy.concurrency
        raise ModuleOverloaded(module=module, method=name, limit=limit) from error


def _deadline_of(context: CallContext, limit: float) -> Deadline:
    """On a clock that does not jump. The caller's, or ``limit`` seconds where it has none."""
    if context.deadline is None:
        return Deadline.within(limit)
    return Deadline.within((context.deadline - datetime.now(UTC)).total_seconds())


class _Call:
    """One call with all its attempts."""

    def __init__(
        self,
        wire: Wire,
        chooser: Chooser,
        calls: Calls,
        body: bytes,
        context: CallContext,
        deadline: Deadline,
    ) -> None:
        self._wire, self._chooser, self._calls = wire, chooser, calls
        self._body, self._context, self._deadline = body, context, deadline
        self._module, self._name = wire.method.module, wire.method.full_name
        self._path = f"/rpc/{self._module}/{wire.method.name}"
        self._headers = headers_of(context)
        self._avoid: set[str] = set()
        self._said: ContractError | None = None  # the module's last word, if it has spoken
        self._cause = ""  # the code of what made the last attempt fail
        self._key_waited_for = False

    def made(self) -> Any:
        return retry(
            self._through_fences,
            policy=self._calls.policy.retries,
            is_retryable=self._may_retry,
            deadline=self._deadline,
            budget=self._calls.budget(self._module),
            sleep=self._calls.sleep,
            chance=self._calls.chance,
        )

    def _may_retry(self, error: Exception) -> bool:
        if isinstance(error, ModuleFailed | ModuleResting | DeadlineExceeded | Fenced | Moved):
            return False
        if not isinstance(error, ContractError) or not error.retryable:
            return False
        return not self._wire.method.is_command or _is_platforms(error)

    def _through_fences(self) -> Any:
        """One attempt, sent again while the module says that it is moving."""
        moves = 0
        while True:
            try:
                return self._attempt()
            except (Fenced, Moved) as error:
                if error.module != self._module:
                    raise  # of a module that it called: its own error, its own waiting
                # Whoever has moved told us so that we look elsewhere: at once, the first time.
                at_once = isinstance(error, Moved) and not moves
                moves += 1
                wait = 0.0 if at_once else FENCE.delay(moves, self._calls.chance)
                if wait >= self._deadline.remaining():
                    raise
            except CallRefused as error:
                wait = NEW_KEY
                if error.reason != "unknown_key" or self._key_waited_for:
                    raise
                self._key_waited_for = True
                if wait >= self._deadline.remaining():
                    raise
            self._calls.sleep(wait)

    def _attempt(self) -> Any:
        if self._cause:
            RESENT.labels(self._name, self._cause).inc()
        try:
            return self._attempted()
        except ContractError as error:
            self._cause = error.code
            raise

    def _attempted(self) -> Any:
        one, breaker, ticket = self._chosen()
        failed: bool | None = None  # None: it says nothing about the instance
        try:
            answer = self._sent_to(one)
            failed = answer.header(OUTCOME) in ("", Outcome.FAILED)
            return self._read(answer, one)
        except NoAnswer as error:
            failed = True if error.in_time or self._had_time else None
            self._avoid.add(one.id)
            if error.sent:
                self._said = None  # since then more may have become of it
            raise self._translated(error) from error
        finally:
            _settle(breaker, ticket, failed, one)
            self._chooser.done(one, failed=bool(failed))

    def _chosen(self) -> tuple[Instance, CircuitBreaker, int]:
        """An instance that is not left alone. Raises ModuleResting when all of them are."""
        resting = set[str]()
        while True:
            one = self._choose(self._avoid | resting)
            breaker = self._calls.breaker(one)
            try:
                return one, breaker, breaker.enter()
            except CircuitOpen as error:
                self._chooser.done(one)
                if one.id in resting:
                    raise ModuleResting(
                        module=self._module, method=self._name, retry_after=error.retry_after
                    ) from error
                resting.add(one.id)

    def _choose(self, avoid: set[str]) -> Instance:
        try:
            return self._chooser.choose(self._module, avoid=avoid)
        except Unavailable as error:
            raise self._unreachable("no instance is known") from error

    def _sent_to(self, one: Instance) -> Answer:
        """Raises NoAnswer."""
        calls, left = self._calls, self._deadline.remaining()
        if left <= 0:
            raise NoAnswer("no time is left", sent=False, in_time=False)
        self._had_time = left >= TELLING
        token = issue(
            calls.keys.signing(),
            issuer=calls.issuer,
            call=self._name,
            body=self._body,
            actor=self._context.actor,
            now=calls.clock(),
        )
        headers = [
            *self._headers,
            (b"Authorization", b"Bearer " + token.encode()),
            (DEADLINE.encode(), b"%d" % max(1, int(left * 1000))),
        ]
        address = calls.address(one.url, self._path)
        return calls.transport.post(address, headers, self._body, self._deadline)

    def _translated(self, error: NoAnswer) -> ContractError:
        if self._said is not None:
            return self._said  # it says more than that it could not be asked again
        if error.in_time:
            return self._unreachable(str(error))
        return DeadlineExceeded(method=self._name)

    def _read(self, answer: Answer, one: Instance) -> Any:
        try:
            match answer.header(OUTCOME):
                case Outcome.ANSWERED:
                    return decode(answer.body, self._wire.method.returns)
                case Outcome.RAISED:
                    raise self._error(_raised.decode(answer.body), one)
                case Outcome.REFUSED:
                    raise self._refusal(answer.status, _refused.decode(answer.body))
                case Outcome.FAILED:
                    raise ModuleFailed(module=self._module, method=self._name)
        except (CodecError, msgspec.MsgspecError) as error:
            raise CallMisunderstood(self._name, "bad_answer", str(error)) from error
        self._avoid.add(one.id)
        if answer.status in IN_BETWEEN:
            raise self._unreachable(f"{one.url} answered {answer.status}")
        if answer.status >= 500:
            raise ModuleFailed(module=self._module, method=self._name)
        detail = f"{one.url} answered {answer.status}, and not as a host of modules does"
        raise CallMisunderstood(self._name, "no_host", detail)

    def _error(self, told: Raised, one: Instance) -> ContractError:
        error = rebuilt(told)
        if error is None:
            kind = f"{told.module}.{told.type}"
            return ErrorNotUnderstood(module=self._module, method=self._name, error=kind)
        if isinstance(error, Moved):
            self._avoid.add(one.id)
        if isinstance(error, Unavailable):
            self._said = error
        return error

    def _refusal(self, status: int, told: Refused) -> CallRefused | CallMisunderstood:
        kind = CallRefused if status == 401 else CallMisunderstood
        log.error("rpc.call_refused", call=self._name, reason=told.reason, detail=told.detail)
        return kind(self._name, told.reason, told.detail)

    def _unreachable(self, reason: str) -> ModuleUnreachable:
        return ModuleUnreachable(module=self._module, method=self._name, reason=reason)


def _is_platforms(error: ContractError) -> bool:
    """Not of a module's own contract: of ours here, or one of the kinds as such."""
    return type(error).__module__.startswith("modules.platform.")


def _settle(breaker: CircuitBreaker, ticket: int, failed: bool | None, one: Instance) -> None:
    if failed is None:
        breaker.forget(ticket)
        return
    closed = breaker.opened_at is None
    breaker.leave(ticket, failed=failed)
    if closed and breaker.opened_at is not None:
        OPENED.labels(one.module).inc()
        log.warning("rpc.instance_left_alone", module=one.module, instance=one.id, url=one.url)
