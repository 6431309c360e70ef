"""What a worker can be told. The data path implements ``Worker``; orders carry it over a socket."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, assert_never

from msgspec import Struct

from strangler_proxy.config import Document
from strangler_proxy.control.fleet import Question, WorkerSnapshot
from strangler_proxy.discovery.announcement import Announcement
from strangler_proxy.errors import Finding, TableRefused


class Worker(Protocol):
    """One data path. Its methods run in its event loop, one after the other."""

    async def start(self, welcome: Welcome) -> None:
        """Put the table in force and serve the listeners. Raises TableRefused and OSError."""

    async def apply(self, document: Document) -> None:
        """Put another table in force. If it raises, whatever it is, the old one has stayed."""

    def snapshot(self) -> WorkerSnapshot:
        """How it goes."""

    def register(self, upstream: str, instance: str, announcement: Announcement) -> None:
        """An instance announces itself, or is still there."""

    def deregister(self, upstream: str, instance: str) -> None:
        """An instance goes."""

    def drain_instance(self, upstream: str, address: str, *, draining: bool) -> bool:
        """Send it nothing new, or again. False if there is no such instance."""

    def explain(self, question: Question) -> dict[str, Any]:
        """What is decided about a request that is not sent. Raises ValueError."""

    def reopen_log(self) -> None:
        """The access log was renamed."""

    async def leave(self) -> None:
        """Accept those who wait at the door, and listen no more."""

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, finish what is under way, at most ``seconds`` long, and end."""


class Welcome(Struct, frozen=True, kw_only=True):
    """What a worker begins with.

    ``sockets`` are inherited file descriptors, one for each of ``document.listen``; none: it opens
    its own. ``registrations`` is a dump of ``Registrations``, ``drained`` are upstream and address.
    """

    worker: int
    document: Document
    sockets: tuple[int, ...] = ()
    registrations: bytes = b"{}"
    drained: tuple[tuple[str, str], ...] = ()


class Order(Struct, frozen=True, tag=True):
    """The root of what a worker is told."""


class Apply(Order, frozen=True):
    document: Document


class TakeSnapshot(Order, frozen=True):
    pass


class Register(Order, frozen=True):
    upstream: str
    instance: str
    announcement: Announcement


class Deregister(Order, frozen=True):
    upstream: str
    instance: str


class DrainInstance(Order, frozen=True):
    upstream: str
    address: str
    draining: bool


class Explain(Order, frozen=True):
    question: Question


class ReopenLog(Order, frozen=True):
    pass


class Leave(Order, frozen=True):
    """The answer comes when it does not listen any more."""


class Drain(Order, frozen=True):
    """Begin to drain; the answer comes at once, the process ends when it is done."""

    seconds: float


AnyOrder = (
    Apply
    | TakeSnapshot
    | Register
    | Deregister
    | DrainInstance
    | Explain
    | ReopenLog
    | Leave
    | Drain
)
Result = TypeVar("Result")


async def obey(worker: Worker, order: AnyOrder) -> Any:
    """Do it; but a drain is for the caller, who knows what has to end with it."""
    match order:
        case Apply(document):
            return await _apply(worker, document)
        case TakeSnapshot():
            return worker.snapshot()
        case Register(upstream, instance, announcement):
            return worker.register(upstream, instance, announcement)
        case Deregister(upstream, instance):
            return worker.deregister(upstream, instance)
        case DrainInstance(upstream, address, draining):
            return worker.drain_instance(upstream, address, draining=draining)
        case Explain(question):
            return worker.explain(question)
        case ReopenLog():
            return worker.reopen_log()
        case Leave():
            return await worker.leave()
        case Drain():
            return None
        case _:
            assert_never(order)


async def _apply(worker: Worker, document: Document) -> None:
    try:
        await worker.apply(document)
    except TableRefused:
        raise
    except Exception as error:  # a certificate that cannot be read, or worse: the old one stays
        reason = f"cannot be put in force: {type(error).__name__}: {error}"
        raise TableRefused([Finding(path="$", reason=reason)]) from error
