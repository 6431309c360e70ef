"""One call of another host, from its arguments to its value or error, whatever carries it.

What is repeated: an attempt that reached nobody, was cut off, or was answered 502, 503 or 504 by
something in between (commands carry an idempotency key and queries change nothing, so each may be
sent again); and retryable errors, but of a command only those that no module has made its own: what
a module says of its command ("the provider was not asked") must reach the caller, and would be
blurred if the answer to the next attempt were lost. Waits have full jitter, and retries are bounded
by attempts, the deadline and a budget. ``Fenced`` and ``Moved`` of the called module are no
failures: nothing was done there, and the same command is sent again until the deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from modules.platform.binding import Method
from modules.platform.contracts import (
    CallContext,
    ContractError,
    DeadlineExceeded,
    Fenced,
    Moved,
    Unavailable,
    current_context,
)
from modules.platform.discovery import Instance
from modules.platform.resilience import (
    BulkheadFull,
    CircuitOpen,
    Deadline,
    RetryPolicy,
    SwitchedOff,
    retry,
)
from modules.platform.rpc.answers import value_in
from modules.platform.rpc.calls import Calls
from modules.platform.rpc.carriers import Carrier, Told
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.errors import (
    CallRefused,
    ErrorNotUnderstood,
    MethodSwitchedOff,
    ModuleFailed,
    ModuleOverloaded,
    ModuleResting,
    ModuleUnreachable,
)
from modules.platform.rpc.metrics import RESENT
from modules.platform.rpc.sending import Sender, tells_of_failure
from modules.platform.rpc.transport import NoAnswer
from modules.platform.rpc.wire import Outcome

# A fence stands for 10 to 100 ms: ask early, then less and less often.
FENCE = RetryPolicy(attempts=1, base=0.02, longest=0.25)
NEW_KEY = 1.1  # seconds until the other host looks again for a key that it does not know


def perform(method: Method, carriers: Sequence[Carrier], chooser: Chooser, calls: Calls) -> Any:
    """Call ``method`` with the arguments that ``carriers`` hold; the one to prefer is the first,
    the last reaches every instance.

    Raises the contract's errors, and those of ``rpc.errors``.
    """
    module, name = method.module, method.full_name
    context = current_context()
    deadline = _deadline_of(context, calls.policy.timeout_of(name))
    try:
        calls.switches.check(name)
        with calls.bulkhead(module).enter(timeout=deadline.remaining()):
            return Call(method, carriers, chooser, calls, context, deadline).made()
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


class Call:
    """One call with all its attempts."""

    def __init__(
        self,
        method: Method,
        carriers: Sequence[Carrier],
        chooser: Chooser,
        calls: Calls,
        context: CallContext,
        deadline: Deadline,
    ) -> None:
        self._method = method
        self._chooser, self._calls, self._deadline = chooser, calls, deadline
        self._sender = Sender(method, carriers, calls, context, deadline)
        self._module, self._name = method.module, method.full_name
        self._avoid: set[str] = set()
        self._said: ContractError | None = None  # the module's last word, if it has spoken
        self._cause = ""  # the code of what made the last attempt fail
        self._key_waited_for = False

    def made(self) -> Any:
        """The value. Raises the contract's errors, and those of ``rpc.errors``."""
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
        return not self._method.is_command or _is_platforms(error)

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
        """At the first instance that is not left alone. Raises ModuleResting when all are."""
        resting = set[str]()
        while True:
            one = self._choose(self._avoid | resting)
            try:
                return self._asked(one)
            except CircuitOpen as error:
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

    def _asked(self, one: Instance) -> Any:
        """Raises CircuitOpen when it is left alone."""
        failed = False
        try:
            told, carrier, url = self._sender.told_by(one)
            failed = tells_of_failure(told)
            return self._read(told, carrier, url, one)
        except NoAnswer as error:
            failed = self._sender.is_to_blame(error)
            self._avoid.add(one.id)
            raise self._translated(error) from error
        finally:
            self._chooser.done(one, failed=failed)

    def _translated(self, error: NoAnswer) -> ContractError:
        if error.sent:
            self._said = None  # since then more may have become of it
        if self._said is not None:
            return self._said  # it says more than that it could not be asked again
        if error.in_time:
            return self._unreachable(str(error))
        return DeadlineExceeded(method=self._name)

    def _read(self, told: Told, carrier: Carrier, url: str, one: Instance) -> Any:
        try:
            return value_in(told, self._method, carrier, url)
        except ContractError as error:
            if not told.outcome or isinstance(error, Moved):
                self._avoid.add(one.id)
            is_its_own = told.outcome == Outcome.RAISED and not isinstance(
                error, ErrorNotUnderstood
            )
            if is_its_own and isinstance(error, Unavailable):
                self._said = error
            raise

    def _unreachable(self, reason: str) -> ModuleUnreachable:
        return ModuleUnreachable(module=self._module, method=self._name, reason=reason)


def _is_platforms(error: ContractError) -> bool:
    """Not of a module's own contract: of ours here, or one of the kinds as such."""
    return type(error).__module__.startswith("modules.platform.")
