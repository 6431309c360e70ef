"""An answer as it goes by, for a recorded pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler_proxy.errors import Field
from strangler_proxy.mirror.exchanged import Answered, Tap
from strangler_proxy.wire.heads import NOT_RETURNED, ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.mirror.recording import Recorder


class Seen:
    """Listens to one answer."""

    __slots__ = ("_recorder", "fields", "status", "tap")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.status: int | None = None
        self.fields: tuple[Field, ...] = ()
        self.tap: Tap | None = None

    def on_answer(self, head: ResponseHead, data: bytes) -> None:
        """It begins; what there was of an attempt before does not count."""
        self.status = head.status
        self.fields = tuple(head.passing_pairs(NOT_RETURNED))
        self.tap = self._recorder.tap()
        self.on_data(data)

    def on_data(self, data: bytes) -> None:
        if data and self.tap is not None:
            self.tap.feed(data)

    def answered(self, upstream: str, seconds: float, failure: str) -> Answered:
        """As the recorder takes it. ``failure``: why it is not whole, or empty."""
        return Answered(
            upstream=upstream,
            status=self.status,
            fields=self.fields,
            body=self.tap,
            seconds=seconds,
            failure=failure or None,
        )
