"""Who hears what in this process: filled by the modules' ``apps.py``, read by the bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from modules.platform.contracts import Event, module_of
from modules.platform.messaging.upcasting import accepted_versions

Handler = Callable[[Any], None]
Start = Literal["earliest", "head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One consumer's handlers of one event type, in the order in which they run."""

    event: type[Event]
    handlers: tuple[Handler, ...]


@dataclass(slots=True)
class Consumer:
    """What one module hears. ``start``: where a subscription that is new begins."""

    listeners: dict[str, Listener] = field(default_factory=dict)
    start: Start = "earliest"


_consumers: dict[str, Consumer] = {}


def base_type(event: type[Event]) -> str:
    """The type without its version: ``payment.payment_authorized``."""
    return event.type_name().rpartition(".v")[0]


def subscribe(
    module: str,
    handlers: Mapping[type[Event], Sequence[Handler]],
    *,
    start: Start = "earliest",
) -> None:
    """Let ``module`` hear the events. Called once, in its ``AppConfig.ready()``.

    A handler takes the event and runs in one transaction with its batch, on the module's own
    database. Deliveries repeat after crashes only when their effects were rolled back, so a
    handler need not remember what it has seen; it must not call other modules or the network.
    A subscription that is new gets all retained events first, or none with ``start="head"``.
    """
    consumer = _consumers.setdefault(module, Consumer())
    consumer.start = start
    for event, functions in handlers.items():
        known = consumer.listeners.get(base_type(event))
        before = known.handlers if known else ()
        consumer.listeners[base_type(event)] = Listener(event=event, handlers=(*before, *functions))


def listener(module: str, type_name: str) -> Listener | None:
    """The handlers of ``module`` for the type without version, if it hears it."""
    consumer = _consumers.get(module)
    return consumer.listeners.get(type_name) if consumer else None


def consumers() -> tuple[str, ...]:
    """The modules that hear anything, in the order in which they subscribed."""
    return tuple(_consumers)


def start_of(module: str) -> Start:
    """Where a new subscription of ``module`` begins."""
    return _consumers[module].start


def heard_by(module: str) -> dict[str, dict[str, tuple[int, ...]]]:
    """Source module to event type to the versions that ``module`` accepts."""
    heard: dict[str, dict[str, tuple[int, ...]]] = {}
    for type_name, known in _consumers[module].listeners.items():
        versions = accepted_versions(type_name, known.event.VERSION)
        heard.setdefault(module_of(known.event), {})[type_name] = versions
    return heard


def heard_events() -> dict[str, type[Event]]:
    """Every event class that somebody here hears, by type without version."""
    return {
        name: known.event
        for consumer in _consumers.values()
        for name, known in consumer.listeners.items()
    }


@contextmanager
def only(subscriptions: Mapping[str, Mapping[type[Event], Sequence[Handler]]]) -> Iterator[None]:
    """For tests: nothing is heard but this, for a while."""
    before = dict(_consumers)
    _consumers.clear()
    try:
        for module, handlers in subscriptions.items():
            subscribe(module, handlers)
        yield
    finally:
        _consumers.clear()
        _consumers.update(before)
