"""An event on its way: a CloudEvents 1.0 JSON object; a batch is a JSON array of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

import msgspec

from modules.platform.contracts import Envelope, Event
from modules.platform.contracts.codec import CodecError, decode
from modules.platform.messaging.errors import UnreadableEvent
from modules.platform.messaging.upcasting import lift

EventClass = type[Event]  # inside the class below `type` is a field


class WireEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CloudEvents attributes plus the bus's position (``sequence``) and causation."""

    specversion: str
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    sequence: str
    data: msgspec.Raw
    datacontenttype: str = "application/json"
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    asker: str | None = None

    @property
    def position(self) -> int:
        return int(self.sequence)

    @property
    def base_type(self) -> str:
        return self.type.rpartition(".v")[0]

    @property
    def version(self) -> int:
        return int(self.type.rpartition(".v")[2])

    def envelope(self) -> Envelope:
        return Envelope(
            id=self.id,
            source=self.source,
            type=self.type,
            subject=self.subject,
            time=self.time,
            traceparent=self.traceparent,
            correlation_id=self.correlationid or str(self.id),
            causation_id=self.causationid,
            asker=self.asker,
        )

    def event(self, wanted: EventClass) -> Event:
        """The event as ``wanted``, lifted to its version.

        Raises UnacceptableVersion and UnreadableEvent.
        """
        data = bytes(self.data)
        try:
            if self.version != wanted.VERSION:
                lifted = lift(self.base_type, self.version, wanted.VERSION, _object(data))
                data = msgspec.json.encode(lifted)
            return decode(data, wanted)
        except CodecError as error:
            raise UnreadableEvent(str(error)) from error


@dataclass(frozen=True)
class Batch:
    """What one task carries: the events of interest in (``after``, ``to``] of one part.

    ``opening``: the consumer has never answered for this part, so it has no position yet and takes
    ``after`` for it.
    """

    source: str
    consumer: str
    part: int
    after: int
    to: int
    opening: bool
    events: str

    @cached_property
    def unpacked(self) -> list[WireEvent]:
        return _batch.decode(self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The consumer's word: everything up to ``pos`` is settled here.

    ``rewind``: the batch did not join on to ``pos``; send again from there.
    """

    source: str
    consumer: str
    part: int
    pos: int
    rewind: bool = False
    handled: int = 0


_batch = msgspec.json.Decoder(list[WireEvent])
_event = msgspec.json.Decoder(WireEvent)
_encoder = msgspec.json.Encoder()


def encode_events(events: Sequence[WireEvent]) -> str:
    """The batch as text, to pass through Celery's own JSON untouched."""
    return _encoder.encode(events).decode()


def encode_event(event: WireEvent) -> str:
    return _encoder.encode(event).decode()


def decode_event(text: str) -> WireEvent:
    return _event.decode(text)


def _object(data: bytes) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(data, type=dict)
    return found
