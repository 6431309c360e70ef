"""The routing table of this process: which port is answered where. Read on every call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from modules.platform.binding.errors import NotBound
from modules.platform.binding.ports import methods_of
from modules.platform.binding.routes import LocalRoute, Route
from modules.platform.contracts import module_of

P = TypeVar("P")

_implementations: dict[type, object] = {}
_answered: dict[str, type] = {}  # module: its port
_stubs: dict[type, Any] = {}


class Stub:
    """Stands for a port; its methods are the route's callers, set as plain attributes.

    A new route is a new stub, published by one assignment into the table, so placement can
    change between two calls and never within one.
    """

    def __init__(self, port: type, route: Route) -> None:
        for name, method in methods_of(port).items():
            setattr(self, name, route.caller(method))


def bind(port: type, implementation: object) -> None:
    """Answer ``port`` with ``implementation`` in this process.

    Raises NotAPort when the port breaks the rules of contracts, and ``TypeError`` when the
    implementation lacks one of its methods.
    """
    lacking = [name for name in methods_of(port) if not hasattr(implementation, name)]
    if lacking:
        kind = type(implementation).__qualname__
        raise TypeError(f"{kind} lacks {', '.join(lacking)} of {port.__qualname__}")
    _implementations[port] = implementation
    _answered[module_of(port)] = port
    route(port, LocalRoute(implementation))


def route(port: type, way: Route) -> None:
    """From the next call on, ``port`` is answered by ``way``."""
    _stubs[port] = Stub(port, way)


def use(port: type[P]) -> P:
    """Whoever answers ``port`` now. Ask again for each call; do not keep it.

    Raises NotBound when no host has bound the port.
    """
    try:
        return cast(P, _stubs[port])
    except KeyError:
        raise NotBound(port) from None


def implementation_of(port: type[P]) -> P:
    """The implementation in this process, for the server side. Raises NotBound."""
    try:
        return cast(P, _implementations[port])
    except KeyError:
        raise NotBound(port) from None


def port_of(module: str) -> type | None:
    """The port of ``module`` that this process answers itself; None when it does not."""
    return _answered.get(module)


def bound_ports() -> tuple[type, ...]:
    """The ports this process can call."""
    return tuple(_stubs)


@contextmanager
def routed(port: type, way: Route) -> Iterator[None]:
    """Answer ``port`` by ``way`` for a while."""
    before = _stubs.get(port)
    route(port, way)
    try:
        yield
    finally:
        _put_back(_stubs, port, before)


@contextmanager
def bound(port: type, implementation: object) -> Iterator[None]:
    """``bind`` for a while; then as it was before."""
    module = module_of(port)
    before = (_implementations.get(port), _answered.get(module), _stubs.get(port))
    bind(port, implementation)
    try:
        yield
    finally:
        _put_back(_implementations, port, before[0])
        _put_back(_answered, module, before[1])
        _put_back(_stubs, port, before[2])


def _put_back(table: dict[Any, Any], key: object, before: object) -> None:
    if before is None:
        table.pop(key, None)
    else:
        table[key] = before
