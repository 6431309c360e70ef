"""What a host has when it has started is never looked at again; what comes later is."""

from __future__ import annotations

import gc
import weakref


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_a_started_host_is_left_out_of_collections() -> None:
    """Settings, modules and models stay for the life of the process: this one has started."""
    assert gc.isenabled()
    assert gc.get_freeze_count() > 100_000


def test_later_garbage_is_collected() -> None:
    """Or a process would grow and grow."""
    seen = weakref.ref(Ring())
    gc.collect()
    assert seen() is None
