"""Messages between supervisor and worker over a socket pair: four bytes of length, msgpack."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from strangler_proxy.workers.orders import AnyOrder

LARGEST = 64 << 20  # bytes; a document of 8 MiB and a snapshot of any size fit
_LENGTH = 4
Message = TypeVar("Message")


class Request(Struct, frozen=True):
    """To the worker. ``id`` comes back with the answer."""

    id: int
    order: AnyOrder


class Fault(Struct, frozen=True):
    """What was wrong with a document."""

    path: str
    reason: str
    line: int | None = None


class Answer(Struct, frozen=True, omit_defaults=True):
    """From the worker: a result, or faults of a document, or why it failed otherwise."""

    id: int
    result: Raw = Raw(msgspec.msgpack.encode(None))
    faults: tuple[Fault, ...] = ()
    failed: str = ""


READY = Answer(id=0)  # the first message of a worker: it serves


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """Use ``end``, which belongs to the channel from now on."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def send(self, message: Struct) -> None:
        """Raises ConnectionError if the other end is gone."""
        body = msgspec.msgpack.encode(message)
        self._writer.write(len(body).to_bytes(_LENGTH, "big") + body)
        await self._writer.drain()

    async def receive(self, shape: type[Message]) -> Message | None:
        """The next message, None if the other end is gone. Raises msgspec.DecodeError."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
            if length > LARGEST:
                raise msgspec.DecodeError(f"a message of {length} bytes is none of ours")
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return msgspec.msgpack.decode(body, type=shape)

    def close(self) -> None:
        """The other end sees it."""
        self._writer.close()


def result(value: Any) -> Raw:
    """A value as it travels in an answer."""
    return Raw(msgspec.msgpack.encode(value))
