"""What was found out a moment ago, for all who look: several operators cost as much as one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")


class Kept:
    """Answers by key, each good for some seconds, each made in a thread of its own.

    An answer is of an occasion, and no good on another: what people wait for has happened since.
    Who comes while one is made waits for that one, and nobody longer than ``patience``: a database
    that is locked or away must not take the web server's threads.
    """

    def __init__(self, patience: float = 2.5, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock, self._lock = patience, clock, threading.Lock()
        self._made: dict[Any, tuple[Any, float, Future[Any]]] = {}
        self._making: dict[Any, tuple[Any, float, Future[Any]]] = {}

    def get(self, key: Any, seconds: float, make: Callable[[], T], *, occasion: Any = None) -> T:
        """The kept answer, or what ``make`` gives, kept for ``seconds``.

        Raises what it raises, which is not kept, and TimeoutError: it will be there later.
        """
        began, answer = self.begin(key, seconds, make, occasion=occasion)
        left = self._patience - (self._clock() - began)
        found: T = answer.result(timeout=max(0.0, left))
        return found

    def begin(
        self, key: Any, seconds: float, make: Callable[[], T], *, occasion: Any = None
    ) -> tuple[float, Future[T]]:
        """Have it made, unless it is; when that began, and the answer to come."""
        with self._lock:
            of, until, kept = self._made.get(key, (None, float("-inf"), None))
            if kept is not None and of == occasion and self._clock() < until:
                return self._clock(), kept
            of, began, answer = self._making.get(key, (None, 0.0, None))
            if answer is not None and of == occasion:
                return began, answer
            began, answer = self._clock(), Future[Any]()
            self._making[key] = occasion, began, answer
        arguments = (key, seconds, make, answer)
        threading.Thread(target=self._make, args=arguments, daemon=True).start()
        return began, answer

    def _make(self, key: Any, seconds: float, make: Callable[[], Any], answer: Future[Any]) -> None:
        error: BaseException | None = None
        found = None
        try:
            found = make()
        except BaseException as raised:
            error = raised
        finally:
            connections.close_all()  # this thread's
        with self._lock:
            occasion, _, latest = self._making.get(key, (None, 0.0, None))
            if latest is answer:
                del self._making[key]
                if error is None:
                    self._made[key] = occasion, self._clock() + seconds, answer
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def forget(self) -> None:
        """Have everything found out anew; what is being made is of before."""
        with self._lock:
            self._made.clear()
            self._making.clear()


class Pace:
    """How fast something grows, by what was seen lately; nothing is known from one look."""

    WINDOW = 30.0  # seconds: long enough for chunks of any size, short enough to be of now

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Any, deque[tuple[float, int]]] = {}

    def seconds_left(self, key: Any, done: int, total: int) -> float | None:
        """Until ``total`` is reached at the pace of late; None while that is not known."""
        now, seen = self._clock(), self._seen.setdefault(key, deque(maxlen=100))
        if seen and done < seen[-1][1]:
            seen.clear()  # begun anew
        seen.append((now, done))
        while seen[0][0] < now - self.WINDOW and len(seen) > 2:
            seen.popleft()
        began, first = seen[0]
        if done <= first or now <= began:
            return None
        return max(0, total - done) * (now - began) / (done - first)
