"""What a use case takes from outside its database: new ids, and answers of whom it asks.

Heard once, it can be heard again: a command that is repeated elsewhere then draws the same ids and
is told the same by its providers, who are not asked. Who listens does so for one thread's work;
for everybody else it costs a look at a context variable.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar, cast, get_type_hints
from uuid import UUID

import msgspec

from modules.platform.contracts.codec import decode, encode

Client = TypeVar("Client")
Errors = tuple[type[Exception], ...]


class NothingHeard(Exception):
    """Somebody is asked who was not asked then, or not so often."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An error of whom was asked: its class's name, arguments and attributes."""

    kind: str
    arguments: list[Any]
    attributes: dict[str, Any]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Who was asked what (``standin.authorize``), and the answer or the error; JSON's types."""

    asked: str
    of: dict[str, Any]
    answer: Any = None
    error: Told | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """All that was taken from outside, each kind in its order."""

    ids: list[UUID] = []
    exchanges: list[Exchange] = []


class Recorder:
    """Hears what a use case takes from outside."""

    def __init__(self) -> None:
        self.heard = Heard()

    def id(self, make: Callable[[], UUID]) -> UUID:
        self.heard.ids.append(one := make())
        return one

    def ask(
        self, asked: str, of: dict[str, Any], call: Callable[[], Any], kind: Any, errors: Errors
    ) -> Any:
        try:
            answer = call()
        except errors as error:
            told = Told(
                kind=type(error).__name__,
                arguments=_plain(error.args),
                attributes=_plain(vars(error)),
            )
            self.heard.exchanges.append(Exchange(asked=asked, of=of, error=told))
            raise
        self.heard.exchanges.append(Exchange(asked=asked, of=of, answer=_plain(answer)))
        return answer


class Player:
    """Says again what was heard. ``asked`` are the questions that come now."""

    def __init__(self, heard: Heard) -> None:
        self._ids, self._exchanges = iter(heard.ids), iter(heard.exchanges)
        self.asked: list[Exchange] = []

    def id(self, make: Callable[[], UUID]) -> UUID:
        return next(self._ids, None) or make()

    def ask(
        self, asked: str, of: dict[str, Any], call: Callable[[], Any], kind: Any, errors: Errors
    ) -> Any:
        self.asked.append(Exchange(asked=asked, of=of))
        then = next(self._exchanges, None)
        if then is None or then.asked != asked:
            raise NothingHeard(f"{asked} was not asked then")
        if then.error is not None:
            _raise(then.error, errors)
        return decode(encode(then.answer), kind)


_ear: ContextVar[Recorder | Player | None] = ContextVar("ficus_outside", default=None)


@contextmanager
def hearing(ear: Recorder | Player) -> Iterator[None]:
    """What happens inside is heard by ``ear``, or hears it."""
    token = _ear.set(ear)
    try:
        yield
    finally:
        _ear.reset(token)


def is_heard() -> bool:
    """Whether somebody listens to what happens here."""
    return _ear.get() is not None


def drawn(make: Callable[[], UUID]) -> UUID:
    """A new id, or the one that was drawn then."""
    ear = _ear.get()
    return make() if ear is None else ear.id(make)


def overheard(
    client: Client,
    protocol: type,
    methods: Iterable[str],
    *,
    name: str,
    errors: Errors,
    apart: frozenset[str] = frozenset({"timeout"}),
) -> Client:
    """``client``, whose ``methods`` can be heard and be heard again under ``name``.

    Their answers are of the types that ``protocol`` says, their errors of ``errors``: classes that
    are made again without their ``__init__``. ``apart`` are parameters that say nothing of what is
    asked.
    """
    return cast(Client, _Overheard(client, protocol, frozenset(methods), name, errors, apart))


class _Overheard:
    """Looks like the client; its methods are made at their first use."""

    def __init__(
        self,
        client: Any,
        protocol: type,
        methods: frozenset[str],
        name: str,
        errors: Errors,
        apart: frozenset[str],
    ) -> None:
        self._client, self._protocol, self._methods = client, protocol, methods
        self._name, self._errors, self._apart = name, errors, apart

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._client, attribute)
        if attribute not in self._methods:
            return found
        method = self._method(found, attribute)
        setattr(self, attribute, method)
        return method

    def _method(self, call: Callable[..., Any], attribute: str) -> Callable[..., Any]:
        asked, errors, apart = f"{self._name}.{attribute}", self._errors, self._apart
        signature = inspect.signature(call)
        kind = get_type_hints(getattr(self._protocol, attribute))["return"]

        @functools.wraps(call)
        def ask(*args: Any, **kwargs: Any) -> Any:
            ear = _ear.get()
            if ear is None:
                return call(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            of = _plain({key: value for key, value in given.items() if key not in apart})
            return ear.ask(asked, of, lambda: call(*args, **kwargs), kind, errors)

        return ask


def _raise(told: Told, errors: Errors) -> NoReturn:
    kind = next((one for one in _all_of(errors) if one.__name__ == told.kind), None)
    if kind is None:
        raise NothingHeard(f"an error {told.kind}, which is not known here")
    error = kind.__new__(kind, *told.arguments)
    vars(error).update(told.attributes)
    raise error


def _all_of(kinds: Iterable[type[Exception]]) -> Iterator[type[Exception]]:
    for kind in kinds:
        yield kind
        yield from _all_of(kind.__subclasses__())


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return msgspec.json.decode(encode(value))
