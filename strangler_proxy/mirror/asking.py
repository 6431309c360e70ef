"""One upstream is asked once, and nobody waits for it: a copy, or a question to confirm a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strangler_proxy.attempt import Attempt
from strangler_proxy.errors import TimedOut, UpstreamFailed
from strangler_proxy.mirror.exchanged import Answered
from strangler_proxy.mirror.seen import Seen
from strangler_proxy.wire.heads import ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.app import Proxy
    from strangler_proxy.mirror.recording import Recorder
    from strangler_proxy.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: all bytes of the request. ``recorder`` if the answer is to be kept."""

    message: bytes
    is_head: bool
    deadline_seconds: float
    recorder: Recorder | None


class Asking:
    """Owner of the one attempt. ``over`` is called once, with this, when there is no more to come;
    ``failure`` says then why the answer is not whole."""

    def __init__(
        self, proxy: Proxy, upstream: Upstream, question: Question, over: Callable[[Asking], None]
    ) -> None:
        self.failure = ""
        self._began = proxy.time()
        self.expires = self._began + question.deadline_seconds
        self._proxy = proxy
        self._upstream = upstream
        self._question = question
        self._over = over
        self._seen = Seen(question.recorder) if question.recorder is not None else None
        self._seconds = 0.0
        self._attempt: Attempt | None = None

    def start(self, *, judges: bool = True) -> None:
        """Ask. ``judges``: the outcome counts for the instance's breaker and as an outlier."""
        self._proxy.timed.add(self)
        no_body = self._question.is_head
        attempt = self._attempt = Attempt(
            self, self._upstream, no_body=no_body, detached=True, judges=judges
        )
        attempt.start()

    def answered(self) -> Answered | None:
        """What was said; None if nobody keeps it."""
        if self._seen is None:
            return None
        return self._seen.answered(self._upstream.name, self._seconds, self.failure)

    # -- owner of an attempt

    def message(self) -> tuple[bytes, bool]:
        return self._question.message, True

    def on_answer(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        if self._seen is not None:
            self._seen.on_answer(head, data)
        if ended:
            self._end()

    def on_data(self, data: bytes, ended: bool) -> None:
        if self._seen is not None:
            self._seen.on_data(data)
        if ended:
            self._end()

    def on_failed(self, error: UpstreamFailed) -> None:
        self.failure = error.code
        self._end()

    def on_expired(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel(failed=True)
            self.on_failed(TimedOut("the copy took too long"))

    def on_upstream_paused(self) -> None:
        """What is sent is small and all there."""

    def on_upstream_resumed(self) -> None:
        """As above."""

    def _end(self) -> None:
        self._attempt = None  # or the two would wait for the garbage collector
        self._seconds = self._proxy.time() - self._began
        self._proxy.timed.discard(self)
        self._over(self)
