"""What use cases take from outside their database, heard once and heard again; no Django in it."""

from modules.platform.outside.hearing import (
    Exchange,
    Heard,
    NothingHeard,
    Player,
    Recorder,
    Told,
    drawn,
    hearing,
    is_heard,
    overheard,
)

__all__ = [
    "Exchange",
    "Heard",
    "NothingHeard",
    "Player",
    "Recorder",
    "Told",
    "drawn",
    "hearing",
    "is_heard",
    "overheard",
]
